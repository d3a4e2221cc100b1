// Property: as in crash-explorer-synced.test.ts, for logs that are compacted: the latest record of
// each key is there at its offset wherever the power goes, and a missing offset had a later one.
import { atLeast, explore, thoroughly } from './support/crash-explorer'
import { compactedWorkload as workload } from './support/crash-scripts'

test('every step of the disk', async () => {
  const explored = await explore({
    workload,
    ...thoroughly,
    randomSubsets: 30,
    randomMixtures: 10,
    stride: 16,
  })
  process.stdout.write(`${workload.name}: ${JSON.stringify(explored)}\n`)
  expect(explored.states + explored.secondStates).toBeGreaterThan(atLeast(10_000))
}, 900_000)
