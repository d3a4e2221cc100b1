// Property: however appends, rolls, cuts at both ends, failures, stops and openings follow each other,
// what a log knows of its producers and transactions is what all batches that were written tell.
//
// A failing history is printed, shortened, with its seed, and kept in producers/failures.json, with
// which the next run begins. `KFK_SEED=<seed>[:<path>]` runs one again.
import { join } from 'node:path'
import { checkAll } from './model/check-histories'
import { runKept } from './model/kept-failures'
import { rounds } from './support/proofs'
import { histories } from './producers/history'
import { runHistory } from './producers/producer-world'

const usualSeed = '1'
const usualRuns = rounds(600, 16)
const keptIn = join(__dirname, 'producers', 'failures.json')

test('histories that failed in the last runs', async () => {
  await runKept(keptIn, runHistory)
})

test('random histories', async () => {
  const [seed, path] = (process.env['KFK_SEED'] ?? usualSeed).split(/:(.*)/)
  const search = { histories, run: runHistory, keptIn }
  const passed = await checkAll({ ...search, runs: usualRuns, seed: Number(seed), path })
  expect(passed).toBeGreaterThan(path === undefined ? usualRuns / 2 : 0)
}, 600_000)
