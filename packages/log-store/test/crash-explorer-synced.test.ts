// Property: wherever the power goes, and whatever of the unsynced state survives, every acknowledged
// record is there at its offset, none is invented, and order, indexes, epochs and log start are right.
// Here: every append is acknowledged by its sync. Together with its sister that leaves the sync to the
// system, and the one for compaction: at least 100,000 disks.
import { faultyFileSystem, openLogDirectory } from '../src/index'
import { ask } from './support/bare-node'
import { atLeast, thoroughly } from './support/crash-bounds'
import type { Exploration } from './support/crash-explorer'
import { syncedWorkload as workload } from './support/crash-scripts'
import { ManualClock } from './support/manual-clock'

test('every step of the disk', async () => {
  const request = { workload: 'synced', bounds: thoroughly }
  const explored = await ask<Exploration>('explore-process', request)
  process.stdout.write(`acknowledged by syncs: ${JSON.stringify(explored)}\n`)
  expect(explored.states + explored.secondStates).toBeGreaterThan(atLeast(50_000))
}, 900_000)

test('a directory that was opened is never found clean after a power cut', async () => {
  const fileSystem = faultyFileSystem()
  const options = { ...workload.options, fileSystem, clock: new ManualClock() }
  await (await openLogDirectory('/data/kfk', options)).close()
  const directory = await openLogDirectory('/data/kfk', options)
  expect(directory.cleanStart).toBe(true)
  fileSystem.crash('lose-unsynced')
  expect((await openLogDirectory('/data/kfk', options)).cleanStart).toBe(false)
})
