// Property: records come back as they were appended, and are as safe as the caller was told.
import {
  faultyFileSystem,
  frameFormat,
  memoryFileSystem,
  openLog,
  openLogDirectory,
  openLogIn,
} from '../src/index'
import type { BatchFormat, EmbeddedLogOptions, EmbeddedRecord, StoreReport } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { collect, settle, textOf } from './support/records'

const open = (options: EmbeddedLogOptions = {}) =>
  openLog('/events', { fileSystem: memoryFileSystem(), ...options })

test('appends, reads from an offset, finds by time', async () => {
  await using log = await open({ segmentBytes: 300 })
  const offsets = await Promise.all(
    Array.from({ length: 40 }, (_, n) => log.append(`record ${n}`, { timestamp: 1000 + n })),
  )
  expect(offsets).toEqual(Array.from({ length: 40 }, (_, n) => n))
  expect([log.startOffset, log.endOffset, log.durableOffset]).toEqual([0, 40, 40])
  expect(await collect(log.records({ from: 37 }))).toEqual(['record 37', 'record 38', 'record 39'])
  expect(await collect(log.records({ from: 3, to: 5 }))).toEqual(['record 3', 'record 4'])
  expect(await log.offsetForTimestamp(1017)).toBe(17)
  expect(await log.offsetForTimestamp(5000)).toBeUndefined()
})

test('a page: records, bytes, and where to read on', async () => {
  await using log = await open()
  await log.append(['zero', 'one', 'two'])
  await log.append('three')
  const page = await log.read({ from: 1, maxBytes: 10 })
  expect(page.records.map(textOf)).toEqual(['one', 'two'])
  expect([...page].map(({ offset }) => offset)).toEqual([1, 2])
  expect(frameFormat.decode(page.bytes)).toHaveLength(3)
  expect([page.startOffset, page.nextOffset]).toEqual([0, 3])
  const end = await log.read({ from: 4 })
  expect([end.records, end.nextOffset]).toEqual([[], 4])
  await expect(log.read({ from: 5 })).rejects.toMatchObject({
    code: 'KFK_STORE_OFFSET_OUT_OF_RANGE',
    details: { offset: 5, logStartOffset: 0, logEndOffset: 4 },
  })
})

test('keys, timestamps and tombstones are kept; the clock stamps the rest', async () => {
  const clock = new ManualClock()
  await using log = await open({ clock })
  await log.append('v', { key: 'k', timestamp: 5 })
  await log.append(new Uint8Array(0))
  await log.append(null, { key: Buffer.from('k') })
  await log.append({ value: 'w', key: 'l', timestamp: 7 }, { timestamp: 6 })
  await log.append(['x', { value: null, key: 'k' }, { value: 'y', timestamp: 8 }], { timestamp: 9 })
  await log.append({ value: 'z' }, { key: 'm' })
  await log.append({ value: 'z', key: null }, { key: 'm' })
  const records: EmbeddedRecord[] = []
  for await (const record of log.records()) records.push(record)
  const now = clock.now()
  expect(records.map(({ timestamp }) => timestamp)).toEqual([5, now, now, 7, 9, 9, 8, now, now])
  expect(records.map(({ key }) => key && Buffer.from(key).toString())).toEqual(
    ['k', null, 'k', 'l', null, 'k', null, 'm', null], // prettier-ignore
  )
  expect(records.map(textOf)).toEqual(['v', '', '', 'w', 'x', '', 'y', 'z', 'z'])
  expect(records.map(({ tombstone }) => tombstone)).toEqual(
    [false, false, true, false, false, true, false, false, false], // prettier-ignore
  )
})

