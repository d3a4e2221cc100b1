// Property: what the store does is told to who listens, truthfully, and costs nothing else.
import { channel } from 'node:diagnostics_channel'
import {
  faultyFileSystem,
  frameFormat,
  histogramQuantile,
  memoryFileSystem,
  onStoreMessage,
  openLogDirectory,
  storeChannels,
  type DirectoryStats,
  type FileSystem,
  type StoreMessages,
} from '../src/index'
import { diagnostics } from '../src/diagnostics'
import { Histogram } from '../src/histogram'
import { openKeyed, put } from './support/keyed-logs'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'

type Kind = keyof StoreMessages

/** All messages while `work` runs. */
async function listen(
  work: () => Promise<unknown>,
): Promise<{ [kind in Kind]: StoreMessages[kind][] }> {
  const heard = Object.fromEntries(Object.keys(storeChannels).map((kind) => [kind, []]))
  const stops = (Object.keys(storeChannels) as Kind[]).map((kind) =>
    onStoreMessage(kind, (message) => heard[kind]!.push(message as never)),
  )
  try {
    await work()
  } finally {
    for (const stop of stops) stop()
  }
  return heard as never
}

async function workload(fileSystem: FileSystem): Promise<void> {
  const clock = new ManualClock()
  const options = { fileSystem, clock, hotTailBytes: 0, defaults: { segmentBytes: 200 } }
  const directory = await openLogDirectory('/data', options)
  const log = await directory.open('a-0')
  for (let n = 0; n < 6; n++) log.append(record(`record ${n}`), { leaderEpoch: 0 })
  await log.whenAcknowledged(6)
  log.append(record('late'), { leaderEpoch: 0 })
  await log.whenAcknowledged(7)
  await log.read({ from: 0, maxBytes: 1000 })
  // Not touched for so long, the file may have left the page cache.
  clock.advance(600_000)
  await log.read({ from: 5, maxBytes: 1000 })
  await directory.close()
}

test('append, roll, flush, read and recovery tell what happened', async () => {
  const fileSystem = memoryFileSystem()
  const heard = await listen(() => workload(fileSystem))
  const at = { log: 'a-0', path: '/data/a-0' }
  expect(heard.append).toEqual([
    // Four frames of 42 bytes fit 200 bytes; a roll writes what was queued for the old segment.
    { ...at, baseOffset: 0, lastOffset: 3, batches: 4, records: 4, bytes: 168, durationMs: 0 },
    { ...at, baseOffset: 4, lastOffset: 5, batches: 2, records: 2, bytes: 84, durationMs: 0 },
    { ...at, baseOffset: 6, lastOffset: 6, batches: 1, records: 1, bytes: 38, durationMs: 0 },
  ])
  expect(heard.roll).toEqual([{ ...at, baseOffset: 4, sealedBaseOffset: 0, sealedBytes: 168 }])
  expect(heard.flush.map(({ bytes }) => bytes).reduce((sum, bytes) => sum + bytes)).toBe(290)
  // Two for their records, and the close for the sync that is under way then.
  expect(heard.flush.map(({ waiters }) => waiters).reduce((sum, count) => sum + count)).toBe(3)
  expect(heard.flush.some(({ sealedSegments }) => sealedSegments === 1)).toBe(true)
  expect(heard.flush.at(-1)).toMatchObject({ ...at, recoveryPoint: 7 })
  expect(heard.read).toEqual([
    { ...at, temperature: 'warm', from: 0, nextOffset: 4, bytes: 168, durationMs: 0 },
    { ...at, temperature: 'cold', from: 5, nextOffset: 7, bytes: 80, durationMs: 0 },
  ])
  expect(heard.recovery).toEqual([])

  const reopened = await listen(async () => {
    await using directory = await openLogDirectory('/data', { fileSystem })
    await directory.open('a-0')
  })
  expect(reopened.recovery).toMatchObject([
    { ...at, clean: true, segments: 2, logStartOffset: 0, logEndOffset: 7, scannedBytes: 0 },
  ])
})

