// Property by property: what a log does beyond the compliance suite, over the memory file system.
import { memoryFileSystem, openLogDirectory, faultyFileSystem, frameFormat } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogOptions } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'

let fileSystem: FileSystem
let clock: ManualClock
let directory: LogDirectory
let syncs: number

beforeEach(() => {
  const memory = memoryFileSystem()
  syncs = 0
  fileSystem = {
    ...memory,
    open(path, mode) {
      const handle = memory.open(path, mode)
      const syncData = handle.syncData.bind(handle)
      handle.syncData = (done) => {
        if (path.endsWith('.log')) syncs++
        setImmediate(() => syncData(done))
      }
      return handle
    },
  }
  clock = new ManualClock()
})
afterEach(() => directory.close())

async function open(defaults: Partial<LogOptions> = {}, more = {}): Promise<Log> {
  directory = await openLogDirectory('/data', { fileSystem, clock, defaults, ...more })
  return directory.open('a-0')
}

const append = (log: Log, text: string, timestamp?: number) =>
  log.append(record(text, timestamp), { leaderEpoch: 1 })

test('what is appended in one turn goes out as one write and one sync', async () => {
  const log = await open()
  for (let n = 0; n < 100; n++) append(log, `record ${n}`)
  expect([log.logEndOffset, log.writtenOffset]).toEqual([100, 0])
  await log.whenAcknowledged(100)
  expect(log.stats().writes).toBe(1)
  expect(syncs).toBe(1)
})

test('appends during a sync share the next one', async () => {
  const log = await open()
  append(log, 'first')
  log.flushNow()
  for (let n = 0; n < 20; n++) {
    append(log, `record ${n}`)
    log.flushNow()
  }
  await log.whenAcknowledged(21)
  expect(syncs).toBe(2)
})

test('a shorter flush.ms counts from when it is set, for what is written already', async () => {
  const never = Number.MAX_SAFE_INTEGER
  const log = await open({ flushMessages: never, flushMs: 60_000 })
  append(log, 'one')
  log.flushNow()
  log.configure({ flushMs: 10 })
  clock.advance(9)
  // A longer one puts off nothing.
  log.configure({ flushMs: 1000 })
  await settle()
  expect(log.recoveryPoint).toBe(0)
  clock.advance(1)
  await settle()
  expect(log.recoveryPoint).toBe(1)
  append(log, 'two')
  log.flushNow()
  clock.advance(999)
  await settle()
  expect(log.recoveryPoint).toBe(1)
  clock.advance(1)
  await settle()
  expect(log.recoveryPoint).toBe(2)
})

test('left to the system: acknowledged at the write, synced after flush.ms or on demand', async () => {
  const log = await open({ flushMessages: Number.MAX_SAFE_INTEGER, flushMs: 1000 })
  append(log, 'one')
  log.flushNow()
  expect([log.acknowledgedOffset, log.recoveryPoint, syncs]).toEqual([1, 0, 0])
  clock.advance(1000)
  await settle()
  expect([log.recoveryPoint, syncs]).toEqual([1, 1])
  append(log, 'two')
  await log.flush()
  expect([log.recoveryPoint, syncs]).toEqual([2, 2])
  log.configure({ flushMessages: 3, flushMs: Number.MAX_SAFE_INTEGER })
  for (const text of ['three', 'four']) append(log, text)
  log.flushNow()
  await settle()
  expect(syncs).toBe(2)
  append(log, 'five')
  await settle()
  expect([log.recoveryPoint, syncs]).toEqual([5, 3])
})

test('at most so many syncs at once, over all logs, and every log gets its turn', async () => {
  let running = 0
  let most = 0
  const memory = memoryFileSystem()
  fileSystem = {
    ...memory,
    open(path, mode) {
      const handle = memory.open(path, mode)
      handle.syncData = (done) => {
        most = Math.max(most, ++running)
        setImmediate(() => {
          running--
          done(null)
        })
      }
      return handle
    },
  }
  directory = await openLogDirectory('/data', {
    fileSystem,
    clock,
    maxConcurrentSyncs: 2,
    checkpointMs: 0,
  })
  const logs = await Promise.all(Array.from({ length: 30 }, (_, n) => directory.open(`a-${n}`)))
  most = 0
  for (const log of logs) append(log, 'one')
  await Promise.all(logs.map((log) => log.whenAcknowledged(1)))
  expect(most).toBe(2)
})