test('what cannot be is refused, and takes no offset', async () => {
  await using log = await open({ maxBatchBytes: 200 })
  const invalid = { code: 'KFK_STORE_INVALID_ARGUMENT' }
  await expect(log.append([])).rejects.toMatchObject(invalid)
  await expect(log.append(7 as never)).rejects.toMatchObject(invalid)
  await expect(log.append({ key: 'k' } as never)).rejects.toMatchObject(invalid)
  await expect(log.append(['a', null as never])).rejects.toMatchObject(invalid)
  await expect(log.append('a', { timestamp: -1 })).rejects.toMatchObject(invalid)
  await expect(log.append('a', { durability: 'disc' as never })).rejects.toMatchObject(invalid)
  await expect(log.append('a'.repeat(300))).rejects.toMatchObject({ code: 'KFK_STORE_TOO_LARGE' })
  await expect(log.appendBatches(Buffer.from('rubbish'))).rejects.toMatchObject(invalid)
  await expect(log.read({ maxBytes: NaN })).rejects.toMatchObject(invalid)
  await expect(log.offsetForTimestamp(NaN)).rejects.toMatchObject(invalid)
  await expect(log.offsetForTimestamp(new Date(0) as never)).rejects.toMatchObject(invalid)
  await expect(open({ durability: {} })).rejects.toMatchObject(invalid)
  await expect(open({ durability: 'none' as never })).rejects.toMatchObject(invalid)
  expect(await log.append('first')).toBe(0)
})

test('an array is one write and one sync, and all or nothing after a crash', async () => {
  for (const outcome of ['lose-unsynced', 'tear-last-write', 'zero-last-write'] as const) {
    const fileSystem = faultyFileSystem()
    const log = await open({ fileSystem })
    const before = log.stats()
    expect(await log.append(['a', 'b', 'c'])).toEqual({ firstOffset: 0, lastOffset: 2, count: 3 })
    expect(log.stats().writes - before.writes).toBe(1)
    expect(log.stats().syncs - before.syncs).toBe(1)
    const torn = log.append(['d', 'e', 'f'], { durability: 'os' })
    await torn
    fileSystem.crash(outcome)
    await settle()
    await using reopened = await open({ fileSystem })
    expect(await collect(reopened.records())).toEqual(['a', 'b', 'c'])
  }
})

test('appends of one moment share a write and a sync, and keep their order', async () => {
  await using log = await open()
  const offsets = await Promise.all([log.append('a'), log.append(['b', 'c']), log.append('d')])
  expect(offsets).toEqual([0, { firstOffset: 1, lastOffset: 2, count: 2 }, 3])
  expect(log.stats()).toMatchObject({ writes: 1, syncs: 1 })
  expect(await collect(log.records())).toEqual(['a', 'b', 'c', 'd'])
})

describe('durability', () => {
  test('os: acknowledged and readable at the write; a power cut takes it', async () => {
    const fileSystem = faultyFileSystem()
    const log = await open({ fileSystem, durability: 'os' })
    await log.append('one')
    await log.append('two', { durability: 'disk' })
    const syncs = log.stats().syncs
    await log.append('three')
    await settle()
    expect(log.stats().syncs).toBe(syncs)
    expect([log.durableOffset, log.endOffset]).toEqual([2, 3])
    expect(await collect(log.records())).toEqual(['one', 'two', 'three'])
    expect(await collect(log.records({ durability: 'disk' }))).toEqual(['one', 'two'])
    fileSystem.crash('lose-unsynced')
    await using reopened = await open({ fileSystem })
    expect(await collect(reopened.records())).toEqual(['one', 'two'])
  })

  test('disk: one append may be acknowledged before the sync, which comes all the same', async () => {
    await using log = await open({ fileSystem: faultyFileSystem() })
    await log.append('one', { durability: 'os' })
    expect(log.durableOffset).toBe(0)
    expect((await log.read()).records).toEqual([])
    expect((await log.read({ durability: 'os' })).records.map(textOf)).toEqual(['one'])
    await settle()
    expect(log.durableOffset).toBe(1)
  })

  test('bounds: after so many records, after so many ms', async () => {
    const clock = new ManualClock()
    const options = { fileSystem: faultyFileSystem(), clock, checkpointMs: 0 }
    await using log = await open({ ...options, durability: { records: 3, ms: 50 } })
    await log.append('one')
    await log.append('two')
    await settle()
    expect(log.durableOffset).toBe(0)
    await log.append('three')
    await settle()
    expect(log.durableOffset).toBe(3)
    await log.append('four')
    clock.advance(49)
    await settle()
    expect(log.durableOffset).toBe(3)
    clock.advance(1)
    await settle()
    expect(log.durableOffset).toBe(4)
  })

  test('flush puts on the medium what was appended', async () => {
    await using log = await open({ durability: 'os' })
    await log.append('one')
    await log.flush()
    expect(log.durableOffset).toBe(1)
  })
})

