// Runs random histories, and says of one that fails how to run it again.
import fc from 'fast-check'
import { history, type Operation } from './operations'
import { World } from './world'

/** Shortening a history that failed ends with the best that was found until then. */
const shortenMs = 60_000

export interface Search {
  readonly runs: number
  readonly seed: number
  /** Where in the seed's histories to begin; ends at the first failure, which is not shortened. */
  readonly path?: string | undefined
}

export async function run(operations: readonly Operation[]): Promise<void> {
  const world = new World()
  await world.start()
  for (const operation of operations) await world.do(operation)
  await world.end()
}

/** Answers how many different histories have passed; throws with the history that does not. */
export async function checkHistories({ runs, seed, path }: Search): Promise<number> {
  let shortenUntil = Infinity
  const passed = new Set<string>()
  const property = fc.asyncProperty(history, async (operations) => {
    if (performance.now() > shortenUntil) return
    try {
      await run(operations)
      passed.add(JSON.stringify(operations))
    } catch (error) {
      shortenUntil = Math.min(shortenUntil, performance.now() + shortenMs)
      throw error
    }
  })
  const replay = path !== undefined && { path, endOnFailure: true }
  const result = await fc.check(property, { numRuns: runs, seed, ...replay })
  if (result.failed) throw failureOf(result)
  return passed.size
}

function failureOf(result: fc.RunDetails<[Operation[]]>): Error {
  const lines = result.counterexample![0].map((operation) => `  ${JSON.stringify(operation)},`)
  const replay = `KFK_SEED=${result.seed}:${result.counterexamplePath}`
  const cause = result.errorInstance
  return new Error(`${String(cause)}\n${replay}\n${lines.join('\n')}`, { cause })
}
