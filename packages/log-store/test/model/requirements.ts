// Comparisons that say what differs, without a test runner.
import { isDeepStrictEqual } from 'node:util'
import { type Log, StoreError } from '../../src/index'
import { settle } from '../support/records'
import type { ModelLog } from './model-log'

function shown({ start, end, visible }: ModelLog): object {
  return { start, end, batches: visible }
}

export function sameLog(left: ModelLog, right: ModelLog): boolean {
  return isDeepStrictEqual(shown(left), shown(right))
}

export function requireSame(what: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return
  throw new Error(`${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`)
}

export function requireOneOf(
  what: string,
  found: ModelLog | undefined,
  states: readonly (ModelLog | undefined)[],
): void {
  const possible = states.some((state) =>
    state === undefined || found === undefined ? state === found : sameLog(state, found),
  )
  if (!possible) throw noneOf(what, found, states)
}

export function noneOf(
  what: string,
  found: ModelLog | undefined,
  states: readonly (ModelLog | undefined)[],
): Error {
  const text = (log: ModelLog | undefined) => (log ? JSON.stringify(shown(log)) : 'no log')
  return new Error(`${what}: ${text(found)} is none of\n${states.map(text).join('\n')}`)
}

/** The code of an error of this package. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof StoreError ? error.code : undefined
}

/** An error that a failing disk is the reason of. */
export function isDiskFailure(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'KFK_STORE_IO' || code === 'KFK_STORE_NO_SPACE' || code === 'KFK_STORE_DELAYED'
}

/** What `work` answers; in each of so many turns somebody has all synced that is there. */
export async function whileFlushing<Result>(
  log: Log,
  turns: number,
  work: Promise<Result>,
): Promise<Result> {
  const flush = async () => {
    for (let turn = 0; turn < turns; turn++) {
      await log.flush().catch((error: unknown) => {
        if (!isDiskFailure(error)) throw error
      })
      await settle(1)
    }
  }
  const [result] = await Promise.all([work, flush()])
  return result
}