test('a recovery says what it read and cut, and counts it', async () => {
  const fileSystem = faultyFileSystem()
  let stats: DirectoryStats | undefined
  const heard = await listen(async () => {
    const log = await (await openLogDirectory('/data', { fileSystem })).open('a-0')
    log.append(record('kept'), { leaderEpoch: 0 })
    await log.whenAcknowledged(1)
    log.append(record('torn'), { leaderEpoch: 0 })
    log.flushNow()
    fileSystem.crash('tear-last-write')
    await settle()
    const recovered = await openLogDirectory('/data', { fileSystem })
    stats = recovered.stats()
    await recovered.close()
  })
  const { scannedBytes } = heard.recovery[0]!
  expect(heard.recovery).toMatchObject([
    { clean: false, logEndOffset: 1, scannedBytes, cutBytes: scannedBytes - 38 },
  ])
  expect(scannedBytes).toBeGreaterThan(38)
  const { cutBytes } = heard.recovery[0]!
  expect(stats).toMatchObject({ recoveryScannedBytes: scannedBytes, recoveryCutBytes: cutBytes })
  expect(stats!.openMicros.count).toBe(1)
})

test('a compaction says what became less', async () => {
  const { directory, log } = await openKeyed()
  for (let n = 0; n < 60; n++) put(log, `k${n % 5}`, `v${n}`)
  log.roll()
  await log.flush()
  let bytesAfter = 0
  const heard = await listen(async () => {
    bytesAfter = (await directory.compact('a-0'))[0]!.bytesAfter
  })
  const at = { log: 'a-0', path: '/data/a-0', durationMs: 0, passes: 1 }
  const records = { recordsBefore: 60, recordsAfter: 5 }
  const bytesBefore = 60 * frameFormat.encode('v10', { key: 'k0', timestamp: 1 }).length - 10
  const extent = { fromOffset: 0, toOffset: 60, bytesBefore, bytesAfter }
  expect(heard.compaction).toEqual([{ ...at, ...records, ...extent }])
  put(log, 'k0', 'again')
  log.roll()
  await log.flush()
  const more = await listen(() => directory.compact('a-0'))
  expect(more.compaction).toMatchObject([{ fromOffset: 60, toOffset: 61, recordsAfter: 5 }])
  expect(directory.stats().compactionMicros).toMatchObject({ count: 2 })
  expect(directory.stats().compactedBytes).toBeGreaterThan(bytesBefore - bytesAfter)
  await directory.close()
})

test('scrubbing tells of every sealed segment, and where one is damaged', async () => {
  const fileSystem = memoryFileSystem()
  await workload(fileSystem)
  const at = { log: 'a-0', path: '/data/a-0', baseOffset: 0, durationMs: 0 }
  await using directory = await openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    scrub: { intervalMs: 0 },
  })
  await directory.open('a-0')
  const sound = await listen(() => directory.scrub())
  expect(sound.scrub).toEqual([{ ...at, bytes: 168, damagedPosition: undefined }])
  // In the value of the third frame.
  const handle = fileSystem.open('/data/a-0/00000000000000000000.log', 'write')
  handle.writevSync([Buffer.from('?')], 84 + 40)
  handle.close()
  const damaged = await listen(() => directory.scrub())
  expect(damaged.scrub).toEqual([{ ...at, bytes: 168, damagedPosition: 84 }])
  expect(directory.stats()).toMatchObject({ scrubbedBytes: 336, scrubbedDamages: 1 })
})

test('reads from memory are hot', async () => {
  const heard = await listen(async () => {
    await using directory = await openLogDirectory('/data', { fileSystem: memoryFileSystem() })
    const log = await directory.open('a-0')
    log.readNow({ from: 0, maxBytes: 100 })
    log.append(record('tail'), { leaderEpoch: 0 })
    log.flushNow()
    log.readNow({ from: 0, maxBytes: 100 })
    expect(directory.stats().hotReads).toBe(1)
  })
  expect(heard.read).toMatchObject([{ temperature: 'hot', from: 0, nextOffset: 1, bytes: 38 }])
})

