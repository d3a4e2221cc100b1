// Property: whoever listens can have the counters and histograms that the directory keeps, also of one
// log alone.
import { channel } from 'node:diagnostics_channel'
import {
  type CollectedMetrics,
  collectStoreMetrics,
  frameFormat,
  memoryFileSystem,
  openLogDirectory,
  storeChannels,
} from '../src/index'
import { ManualClock } from './support/manual-clock'

const names = ['a-0', 'b-0']

/** Two logs that do everything that is counted; answers what was collected and the directory's own. */
async function workload(collected: CollectedMetrics) {
  const clock = new ManualClock()
  const directory = await openLogDirectory('/data', {
    ...{
      fileSystem: memoryFileSystem(),
      clock,
      hotTailBytes: 1_000_000,
      cleaner: { intervalMs: 0 },
    },
    defaults: { segmentBytes: 300, cleanupPolicy: 'compact' },
  })
  for (const name of names) {
    const log = await directory.open(name)
    const written = name === 'a-0' ? 12 : 30
    for (let n = 0; n < written; n++) {
      const frame = frameFormat.encode(`value ${n}`, { key: `key ${n % 3}`, timestamp: 1000 })
      log.append(frame, { leaderEpoch: 0 })
      await log.flush()
    }
    await log.read({ from: 0, maxBytes: 100 })
    await log.read({ from: written - 1, maxBytes: 100 })
    clock.advance(600_000)
    await log.read({ from: 3, maxBytes: 100 })
    await directory.compact(name)
    await directory.scrub(name)
  }
  const { logs, openedLogs, openFiles, hotTailBytes, ...own } = directory.stats()
  const found = collected.snapshot()
  expect([logs, openedLogs, openFiles > 0, hotTailBytes >= 0]).toEqual([2, 2, true, true])
  await directory.close()
  return { found, own }
}

test('the same as the directory counts', async () => {
  const collected = collectStoreMetrics()
  const { found, own } = await workload(collected)
  collected.stop()
  expect(found).toEqual(own)
  // All of it happened.
  expect(found).toMatchObject({ writtenRecords: 42 })
  expect(found.syncMicros.count).toBeGreaterThanOrEqual(42)
  expect(found.rolls).toBe(5)
  expect(found.hotReads + found.warmReadMicros.count + found.coldReadMicros.count).toBe(6)
  expect(found.compactionMicros.count).toBe(2)
  expect(found.scrubbedBytes).toBeGreaterThan(0)
})

test('of one log, until it is stopped', async () => {
  const collected = collectStoreMetrics({ only: ({ log }) => log === 'a-0' })
  const { found } = await workload(collected)
  expect(found).toMatchObject({ writtenRecords: 12, compactionMicros: { count: 1 } })
  collected.stop()
  for (const name of Object.values(storeChannels)) expect(channel(name).hasSubscribers).toBe(false)
  expect((await workload(collected)).found).toMatchObject({ writtenRecords: 12 })
})
