import { faultyFileSystem, frameFormat, StoreError } from '../src/index'
import { readWholeFile } from '../src/checkpoint-file'
import { contents, filesOf, openKeyed, put, putAll } from './support/keyed-logs'
import { settle } from './support/records'

const day = 24 * 3_600_000

test('keeps the latest record of each key, at its offset', async () => {
  const { directory, log } = await openKeyed()
  for (let n = 0; n < 60; n++) put(log, `k${n % 5}`, `v${n}`)
  log.roll()
  put(log, 'k0', 'active')
  await log.flush()
  const [report] = await directory.compact('a-0')
  expect(report).toMatchObject({ name: 'a-0', passes: 1, recordsBefore: 60, recordsAfter: 5 })
  expect(report!.bytesAfter).toBeLessThan(report!.bytesBefore / 5)
  expect(report).toMatchObject({ segmentsAfter: 1, cleanedTo: 60, keylessRecords: 0 })
  const kept = ['55 k0=v55', '56 k1=v56', '57 k2=v57', '58 k3=v58', '59 k4=v59', '60 k0=active']
  expect(await contents(log)).toEqual(kept)
  expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 61])
  await directory.close()
})

test('records that are read in several pieces are copied whole', async () => {
  const { directory, log } = await openKeyed({ defaults: { segmentBytes: 16 * 1024 ** 2 } })
  const sizes = [700_000, 300_000, 1_048_500, 20, 2_500_000, 9, 65_536, 1_100_000, 33]
  const values = sizes.map((size, n) => `${n}`.repeat(size))
  await putAll(
    log,
    values.flatMap((value, n) => [
      [`k${n}`, 'old'],
      [`k${n}`, value],
    ]),
  )
  const { bytesBefore, recordsAfter } = (await directory.compact('a-0'))[0]!
  expect(bytesBefore).toBeGreaterThan(5 * 1024 ** 2)
  expect(recordsAfter).toBe(values.length)
  expect(await contents(log)).toEqual(values.map((value, n) => `${2 * n + 1} k${n}=${value}`))
  await directory.close()
})

test('a segment that has become shorter is not taken for a whole one', async () => {
  const { directory, log, fileSystem } = await openKeyed({ defaults: { segmentBytes: 2 ** 24 } })
  await putAll(log, [
    ['a', 'x'.repeat(1_500_000)],
    ['a', '2'],
    ['b', '3'],
  ])
  const file = fileSystem.open(`/data/a-0/${'0'.repeat(20)}.log`, 'write')
  file.truncateSync(file.size() - 1)
  file.close()
  await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_CORRUPT' })
  expect((await filesOf(fileSystem)).filter((name) => name.includes('cleaned'))).toEqual([])
  await directory.close()
})

test('the active segment stays as it is, and what is not on the medium supersedes nothing', async () => {
  const { directory, log } = await openKeyed({ defaults: { flushMessages: 1000 } })
  await putAll(log, [['k', 'old']])
  put(log, 'k', 'written')
  log.flushNow()
  log.roll()
  put(log, 'x', 'active')
  log.flushNow()
  // The roll has begun a sync, which has not ended: what it covers does not count yet.
  const compacting = directory.compact('a-0')
  expect(log.recoveryPoint).toBe(1)
  expect((await compacting)[0]!.cleanedTo).toBe(1)
  await log.flush()
  expect((await directory.compact('a-0'))[0]!.cleanedTo).toBe(2)
  expect(await contents(log)).toEqual(['1 k=written', '2 x=active'])
  await directory.close()
})

test('a tombstone stays until readers have had the time to see it', async () => {
  const { clock, directory, log } = await openKeyed({ defaults: { deleteRetentionMs: day } })
  await putAll(log, [
    ['gone', 'v'],
    ['gone', null],
    ['there', 'v'],
  ])
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['1 gone=null', '2 there=v'])
  clock.advance(day - 1)
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['1 gone=null', '2 there=v'])
  clock.advance(1)
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['2 there=v'])
  await directory.close()
})

test('frames of several records lose some of them', async () => {
  const { clock, directory, log } = await openKeyed({ defaults: { deleteRetentionMs: day } })
  const append = (records: [string, string | null][]) =>
    log.append(
      frameFormat.encodeAll(
        records.map(([key, value]) => ({ key, value, timestamp: 1000 })),
        0,
      ),
      { leaderEpoch: 0 },
    )
  append([
    ['a', '1'],
    ['b', '1'],
    ['c', '1'],
  ])
  append([
    ['b', '2'],
    ['c', null],
  ])
  log.roll()
  await log.flush()
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['0 a=1', '3 b=2', '4 c=null'])
  clock.advance(day)
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['0 a=1', '3 b=2'])
  expect(log.logEndOffset).toBe(5)
  await directory.close()
})

