// Property: as in crash-explorer-synced.test.ts, for logs that leave the sync to the system for a while.
// Much is unsynced at any time, in several files: what was synced must be there after a power cut,
// and all that was acknowledged after the end of the process.
import { atLeast, explore, thoroughly } from './support/crash-explorer'
import { unsyncedWorkload as workload } from './support/crash-scripts'

test('every step of the disk', async () => {
  const explored = await explore({ workload, ...thoroughly })
  process.stdout.write(`${workload.name}: ${JSON.stringify(explored)}\n`)
  expect(explored.states + explored.secondStates).toBeGreaterThan(atLeast(45_000))
}, 900_000)
