// Property: as in crash-explorer-synced.test.ts, for logs that leave the sync to the system for a while.
// Much is unsynced at any time, in several files: what was synced must be there after a power cut,
// and all that was acknowledged after the end of the process.
import { ask } from './support/bare-node'
import { atLeast, thoroughly } from './support/crash-bounds'
import type { Exploration } from './support/crash-explorer'

test('every step of the disk', async () => {
  const request = {
    workload: 'unsynced',
    bounds: { ...thoroughly, randomSubsets: 50, randomMixtures: 35 },
  }
  const explored = await ask<Exploration>('explore-process', request)
  process.stdout.write(`acknowledged by writes: ${JSON.stringify(explored)}\n`)
  expect(explored.states + explored.secondStates).toBeGreaterThan(atLeast(45_000))
}, 900_000)