test('records without a key go', async () => {
  const { directory, log } = await openKeyed()
  put(log, null, 'keyless')
  put(log, 'k', 'v')
  log.roll()
  put(log, null, 'not compacted yet')
  await log.flush()
  expect((await directory.compact('a-0'))[0]).toMatchObject({ keylessRecords: 1 })
  expect(await contents(log)).toEqual(['1 k=v', '2 -=not compacted yet'])
  await directory.close()
})

test('keys that do not fit into memory take several passes', async () => {
  const { directory, log } = await openKeyed({
    cleaner: { intervalMs: 0, dedupeBufferBytes: 24 * 14 },
  })
  const records: [string, string][] = []
  for (let n = 0; n < 200; n++) records.push([`k${(n * 7) % 45}`, `v${n}`])
  await putAll(log, records)
  const [report] = await directory.compact('a-0')
  expect(report).toMatchObject({ recordsBefore: 200, recordsAfter: 45, cleanedTo: 200 })
  expect(report!.passes).toBeGreaterThan(4)
  const latest = new Map(records.map(([key], offset) => [key, offset]))
  const expected = [...latest].sort((a, b) => a[1] - b[1]).map(([key, n]) => `${n} ${key}=v${n}`)
  expect(await contents(log)).toEqual(expected)
  await directory.close()
})

test('small segments are put together, up to the size of one', async () => {
  const { directory, log, fileSystem } = await openKeyed()
  for (let n = 0; n < 40; n++) {
    put(log, `k${n}`, 'x'.repeat(20))
    put(log, 'again', 'x'.repeat(20))
    log.roll()
  }
  await log.flush()
  const [report] = await directory.compact('a-0')
  expect(report!.segmentsBefore).toBe(40)
  expect(report!.segmentsAfter).toBeLessThan(10)
  for (const name of await filesOf(fileSystem)) {
    if (!name.endsWith('.log')) continue
    expect((await fileSystem.stat(`/data/a-0/${name}`))!.sizeBytes).toBeLessThanOrEqual(500)
  }
  // The indexes are right: every offset is found, those in a gap lead to the next record.
  for (let offset = 0; offset < 80; offset += 2) {
    const { bytes } = await log.read({ from: offset, maxBytes: 1 })
    expect(frameFormat.decode(bytes)[0]!.offset).toBe(offset)
  }
  const { bytes } = await log.read({ from: 1, maxBytes: 1 })
  expect(frameFormat.decode(bytes)[0]!.offset).toBe(2)
  await directory.close()
})

test('a log in which nothing is superseded is left as it is', async () => {
  const { directory, log, fileSystem } = await openKeyed()
  await putAll(log, [
    ['a', '1'],
    ['b', '2'],
  ])
  const segmentFiles = async () => (await filesOf(fileSystem)).filter((name) => /^\d/.test(name))
  const before = await segmentFiles()
  expect((await directory.compact())[0]).toMatchObject({ recordsAfter: 2 })
  expect(await segmentFiles()).toEqual(before)
  await directory.close()
})

test('what was compacted is found by time, survives a restart and a crash, and goes on', async () => {
  const fileSystem = faultyFileSystem()
  const opened = await openKeyed({ fileSystem })
  for (let n = 0; n < 50; n++) put(opened.log, `k${n % 7}`, `v${n}`, 1000 + n)
  opened.log.roll()
  await opened.log.flush()
  await opened.directory.compact('a-0')
  const kept = await contents(opened.log)
  expect(kept).toHaveLength(7)
  expect(await opened.log.offsetForTimestamp(1010)).toMatchObject({ offset: 43, timestamp: 1043 })
  expect(await opened.log.maxTimestampOffset()).toMatchObject({ offset: 49 })
  fileSystem.crash('lose-unsynced')
  const second = await openKeyed({ fileSystem, defaults: { cleanupPolicy: 'delete' } })
  expect(await contents(second.log)).toEqual(kept)
  expect(second.log.logEndOffset).toBe(50)
  expect(put(second.log, 'k1', 'new')).toBe(50)
  await second.directory.close()
  const third = await openKeyed({ fileSystem })
  expect(third.directory.cleanStart).toBe(true)
  expect(await contents(third.log)).toEqual([...kept, '50 k1=new'])
  await third.directory.close()
})