test('rolls by size, by record time and by wall clock; a full index rolls too', async () => {
  const log = await open({ segmentBytes: 200, segmentMs: 5000 })
  for (let n = 0; n < 4; n++) append(log, 'x'.repeat(20), 1000 + n)
  log.flushNow()
  expect(log.stats().segments).toBe(2)
  append(log, 'later', 1000 + 3 + 5001)
  log.flushNow()
  expect(log.stats().segments).toBe(3)
  log.roll()
  log.roll()
  expect(log.stats().segments).toBe(4)
  log.configure({ segmentBytes: 10_000, segmentIndexBytes: 36, indexIntervalBytes: 0 })
  for (let n = 0; n < 12; n++) {
    append(log, 'y', 10_000 + n)
    log.flushNow()
  }
  expect(log.stats().segments).toBeGreaterThan(6)
  await log.flush()
  expect((await readAll(log)).size).toBe(log.logEndOffset)
})

test('a batch beyond the limits is refused and changes nothing', async () => {
  const log = await open({ maxBatchBytes: 100, segmentBytes: 300 })
  expect(() => append(log, 'x'.repeat(80))).toThrow('exceeds 100')
  expect(() => log.append(new Uint8Array(400), { leaderEpoch: 0 })).toThrow(
    'an append of 400 bytes exceeds 300',
  )
  for (const bytes of [new Uint8Array(0), new Uint8Array(50), record('x').subarray(1)]) {
    expect(() => log.append(bytes, { leaderEpoch: 0 })).toThrow(
      'KFK' in bytes ? '' : 'append at byte',
    )
  }
  expect(log.logEndOffset).toBe(0)
})

test('a tailing reader is served from memory, without a read of the file', async () => {
  const log = await open({ segmentBytes: 2000 })
  expect(log.readNow({ from: 0, maxBytes: 1000 })!.bytes).toHaveLength(0)
  const found: string[] = []
  for (let n = 0; n < 100; n++) {
    append(log, `record ${n}`)
    log.flushNow()
    const slice = log.readNow({ from: n, maxBytes: 1000 })!
    for (const frame of frameFormat.decode(slice.bytes))
      found.push(Buffer.from(frame.value).toString())
    expect(slice.nextOffset).toBe(n + 1)
  }
  expect(found).toEqual(Array.from({ length: 100 }, (_, n) => `record ${n}`))
  expect(log.stats()).toMatchObject({ hotReads: 100, warmReads: 0, coldReads: 0 })
})

test('tails of all logs together stay within their bound', async () => {
  directory = await openLogDirectory('/data', { fileSystem, clock, hotTailBytes: 40_000 })
  const logs = await Promise.all(Array.from({ length: 10 }, (_, n) => directory.open(`a-${n}`)))
  for (const log of logs) log.readNow({ from: 0, maxBytes: 100 })
  for (let n = 0; n < 50; n++) {
    for (const log of logs) append(log, 'x'.repeat(1000))
    await settle(1)
  }
  const { tails } = directory as unknown as { tails: { usedBytes: number } }
  expect(tails.usedBytes).toBeLessThanOrEqual(40_000)
  for (const log of logs) expect((await readAll(log, 10_000)).size).toBe(50)
})

test('files held open stay within their bound', async () => {
  directory = await openLogDirectory('/data', { fileSystem, clock, maxOpenFiles: 4 })
  const logs = await Promise.all(
    Array.from({ length: 12 }, (_, n) => directory.open(`a-${n}`, { segmentBytes: 200 })),
  )
  for (let n = 0; n < 20; n++) for (const log of logs) append(log, `record ${n}`)
  for (const log of logs) await log.whenAcknowledged(20)
  for (const log of logs) expect((await readAll(log)).size).toBe(20)
  const { files } = directory as unknown as { files: { openCount: number } }
  expect(files.openCount).toBeLessThanOrEqual(4)
})