test('truncateTo cuts arrays as a whole and says where the end is', async () => {
  await using log = await open()
  await log.append('zero')
  await log.append(['one', 'two', 'three'])
  expect(await log.truncateTo(9)).toBe(4)
  expect(await log.truncateTo(2)).toBe(1)
  expect(await log.append('again')).toBe(1)
  expect(await collect(log.records())).toEqual(['zero', 'again'])
})

test('deleteBefore moves the start, also into an array', async () => {
  await using log = await open()
  await log.append(['zero', 'one', 'two'])
  expect(await log.deleteBefore(2)).toBe(2)
  expect(await collect(log.records())).toEqual(['two'])
  await expect(log.read({ from: 1 })).rejects.toMatchObject({
    code: 'KFK_STORE_OFFSET_OUT_OF_RANGE',
  })
  await expect(log.deleteBefore(4)).rejects.toMatchObject({ code: 'KFK_STORE_OFFSET_OUT_OF_RANGE' })
})

test('deleteBefore up to the end waits for what is being appended', async () => {
  await using log = await open()
  await log.append('zero')
  const appended = log.append('one')
  expect(await log.deleteBefore(log.endOffset)).toBe(2)
  expect(await appended).toBe(1)
})

test('nothing is deleted unasked; asked for, retention runs in the background', async () => {
  const clock = new ManualClock()
  const options = { clock, segmentBytes: 100, fileSystem: memoryFileSystem() }
  const fill = async (log: Awaited<ReturnType<typeof open>>) => {
    for (let n = 0; n < 9; n++) await log.append(`record ${n}`)
    clock.advance(600_000)
    await settle(50)
  }
  const keeping = await open(options)
  await fill(keeping)
  expect(keeping.startOffset).toBe(0)
  await keeping.close()
  await using log = await open({ ...options, retentionMs: 1000, retentionCheckMs: 1000 })
  await fill(log)
  expect(log.startOffset).toBe(18)
  await log.append('young')
  await log.applyRetention()
  expect(await collect(log.records())).toEqual(['young'])
})

test('a format that only knows batches: bytes in, bytes out', async () => {
  const { encode, encodeAll, decode, ...opaque } = frameFormat
  const format: BatchFormat = opaque
  await using log = await open({ format })
  const batches = Buffer.concat([encode('one'), encodeAll([{ value: 'two' }, { value: '3' }], 0)])
  expect(await log.appendBatches(batches)).toEqual({ firstOffset: 0, lastOffset: 2, count: 3 })
  const slice = await log.readBatches()
  expect(decode(slice.bytes).map(textOf)).toEqual(['one', 'two', '3'])
  expect([slice.logStartOffset, slice.nextOffset]).toEqual([0, 3])
  const invalid = { code: 'KFK_STORE_INVALID_ARGUMENT' }
  await expect(log.read()).rejects.toMatchObject(invalid)
  await expect(log.append('x')).rejects.toMatchObject(invalid)
  await expect(log.append(['x'])).rejects.toMatchObject(invalid)
})

test('compaction by key: explicitly, in the background, and never of a record without key', async () => {
  const clock = new ManualClock()
  const options = { clock, segmentBytes: 200, minCleanableDirtyRatio: 0, minCompactionLagMs: 0 }
  await using log = await open({ ...options, cleanupPolicy: 'compact', fileDeleteDelayMs: 0 })
  const invalid = { code: 'KFK_STORE_INVALID_ARGUMENT' }
  await expect(log.append('no key')).rejects.toMatchObject(invalid)
  await expect(log.append(['no key'])).rejects.toMatchObject(invalid)
  const fill = async (round: number) => {
    for (let n = 0; n < 12; n++) await log.append(`${round}.${n}`, { key: `key ${n % 3}` })
  }
  await fill(1)
  const { recordsBefore, recordsAfter } = await log.compact()
  expect(recordsAfter).toBeLessThan(recordsBefore)
  const latest = (records: string[]) =>
    new Set(records).size === records.length && records.slice(-3)
  expect(latest(await collect(log.records()))).toEqual(['1.9', '1.10', '1.11'])
  await fill(2)
  const before = (await collect(log.records())).length
  clock.advance(60_000)
  await settle(200)
  const after = await collect(log.records())
  expect(after.length).toBeLessThan(before)
  expect(latest(after)).toEqual(['2.9', '2.10', '2.11'])
  await using keeping = await openLog('/keeping', { fileSystem: memoryFileSystem() })
  await expect(keeping.compact()).rejects.toMatchObject(invalid)
})