test('how far a log is clean is noted as Kafka does', async () => {
  const { directory, log, fileSystem } = await openKeyed()
  await putAll(log, [
    ['a', '1'],
    ['a', '2'],
    ['a', '3'],
  ])
  await directory.compact('a-0')
  const text = async () =>
    Buffer.from((await readWholeFile(fileSystem, '/data/cleaner-offset-checkpoint'))!).toString()
  expect(await text()).toBe('0\n1\na 0 3\n')
  await log.truncateTo(2)
  expect(await text()).toBe('0\n1\na 0 2\n')
  await directory.delete('a-0')
  expect(await text()).toBe('0\n0\n')
  await directory.close()
})

test('a log that is cut in a gap goes on at that offset, also after a restart', async () => {
  const fileSystem = faultyFileSystem()
  const opened = await openKeyed({ fileSystem })
  await putAll(opened.log, [
    ['a', '1'],
    ['b', '1'],
    ['b', '2'],
    ['b', '3'],
    ['c', '1'],
  ])
  await opened.directory.compact('a-0')
  await opened.log.truncateTo(2)
  expect([opened.log.logEndOffset, opened.log.recoveryPoint]).toEqual([2, 2])
  expect(await contents(opened.log)).toEqual(['0 a=1'])
  fileSystem.crash('lose-unsynced')
  const second = await openKeyed({ fileSystem, defaults: { cleanupPolicy: 'delete' } })
  expect(second.log.logEndOffset).toBe(2)
  expect(put(second.log, 'd', '1')).toBe(2)
  await second.log.flush()
  expect(await contents(second.log)).toEqual(['0 a=1', '2 d=1'])
  await second.directory.close()
})

test('the background takes the dirtiest log, by ratio and by lag', async () => {
  const { clock, directory, log } = await openKeyed({
    cleaner: { intervalMs: 1000 },
    defaults: { minCleanableDirtyRatio: 0.5, minCompactionLagMs: 60_000 },
  })
  const tick = async () => {
    clock.advance(1000)
    await settle(50)
  }
  const count = async () => (await contents(log)).length
  const now = clock.wallMs
  for (let n = 0; n < 10; n++) put(log, 'k', `v${n}`, now)
  log.roll()
  await log.flush()
  await tick()
  expect(await count()).toBe(10)
  clock.advance(60_000)
  await tick()
  expect(await count()).toBe(1)
  // A tenth of it is dirty: not yet.
  for (let n = 0; n < 12; n++) put(log, `x${n}`, 'v'.repeat(20), now)
  log.roll()
  await log.flush()
  await tick()
  put(log, 'x1', 'again', now)
  log.roll()
  await log.flush()
  await tick()
  expect(await count()).toBe(14)
  log.configure({ maxCompactionLagMs: 1000 })
  await tick()
  expect(await count()).toBe(13)
  await directory.close()
})

test('reading and writing are held to a rate', async () => {
  const { clock, directory, log } = await openKeyed({
    cleaner: { intervalMs: 0, ioBytesPerSecond: 1000 },
  })
  for (let n = 0; n < 100; n++) put(log, 'k', `v${n}`)
  log.roll()
  await log.flush()
  let done = false
  const compacting = directory.compact('a-0').finally(() => (done = true))
  let seconds = 0
  for (; !done && seconds < 1000; seconds++) {
    await settle(20)
    clock.advance(1000)
  }
  const [report] = await compacting
  // All of it was read twice, and little written.
  const bytes = report!.bytesBefore * 2 + report!.bytesAfter
  expect(seconds).toBeGreaterThan(bytes / 1000 - 2)
  expect(seconds).toBeLessThan(bytes / 1000 + 10)
  await directory.close()
})

test.each(['close', 'truncate', 'delete', 'retention'] as const)(
  'a compaction under way does not hold up: %s',
  async (what) => {
    const { clock, directory, fileSystem, log } = await openKeyed({
      cleaner: { intervalMs: 0, ioBytesPerSecond: 100 },
    })
    for (let n = 0; n < 100; n++) put(log, `k${n % 3}`, `v${n}`)
    log.roll()
    put(log, 'k0', 'last')
    await log.flush()
    const compacting = directory.compact('a-0').then(
      () => 'done',
      (error: unknown) => (error as StoreError).code,
    )
    await settle(20)
    // The clock stands still, so it would wait for ever.
    if (what === 'close') await directory.close()
    if (what === 'truncate') await log.truncateTo(50)
    if (what === 'delete') await directory.delete('a-0')
    if (what === 'retention') await log.advanceLogStart(60)
    for (let n = 0; n < 300; n++) {
      clock.advance(1000)
      await settle(2)
    }
    expect(await compacting).toBe('KFK_STORE_CLOSED')
    if (what === 'delete') return
    if (what !== 'close') {
      expect((await filesOf(fileSystem)).filter((name) => name.endsWith('.cleaned'))).toEqual([])
      const length = what === 'truncate' ? 50 : 41
      expect(await contents(log)).toHaveLength(length)
      await directory.close()
      return
    }
    const again = await openKeyed({ fileSystem })
    expect(again.directory.cleanStart).toBe(true)
    expect(await contents(again.log)).toHaveLength(101)
    await again.directory.close()
  },
)