test('with room for one file, that of the index does not take the place of the data', async () => {
  const log = await open({ indexIntervalBytes: 200 }, { maxOpenFiles: 1, hotTailBytes: 0 })
  const other = await directory.open('a-1')
  for (let n = 0; n < 100; n++) append(log, `record ${n}`)
  await log.whenAcknowledged(100)
  append(other, 'takes the place')
  await other.whenAcknowledged(1)
  expect((await log.read({ from: 50, maxBytes: 1 })).nextOffset).toBe(51)
  expect(directory.stats().openFiles).toBe(1)
})

test('waiting for an acknowledgement can be given up', async () => {
  const log = await open()
  const abort = new AbortController()
  const waiting = log.whenAcknowledged(1, abort.signal)
  abort.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  append(log, 'one')
  await log.whenAcknowledged(1, new AbortController().signal)
})

test('retention by size and by age', async () => {
  const log = await open({
    segmentBytes: 200,
    retentionBytes: 450,
    retentionMs: -1,
    fileDeleteDelayMs: 100,
  })
  for (let n = 0; n < 30; n++) append(log, `record ${n}`, clock.wallMs + n)
  await log.whenAcknowledged(30)
  const before = log.stats()
  const report = await directory.applyRetention()
  expect(report.deletedSegments).toBe(before.segments - log.stats().segments)
  expect(log.stats().sizeInBytes).toBeGreaterThanOrEqual(450)
  expect(log.stats().sizeInBytes).toBeLessThan(450 + 200)
  expect(log.logStartOffset).toBeGreaterThan(0)
  const names = async () => (await fileSystem.list('/data/a-0')).map((entry) => entry.name)
  expect((await names()).filter((name) => name.endsWith('.deleted')).length).toBeGreaterThan(0)
  clock.advance(100)
  await settle()
  expect((await names()).filter((name) => name.endsWith('.deleted'))).toEqual([])

  log.configure({ retentionMs: 60_000, retentionBytes: -1 })
  clock.advance(61_000)
  await directory.applyRetention()
  expect([log.logStartOffset, log.logEndOffset]).toEqual([30, 30])
  expect(log.stats().segments).toBe(1)
})

test('a deleted segment stays on the disk until its reader has finished', async () => {
  const written = await open({ segmentBytes: 200 })
  for (let n = 0; n < 30; n++) append(written, `record ${n}`)
  await written.whenAcknowledged(30)
  await directory.close()
  const oldest = '00000000000000000000.log'
  const inner = fileSystem
  let begun: () => void
  let goOn: () => void
  const beginning = new Promise<void>((resolve) => (begun = resolve))
  const pause = new Promise<void>((resolve) => (goOn = resolve))
  fileSystem = {
    ...inner,
    open(path, mode) {
      const handle = inner.open(path, mode)
      const read = handle.read.bind(handle)
      handle.read = async (into, position) => {
        if (path.endsWith(oldest)) {
          begun()
          await pause
        }
        return read(into, position)
      }
      return handle
    },
  }
  const log = await open({ segmentBytes: 200, retentionBytes: 450, fileDeleteDelayMs: 0 })
  const reading = log.read({ from: 0, maxBytes: 1 })
  await beginning
  await directory.applyRetention()
  clock.advance(0)
  await settle()
  const deleted = async () =>
    (await inner.list('/data/a-0'))
      .map(({ name }) => name)
      .filter((name) => name.endsWith('.log.deleted'))
  expect(log.logStartOffset).toBeGreaterThan(0)
  expect(await deleted()).toEqual([`${oldest}.deleted`])
  goOn!()
  expect(await reading).toMatchObject({ nextOffset: 1 })
  await settle()
  expect(await deleted()).toEqual([])
})

test('a wall clock that jumps ahead deletes nothing by age', async () => {
  const log = await open({ segmentBytes: 200, retentionMs: 3_600_000 })
  for (let n = 0; n < 30; n++) append(log, `record ${n}`, clock.wallMs)
  await log.whenAcknowledged(30)
  await directory.applyRetention()
  clock.wallMs += 10 * 24 * 3_600_000
  expect(await directory.applyRetention()).toMatchObject({ clockJumped: true, deletedSegments: 0 })
  clock.advance(25 * 3_600_000)
  expect((await directory.applyRetention()).deletedSegments).toBeGreaterThan(0)
})

