// Runs random histories, and says of one that fails how to run it again.
import fc from 'fast-check'
import { keepFailure } from './kept-failures'
import { history, type Operation } from './operations'
import { World } from './world'

/** Shortening a history that failed ends with the best that was found until then. */
const shortenMs = 60_000

export interface Search {
  readonly runs: number
  readonly seed: number
  /** Where in the seed's histories to begin; ends at the first failure, which is not shortened. */
  readonly path?: string | undefined
  /** File that a failing history is kept in. */
  readonly keptIn?: string
  /** What a history must pass; by default the store. */
  readonly run?: (operations: readonly Operation[]) => Promise<void>
}

export async function run(operations: readonly Operation[]): Promise<void> {
  const world = new World()
  await world.start()
  for (const operation of operations) await world.do(operation)
  await world.end()
}

/** Answers how many different histories have passed; throws with the history that does not. */
export function checkHistories(search: Search): Promise<number> {
  return checkAll({ ...search, histories: history, run: search.run ?? run })
}

/** The same for histories of any kind. */
export async function checkAll<History>(
  search: Omit<Search, 'run'> & {
    readonly histories: fc.Arbitrary<History>
    readonly run: (history: History) => Promise<void>
  },
): Promise<number> {
  const { runs, seed, path, keptIn } = search
  let shortenUntil = Infinity
  const passed = new Set<string>()
  const property = fc.asyncProperty(search.histories, async (one) => {
    if (performance.now() > shortenUntil) return
    try {
      await search.run(one)
      passed.add(JSON.stringify(one))
    } catch (error) {
      shortenUntil = Math.min(shortenUntil, performance.now() + shortenMs)
      throw error
    }
  })
  const replay = path !== undefined && { path, endOnFailure: true }
  const result = await fc.check(property, { numRuns: runs, seed, ...replay })
  if (!result.failed) return passed.size
  const operations = result.counterexample![0]
  const found = `${result.seed}:${result.counterexamplePath}`
  const cause = result.errorInstance
  if (keptIn !== undefined) keepFailure(keptIn, { seed: found, error: String(cause), operations })
  const text = Array.isArray(operations)
    ? operations.map((operation) => `  ${JSON.stringify(operation)},`).join('\n')
    : JSON.stringify(operations, null, 2)
  throw new Error(`${String(cause)}\nKFK_SEED=${found}\n${text}`, { cause })
}