test('a poisoned directory says so once', async () => {
  const fileSystem = faultyFileSystem()
  const heard = await listen(async () => {
    const directory = await openLogDirectory('/data', { fileSystem })
    const log = await directory.open('a-0')
    fileSystem.inject({ at: 1, error: 'EIO', operation: 'sync', times: 9 })
    log.append(record('lost'), { leaderEpoch: 0 })
    await expect(log.whenAcknowledged(1)).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
    await directory.close()
  })
  expect(heard.poison).toMatchObject([{ path: '/data', error: { code: 'KFK_STORE_IO' } }])
  expect(heard.flush).toEqual([])
})

test('nobody listens: no message is made', async () => {
  const spies = Object.values(diagnostics).map((publisher) => jest.spyOn(publisher, 'publish'))
  await workload(memoryFileSystem())
  for (const spy of spies) expect(spy).not.toHaveBeenCalled()
  // The same spies do see the messages when somebody listens.
  await listen(() => workload(memoryFileSystem()))
  const called = spies.filter((spy) => spy.mock.calls.length > 0)
  expect(called.length).toBeGreaterThanOrEqual(4)
  for (const spy of spies) spy.mockRestore()
})

test('the channels are found by their names', () => {
  for (const name of Object.values(storeChannels)) expect(channel(name).hasSubscribers).toBe(false)
  const stop = onStoreMessage('scrub', () => undefined)
  expect(channel('kfk:log-store:scrub').hasSubscribers).toBe(true)
  stop()
  expect(channel('kfk:log-store:scrub').hasSubscribers).toBe(false)
})

test('a directory counts what it does, listeners or not', async () => {
  await using directory = await openLogDirectory('/data', {
    fileSystem: memoryFileSystem(),
    defaults: { segmentBytes: 200 },
    hotTailBytes: 0,
  })
  const log = await directory.open('a-0')
  for (let n = 0; n < 6; n++) log.append(record(`record ${n}`), { leaderEpoch: 0 })
  await log.whenAcknowledged(6)
  await log.read({ from: 0, maxBytes: 1000 })
  await log.read({ from: 4, maxBytes: 1000 })
  const stats = directory.stats()
  expect(stats).toMatchObject({ logs: 1, openedLogs: 1, openFiles: 2, rolls: 1, hotReads: 0 })
  expect(stats).toMatchObject({ writtenRecords: 6, readBytes: 252, hotTailBytes: 0 })
  expect(stats.writeBytes).toMatchObject({ count: 2, sum: 252, max: 168 })
  expect(stats.writeBytes.counts[7]).toBe(1)
  expect(stats.writeBytes.counts[8]).toBe(1)
  expect(stats.writeMicros.count).toBe(2)
  expect(stats.syncMicros.count).toBe(log.stats().syncs)
  expect(stats.coldReadMicros.count + stats.warmReadMicros.count).toBe(2)
})

test('histogram: every value is in the bucket of its power of two', () => {
  const histogram = new Histogram()
  for (const value of [0, 0.5, 1, 2, 3, 4, 1023, 1024, 2 ** 31 - 1, 2 ** 31, 2 ** 40]) {
    histogram.record(value)
  }
  const { count, max, counts } = histogram.snapshot()
  expect([count, max]).toEqual([11, 2 ** 40])
  expect(counts.map((n, bucket) => [bucket, n]).filter(([, n]) => n! > 0)).toEqual([
    [0, 2],
    [1, 1],
    [2, 2],
    [3, 1],
    [10, 1],
    [11, 1],
    [31, 3],
  ])
})

test('histogram: quantiles are right within a factor of two', () => {
  const histogram = new Histogram()
  for (let value = 1; value <= 1000; value++) histogram.record(value)
  const snapshot = histogram.snapshot()
  for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
    const ratio = histogramQuantile(snapshot, share) / (1000 * share)
    expect(ratio).toBeGreaterThan(0.5)
    expect(ratio).toBeLessThanOrEqual(2)
  }
  expect(histogramQuantile(snapshot, 1)).toBe(1000)
  expect(histogramQuantile(new Histogram().snapshot(), 0.5)).toBe(0)
})