test('truncation is refused to mix with appends, and readers start over', async () => {
  const log = await open({ segmentBytes: 200 })
  for (let n = 0; n < 30; n++) append(log, `record ${n}`)
  const truncating = log.truncateTo(12)
  expect(() => append(log, 'meanwhile')).toThrow('being truncated')
  await truncating
  expect(append(log, 'again').baseOffset).toBe(12)
  await log.truncateTo(0)
  expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 0])
  for (let n = 0; n < 8; n++) append(log, `fresh ${n}`)
  await log.whenAcknowledged(8)
  expect([...(await readAll(log)).values()][7]).toBe('fresh 7')
})

test('below the log start truncation empties the log and starts it there', async () => {
  const log = await open({ segmentBytes: 200, fileDeleteDelayMs: 0 })
  for (let n = 0; n < 30; n++) append(log, `record ${n}`)
  await log.whenAcknowledged(30)
  await log.advanceLogStart(20)
  await log.truncateTo(5)
  expect([log.logStartOffset, log.logEndOffset]).toEqual([5, 5])
  expect(append(log, 'five').baseOffset).toBe(5)
  await log.whenAcknowledged(6)
})

test('opening a cleanly closed log costs the same however long it is', async () => {
  const costs: number[] = []
  for (const records of [50, 1000]) {
    const disk = faultyFileSystem()
    const defaults = { segmentBytes: 1000, indexIntervalBytes: 200 }
    const first = await openLogDirectory('/data', { fileSystem: disk, clock, defaults })
    const log = await first.open('a-0')
    for (let n = 0; n < records; n++) append(log, `record ${String(n).padStart(5)}`, 1000)
    await first.close()
    let calls = 0
    const counting: FileSystem = {
      ...(
        [
          'list',
          'stat',
          'makeDirectory',
          'rename',
          'remove',
          'removeDirectory',
          'syncDirectory',
          'lock',
        ] as const
      ).reduce(
        (all, name) => ({
          ...all,
          [name]: (...args: [string, string]) => (
            calls++,
            (disk[name] as (...a: string[]) => unknown)(...args)
          ),
        }),
        {} as FileSystem,
      ),
      name: 'counting',
      open: (path, mode) => (calls++, disk.open(path, mode)),
    }
    directory = await openLogDirectory('/data', { fileSystem: counting, clock, defaults })
    expect((await directory.open('a-0')).logEndOffset).toBe(records)
    costs.push(calls)
    await directory.close()
  }
  expect(costs[1]).toBe(costs[0])
})

test('after close everything says so', async () => {
  const log = await open()
  await directory.close()
  const closed = { code: 'KFK_STORE_CLOSED' }
  expect(() => append(log, 'x')).toThrow('is closed')
  await expect(log.read({ from: 0, maxBytes: 1 })).rejects.toMatchObject(closed)
  await expect(log.whenAcknowledged(1)).rejects.toMatchObject(closed)
  await expect(directory.open('a-0')).rejects.toMatchObject(closed)
})

test('closing syncs what was left to the system, and leaves indexes that need no repair', async () => {
  const disk = faultyFileSystem()
  const defaults = {
    flushMessages: Number.MAX_SAFE_INTEGER,
    segmentBytes: 300,
    indexIntervalBytes: 50,
  }
  const kinds: string[] = []
  const options = {
    fileSystem: disk,
    clock,
    defaults,
    onReport: ({ kind }: { kind: string }) => kinds.push(kind),
  }
  const first = await openLogDirectory('/data', options)
  const log = await first.open('a-0')
  for (let n = 0; n < 30; n++) append(log, `record ${n}`, 1000 + n)
  await first.close()
  disk.crash('lose-unsynced')
  directory = await openLogDirectory('/data', options)
  expect(directory.cleanStart).toBe(true)
  const again = await directory.open('a-0')
  expect((await readAll(again)).size).toBe(30)
  for (let n = 0; n < 30; n++) {
    expect(await again.offsetForTimestamp(1000 + n)).toMatchObject({ offset: n })
  }
  expect(kinds).toEqual([])
})