test('readers and appends go on, and readers of replaced segments finish', async () => {
  const { directory, log } = await openKeyed({
    defaults: { fileDeleteDelayMs: 0 },
    maxOpenFiles: 3,
  })
  for (let n = 0; n < 300; n++) put(log, `k${n % 40}`, `v${n}`)
  log.roll()
  await log.flush()
  let stop = false
  let reads = 0
  const reader = (async () => {
    while (!stop) {
      const lines = await contents(log)
      const offsets = lines.map((line) => Number(line.split(' ')[0]))
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
      const keys = new Set(lines.map((line) => line.split(/[ =]/)[1]))
      expect(keys.size).toBe(40)
      reads++
      await settle(1)
    }
  })()
  for (let round = 0; round < 5; round++) {
    const compacting = directory.compact('a-0')
    for (let n = 0; n < 60; n++) {
      put(log, `k${n % 40}`, `round ${round}`)
      await settle(1)
    }
    log.roll()
    await log.flush()
    await compacting
  }
  stop = true
  await reader
  expect(reads).toBeGreaterThan(5)
  await directory.compact('a-0')
  expect(await contents(log)).toHaveLength(40)
  await directory.close()
})

test('a damaged log is left alone, and nothing of it is copied', async () => {
  const { clock, directory, fileSystem, log, reports } = await openKeyed({
    cleaner: { intervalMs: 1000 },
  })
  for (let n = 0; n < 30; n++) put(log, `k${n % 3}`, `v${n}`)
  log.roll()
  await log.flush()
  const path = '/data/a-0/00000000000000000000.log'
  const handle = fileSystem.open(path, 'write')
  handle.writevSync([Buffer.from('!')], 60)
  handle.close()
  const size = (await fileSystem.stat(path))!.sizeBytes
  for (let n = 0; n < 3; n++) {
    clock.advance(1000)
    await settle(50)
  }
  const failures = reports.filter((message) => message.includes('compaction of a-0 failed'))
  expect(failures).toHaveLength(1)
  expect(failures[0]).toContain('until it is reopened')
  expect((await fileSystem.stat(path))!.sizeBytes).toBe(size)
  await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_CORRUPT' })
  expect((await filesOf(fileSystem)).filter((name) => name.endsWith('.cleaned'))).toEqual([])
  await directory.close()
})

test('what is gone is not read from the tail in memory either', async () => {
  const { directory, log } = await openKeyed()
  // Somebody reads at the end: what comes next stays in memory.
  expect(await contents(log)).toEqual([])
  log.readNow({ from: 0, maxBytes: 100 })
  await putAll(log, [
    ['a', '1'],
    ['a', '2'],
  ])
  put(log, 'b', '3')
  await log.flush()
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['1 a=2', '2 b=3'])
  expect(log.stats().hotReads).toBe(0)
  await directory.close()
})

test('only logs with the policy are compacted', async () => {
  const { directory } = await openKeyed({ defaults: { cleanupPolicy: 'delete' } })
  await expect(directory.compact('a-0')).rejects.toMatchObject({
    code: 'KFK_STORE_INVALID_ARGUMENT',
  })
  expect(await directory.compact()).toEqual([])
  await directory.close()
})

test('compact,delete: age and size take what compaction has kept; compact: only the log start', async () => {
  const { clock, directory, log } = await openKeyed({
    defaults: { cleanupPolicy: 'compact', retentionMs: 1000, retentionBytes: 10 },
  })
  const now = clock.wallMs
  for (let n = 0; n < 20; n++) {
    put(log, `k${n % 10}`, 'v', now)
    if (n % 5 === 4) log.roll()
  }
  await log.flush()
  await directory.compact('a-0')
  clock.advance(5000)
  expect((await directory.applyRetention()).deletedSegments).toBe(0)
  expect(await contents(log)).toHaveLength(10)
  log.configure({ cleanupPolicy: 'compact,delete' })
  await directory.applyRetention()
  expect(await contents(log)).toEqual([])
  expect(log.logStartOffset).toBe(20)
  await directory.close()
})
