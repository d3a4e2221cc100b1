// Property: whatever is done to a directory of logs, in whatever order, on a disk that fails and a
// machine that stops, it holds what a simple model says.
//
// A failing history is printed, shortened, with its seed, and kept in model/failures.json, with which
// the next run begins. Mend the bug, give the history a name in model/regressions.ts and remove the
// file. `KFK_SEED=<seed>[:<path>]` runs one again. The histories here are the same every time;
// `npm run torture -- --only model` runs others.
import { join } from 'node:path'
import { checkHistories, run } from './model/check-histories'
import { runKept } from './model/kept-failures'
import { regressions } from './model/regressions'
import { rounds } from './support/proofs'

const usualSeed = '1'
const usualRuns = rounds(1000, 60)
const keptIn = join(__dirname, 'model', 'failures.json')

test('histories that failed in the last runs', async () => {
  await runKept(keptIn, run)
})

test('histories that failed before', async () => {
  for (const { what, operations } of regressions) {
    await run(operations).catch((cause: unknown) => {
      throw new Error(`again: ${what}`, { cause })
    })
  }
})

test('random histories', async () => {
  const [seed, path] = (process.env['KFK_SEED'] ?? usualSeed).split(/:(.*)/)
  const passed = await checkHistories({ runs: usualRuns, seed: Number(seed), path, keptIn })
  expect(passed).toBeGreaterThan(path === undefined ? usualRuns / 2 : 0)
}, 600_000)
