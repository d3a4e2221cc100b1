// Property: a file that is gone because its segment was replaced, or its log deleted, is nobody's
// failure of the disk.
import { faultyFileSystem, openLogDirectory } from '../src/index'
import { SlowDisk } from './races/slow-disk'
import { contents, openKeyed, put } from './support/keyed-logs'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'

test('a sync comes late for a segment that compaction has replaced', async () => {
  const fileSystem = faultyFileSystem()
  const { directory, log, clock } = await openKeyed({
    ...{ fileSystem, maxOpenFiles: 1, checkpointMs: 0, cleaner: { intervalMs: 0 } },
    defaults: { fileDeleteDelayMs: 10 },
  })
  for (let n = 0; n < 6; n++) put(log, `k${n % 2}`, `v${n}`)
  await log.flush()
  // The sync of the roll finds no handle for the new segment, and is tried again after 100 ms.
  const path = '00006.log'
  fileSystem.inject({ at: 1, times: 2, error: 'EMFILE', operation: 'open', path })
  log.roll()
  await settle()
  expect(fileSystem.struck).toBe(2)
  await directory.compact('a-0')
  clock.advance(10)
  await settle()
  clock.advance(100)
  await settle()
  expect(directory.poisoned).toBeUndefined()
  expect(await contents(log)).toEqual(['4 k0=v4', '5 k1=v5'])
  await directory.close()
})

test('a log is deleted while its segments are searched', async () => {
  const fileSystem = faultyFileSystem()
  const options = { fileSystem, clock: new ManualClock(), defaults: { segmentBytes: 200 } }
  const before = await openLogDirectory('/data', options)
  const log = await before.open('a-0')
  for (let n = 0; n < 60; n++) log.append(record(`${n}`, 1000 - n), { leaderEpoch: 0 })
  await before.close()
  // Without it the search has to look into all of them.
  await fileSystem.remove('/data/kfk.logs')
  const slow = { ...options, fileSystem: new SlowDisk(fileSystem, 3), maxOpenFiles: 1 }
  const directory = await openLogDirectory('/data', slow)
  const searched = (await directory.open('a-0')).maxTimestampOffset()
  const told = expect(searched).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
  await directory.delete('a-0')
  await told
  await directory.close()
})
