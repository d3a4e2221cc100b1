// Property: as in crash-explorer-synced.test.ts, for logs that are compacted: the latest record of
// each key is there at its offset wherever the power goes, and a missing offset had a later one.
import { ask } from './support/bare-node'
import { atLeast, thoroughly } from './support/crash-bounds'
import type { Exploration } from './support/crash-explorer'

test('every step of the disk', async () => {
  const request = {
    workload: 'compacted',
    bounds: { ...thoroughly, randomSubsets: 30, randomMixtures: 10, stride: 16 },
  }
  const explored = await ask<Exploration>('explore-process', request)
  process.stdout.write(`compacted: ${JSON.stringify(explored)}\n`)
  expect(explored.states + explored.secondStates).toBeGreaterThan(atLeast(15_000))
}, 900_000)