test('several logs in one directory', async () => {
  const fileSystem = memoryFileSystem()
  const directory = await openLogDirectory('/many', { fileSystem })
  const orders = await openLogIn(directory, 'orders-0')
  const users = await openLogIn(directory, 'users-0', { durability: 'os' })
  await Promise.all([orders.append('an order'), users.append(['ann', 'bob'])])
  await orders.close()
  await expect(orders.append('late')).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
  // The files belong to the directory; the log can be had again.
  const again = await openLogIn(directory, 'orders-0')
  expect(await again.append('another')).toBe(1)
  await directory.close()
  await expect(users.append('late')).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
  await using reopened = await openLogDirectory('/many', { fileSystem })
  expect(await collect((await openLogIn(reopened, 'orders-0')).records())).toHaveLength(2)
  expect(await collect((await openLogIn(reopened, 'users-0')).records())).toEqual(['ann', 'bob'])
})

test.each(['closed', 'deleted'] as const)('close after the directory has %s it', async (how) => {
  await using directory = await openLogDirectory('/logs', { fileSystem: memoryFileSystem() })
  await using log = await openLogIn(directory, 'orders-0')
  await log.append('one')
  await (how === 'closed' ? directory.close() : directory.delete('orders-0'))
  await expect(log.append('two')).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
  await expect(log.close()).resolves.toBeUndefined()
})

test('what openLogIn does not say stays as the directory has it', async () => {
  const defaults = { segmentBytes: 200, retentionBytes: 200 }
  await using directory = await openLogDirectory('/many', {
    fileSystem: memoryFileSystem(),
    defaults,
  })
  const bounded = await openLogIn(directory, 'bounded-0')
  const kept = await openLogIn(directory, 'kept-0', { retentionBytes: -1 })
  for (const log of [bounded, kept]) {
    for (let n = 0; n < 20; n++) await log.append(`record ${n}`)
  }
  await directory.applyRetention()
  expect(bounded.startOffset).toBeGreaterThan(0)
  expect(kept.startOffset).toBe(0)
})

test('one process at a time', async () => {
  const fileSystem = memoryFileSystem()
  const log = await open({ fileSystem })
  await expect(open({ fileSystem })).rejects.toMatchObject({ code: 'KFK_STORE_LOCKED' })
  await log.close()
  await (await open({ fileSystem })).close()
})

test('close finishes what was begun; after it everything says so', async () => {
  const fileSystem = faultyFileSystem()
  const log = await open({ fileSystem })
  const pending = [log.append('one'), log.append('two', { durability: 'os' })]
  await Promise.all([log.close(), log.close()])
  expect(await Promise.all(pending)).toEqual([0, 1])
  const closed = { code: 'KFK_STORE_CLOSED' }
  for (const late of [
    log.append('x'),
    log.append(['x']),
    log.appendBatches(frameFormat.encode('x')),
    log.read(),
    log.readBatches(),
    log.compact(),
    log.records().next(),
    log.offsetForTimestamp(0),
    log.truncateTo(0),
    log.deleteBefore(1),
    log.flush(),
    log.applyRetention(),
  ]) {
    await expect(late).rejects.toMatchObject(closed)
  }
  fileSystem.crash('lose-unsynced')
  await using reopened = await open({ fileSystem })
  expect(await collect(reopened.records())).toEqual(['one', 'two'])
})

test('a failed sync: told to all, nothing acknowledged, reads go on', async () => {
  const fileSystem = faultyFileSystem()
  const log = await open({ fileSystem })
  await log.append('safe')
  const told: string[] = []
  log.onPoisoned((error) => told.push(error.code))
  fileSystem.inject({ at: 1, error: 'EIO', operation: 'sync', times: 99 })
  const failed = { code: 'KFK_STORE_IO', retriable: false }
  const results = [log.append('a'), log.append(['b', 'c']), log.append('d', { durability: 'disk' })]
  for (const result of results) await expect(result).rejects.toMatchObject(failed)
  await expect(log.append('e', { durability: 'os' })).rejects.toMatchObject(failed)
  expect(told).toEqual(['KFK_STORE_IO'])
  expect(log.poisoned).toMatchObject(failed)
  expect(await collect(log.records())).toEqual(['safe'])
  await log.close()
})

