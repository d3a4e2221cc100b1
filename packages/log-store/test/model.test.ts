// Property: whatever is done to a directory of logs, in whatever order, on a disk that fails and a
// machine that stops, it holds what a simple model says.
//
// A failing history is printed, shortened, with its seed. Mend the bug and keep the history in
// model/regressions.ts. `KFK_SEED=<seed>[:<path>]` runs one again; `KFK_RUNS=<n>` runs so many from
// a seed of its own, to search for more. Without either the same histories run every time.
import fc from 'fast-check'
import { history, type Operation } from './model/operations'
import { regressions } from './model/regressions'
import { World } from './model/world'

const usualSeed = 1
const usualRuns = 400
/** Shortening a history that failed ends with the best that was found until then. */
const shortenMs = 60_000

async function run(operations: readonly Operation[]): Promise<void> {
  const world = new World()
  await world.start()
  for (const operation of operations) await world.do(operation)
  await world.end()
}

test('histories that failed before', async () => {
  for (const { what, operations } of regressions) {
    await run(operations).catch((cause: unknown) => {
      throw new Error(`again: ${what}`, { cause })
    })
  }
}, 60_000)

test('random histories', async () => {
  const { KFK_SEED, KFK_RUNS } = process.env
  const [seed, path] = KFK_SEED?.split(/:(.*)/) ?? []
  let shortenUntil = Infinity
  const state = { runs: 0, failed: false }
  const property = fc.asyncProperty(history, async (operations) => {
    if (performance.now() > shortenUntil) return
    state.runs++
    await run(operations).catch((error: unknown) => {
      if (!state.failed) shortenUntil = performance.now() + shortenMs
      state.failed = true
      throw error
    })
  })
  const result = await fc.check(property, {
    numRuns: Number(KFK_RUNS ?? usualRuns),
    ...(KFK_RUNS === undefined && { seed: Number(seed ?? usualSeed) }),
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path, endOnFailure: true }),
  })
  if (result.failed) throw failureOf(result)
  expect(state.runs).toBeGreaterThan(0)
}, 3_600_000)

function failureOf(result: fc.RunDetails<[Operation[]]>): Error {
  const lines = result.counterexample![0].map((operation) => `  ${JSON.stringify(operation)},`)
  const replay = `KFK_SEED=${result.seed}:${result.counterexamplePath}`
  const cause = result.errorInstance
  return new Error(`${String(cause)}\n${replay}\n${lines.join('\n')}`, { cause })
}
