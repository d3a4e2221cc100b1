// Histories that failed, kept in a file beside this one until somebody takes them away, so that the
// next run begins with them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Operation } from './operations'

/** What a history is made of: a list of operations, unless something else is said. */
export type Operations = readonly Operation[]

export interface KeptFailure<History = Operations> {
  /** Where it came from: `KFK_SEED=<seed>:<path>` makes it again while histories are made this way. */
  readonly seed: string
  readonly error: string
  /** As short as it could be made. */
  readonly operations: History
}

/** One bug may fail on many seeds. */
const mostKept = 20

/** What is kept in this file, the latest failure first. */
export function keptFailures<History = Operations>(file: string): readonly KeptFailure<History>[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as KeptFailure<History>[]) : []
}

/** Runs what is kept in this file; throws with the first that fails again. */
export async function runKept<History = Operations>(
  file: string,
  run: (history: History) => Promise<void>,
): Promise<void> {
  for (const { seed, error, operations } of keptFailures<History>(file)) {
    await run(operations).catch((cause: unknown) => {
      throw new Error(`KFK_SEED=${seed} failed with ${error}, and again`, { cause })
    })
  }
}

/** Keeps a failure, unless the same history is kept already; of too many the oldest go. */
export function keepFailure<History>(file: string, failure: KeptFailure<History>): void {
  const history = JSON.stringify(failure.operations)
  const others = keptFailures<History>(file).filter(
    ({ operations }) => JSON.stringify(operations) !== history,
  )
  const kept = [failure, ...others].slice(0, mostKept)
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`)
}