test('a full disk: the append is taken back, and works when there is room', async () => {
  const fileSystem = faultyFileSystem()
  await using log = await open({ fileSystem })
  fileSystem.inject({ at: 1, error: 'ENOSPC', operation: 'write', partialWrite: 0.5 })
  for (const durability of ['disk', 'os', undefined] as const) {
    fileSystem.clearFaults()
    fileSystem.inject({ at: 1, error: 'ENOSPC', operation: 'write', partialWrite: 0.5 })
    await expect(log.append('x', durability ? { durability } : {})).rejects.toMatchObject({
      code: 'KFK_STORE_NO_SPACE',
      retriable: true,
    })
  }
  expect(await log.append('now')).toBe(0)
})

test('stats of the log and of its directory', async () => {
  await using log = await open()
  await log.append(['a', 'b'])
  const { directory, ...own } = log.stats()
  expect(own).toMatchObject({ startOffset: 0, endOffset: 2, durableOffset: 2, segments: 1 })
  expect(own).toMatchObject({ writes: 1, syncs: 1, queuedBytes: 0 })
  expect(directory).toMatchObject({ logs: 1, writtenRecords: 2 })
  expect(directory.syncMicros.count).toBe(1)
})

test('a signal rejects an iteration over what is there', async () => {
  await using log = await open()
  await log.append('a')
  const abort = new AbortController()
  const records: AsyncGenerator<EmbeddedRecord> = log.records({ signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(records.next()).rejects.toThrow('enough')
})

describe('an iteration over what comes without waiting', () => {
  const opened = async () => {
    const log = await open({ durability: 'os' })
    for (let n = 0; n < 40; n++) await log.append(['x'.repeat(32_000), 'y'.repeat(32_000)])
    return log
  }

  test.each(['records', 'follow'] as const)('%s: others have their turn', async (how) => {
    await using log = await opened()
    let turns = 0
    let ended = false
    const turn = () => {
      turns++
      if (!ended) setImmediate(turn)
    }
    setImmediate(turn)
    expect(await collect(log[how]({ from: 0 }), 80)).toHaveLength(80)
    ended = true
    expect(turns).toBeGreaterThan(4)
  })

  test('a signal ends it meanwhile, and before the next record', async () => {
    await using log = await opened()
    const abort = new AbortController()
    setImmediate(() => abort.abort(new Error('enough')))
    await expect(collect(log.records({ signal: abort.signal }))).rejects.toThrow('enough')
    const other = new AbortController()
    const records = log.records({ signal: other.signal })
    expect((await records.next()).value).toMatchObject({ offset: 0 })
    other.abort(new Error('enough'))
    await expect(records.next()).rejects.toThrow('enough')
  })
})

test('when opening fails and closing after that fails, too, the first error is thrown', async () => {
  const fileSystem = faultyFileSystem()
  fileSystem.inject({ at: 1, error: 'EIO', operation: 'makeDirectory', path: 'log-0' })
  fileSystem.inject({ at: 1, error: 'ENOSPC', operation: 'write', path: 'checkpoint', times: 99 })
  const reports: StoreReport[] = []
  const opening = openLog('/events', { fileSystem, onReport: (report) => reports.push(report) })
  await expect(opening).rejects.toMatchObject({
    code: 'KFK_STORE_IO',
    details: { path: '/events/log-0', errno: 'EIO' },
  })
  const last = reports.at(-1)!
  expect(last).toMatchObject({ kind: 'background-failure', details: { path: '/events' } })
  expect(last.details['error']).toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
})

test('goes on in the epoch of a log that a broker began', async () => {
  const fileSystem = faultyFileSystem()
  const options = { fileSystem }
  const directory = await openLogDirectory('/data', options)
  const log = await directory.open('log-0')
  log.append(frameFormat.encode('of a leader'), { leaderEpoch: 5 })
  await directory.close()
  const embedded = await openLog('/data', options)
  await embedded.append('one')
  await embedded.append(['two', 'three'])
  await embedded.appendBatches(frameFormat.encode('four'))
  fileSystem.crash('keep-unsynced')
  await using again = await openLog('/data', options)
  expect(await collect(again.records())).toEqual(['of a leader', 'one', 'two', 'three', 'four'])
})
