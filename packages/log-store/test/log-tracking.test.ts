// Producers and transactions of a log through restart, roll, truncation, retention and damage.
import { join } from 'node:path'
import { faultyFileSystem, frameFormat, memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogDirectoryOptions, StoreReport } from '../src/index'
import { readRange } from '../src/fs/file-system'
import { countingFileSystem } from './support/counting-file-system'
import { ManualClock } from './support/manual-clock'
import { Producer, producerFrames, producersOf, replayed, viewOf } from './support/producer-frames'
import { record } from './support/records'

const path = '/data/a-0'
const defaults = {
  segmentBytes: 700,
  indexIntervalBytes: 100,
  retentionMs: -1,
  fileDeleteDelayMs: 0,
}
let fileSystem: FileSystem
let clock: ManualClock
let reports: StoreReport[]
let directory: LogDirectory

beforeEach(() => {
  fileSystem = memoryFileSystem()
  clock = new ManualClock()
  reports = []
})
afterEach(() => directory.close())

async function open(options: LogDirectoryOptions = {}): Promise<Log> {
  directory = await openLogDirectory('/data', {
    ...{ fileSystem, clock, defaults, format: producerFrames },
    onReport: (report) => reports.push(report),
    ...options,
  })
  return directory.open('a-0')
}

/** As after a crash of the process: all that was written is there, and no marker. */
async function reopenUnclean(): Promise<Log> {
  await directory.close()
  await fileSystem.remove('/data/.kafka_cleanshutdown')
  reports.length = 0
  return open()
}

function put(log: Log, ...batches: Uint8Array[]): number {
  let offset = -1
  for (const batch of batches) offset = log.append(batch, { leaderEpoch: 0 }).lastOffset
  return offset
}

async function names(pattern: RegExp): Promise<string[]> {
  const entries = await fileSystem.list(path)
  const found = entries.map(({ name }) => name).filter((name) => pattern.test(name))
  return found.sort()
}

async function change(name: string, edit: (bytes: Buffer) => Buffer | undefined): Promise<void> {
  const handle = fileSystem.open(join(path, name), 'write')
  const edited = edit(Buffer.from(await readRange(handle, 0, handle.size())))
  handle.truncateSync(0)
  if (edited !== undefined) handle.writevSync([edited], 0)
  handle.close()
  if (edited === undefined) await fileSystem.remove(join(path, name))
}

const flipped = (bytes: Buffer): Buffer => {
  bytes[bytes.length - 3]! ^= 4
  return bytes
}
const shortened = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 1)
const gone = (): undefined => undefined
const damages = [
  ['a flipped bit', flipped],
  ['a missing byte', shortened],
  ['no file', gone],
] as const

/** Several producers, with and without transactions, over some segments; one stays open. */
async function fill(log: Log, rounds = 6): Promise<void> {
  const [a, b, c] = [new Producer(1), new Producer(2, 4), new Producer(3)]
  const plain = () => ({ timestamp: clock.now() + log.logEndOffset })
  const open = () => ({ transactional: true, ...plain() })
  for (let round = 0; round < rounds; round++) {
    put(log, a.data(plain()), record('plain'), b.data(open()))
    put(log, c.data(open()), a.data(plain()), b.data(open()))
    put(log, b.marker(round % 2 === 0 ? 'abort' : 'commit', plain().timestamp))
    if (round % 3 === 1) put(log, c.marker('abort', plain().timestamp))
    await log.whenAcknowledged(log.logEndOffset)
  }
}

describe('a restart', () => {
  test('after a clean stop has the same producers and transactions, without a replay', async () => {
    let log = await open()
    await fill(log)
    const before = await viewOf(log)
    expect(before).toEqual(await replayed(log))
    expect(before.aborted).toHaveLength(5)
    expect(producersOf(log).get(1n)?.batches).toHaveLength(5)
    expect(log.stats().segments).toBeGreaterThan(5)
    await directory.close()
    log = await open()
    expect(reports).toEqual([])
    expect(await viewOf(log)).toEqual(before)
    expect(log.lastStableOffset()).toBe(before.firstUnstable)
  })

  test('reads no more of the log than the end, and one snapshot', async () => {
    const counting = countingFileSystem(fileSystem)
    const large = { segmentBytes: 100_000, indexIntervalBytes: 1000 }
    let log = await open({ defaults: { ...defaults, ...large } })
    await fill(log, 400)
    expect(log.stats().sizeInBytes).toBeGreaterThan(250_000)
    const before = await viewOf(log)
    await directory.close()
    log = await open({ fileSystem: counting.fileSystem, defaults: { ...defaults, ...large } })
    expect(counting.readOf(/\.log$/)).toBeLessThan(5000)
    expect(counting.readOf(/snapshot/)).toBeLessThan(2000)
    counting.reset()
    expect(await viewOf(log)).toEqual(before)
    expect(counting.readOf(/\.log$/)).toBe(0)
  })

  test('after an unclean stop finds the same, from the snapshots before the recovery point', async () => {
    let log = await open()
    await fill(log)
    await directory.checkpoint()
    const before = await viewOf(log)
    log = await reopenUnclean()
    expect(await viewOf(log)).toEqual(before)
    const [restored] = reports.filter(({ kind }) => kind === 'tracker-restored')
    expect(restored?.details.snapshot ?? log.logEndOffset).toBeGreaterThan(20)
    await fileSystem.remove('/data/recovery-point-offset-checkpoint')
    await fileSystem.remove('/data/kfk.recovery-point-offset-checkpoint.crc')
    log = await reopenUnclean()
    expect(await viewOf(log)).toEqual(before)
  })

  test('within a large segment reads what came after the last snapshot but one checkpoint', async () => {
    const large = { ...defaults, segmentBytes: 2 ** 30, indexIntervalBytes: 4096 }
    let log = await open({ defaults: large })
    const [a, b] = [new Producer(1), new Producer(2)]
    const transactional = true
    put(log, a.data({ transactional }), b.data(), a.marker('abort'))
    put(log, a.data({ transactional }))
    for (let n = 0; n < 9; n++) put(log, b.data({ bytes: 2_000_000 }))
    await log.whenAcknowledged(log.logEndOffset)
    const middle = log.logEndOffset
    await directory.checkpoint()
    expect(await names(/\.snapshot$/)).toEqual([])
    put(log, a.marker('abort'))
    await log.whenAcknowledged(log.logEndOffset)
    await directory.checkpoint()
    const name = `${String(middle).padStart(20, '0')}.snapshot`
    expect(await names(/\.snapshot$/)).toEqual([name])
    put(log, a.data({ transactional }), a.marker('abort'), b.data())
    await log.whenAcknowledged(log.logEndOffset)
    await directory.checkpoint()
    const before = await viewOf(log)
    expect(before.aborted).toHaveLength(3)
    // The machine stops here: what close would write is not there.
    const stopped = faultyCopy(fileSystem)
    await directory.close()
    fileSystem = await stopped
    log = await open({ defaults: large })
    expect(reports).toContainEqual(
      expect.objectContaining({
        kind: 'tracker-restored',
        details: expect.objectContaining({ snapshot: middle }) as unknown,
      }),
    )
    const [{ details }] = reports.filter(({ kind }) => kind === 'tracker-restored') as [StoreReport]
    expect(details.replayedBytes).toBeLessThan(4_100_000)
    expect(await viewOf(log)).toEqual(before)
  })
})

/** All files as they are now, on another disk. */
async function faultyCopy(from: FileSystem): Promise<FileSystem> {
  const copy = memoryFileSystem()
  const walk = async (at: string): Promise<void> => {
    await copy.makeDirectory(at)
    for (const { name, isDirectory } of await from.list(at)) {
      const inner = join(at, name)
      if (isDirectory) {
        await walk(inner)
        continue
      }
      const source = from.open(inner, 'read')
      const target = copy.open(inner, 'write')
      target.writevSync([await readRange(source, 0, source.size())], 0)
      target.close()
      source.close()
    }
  }
  await walk('/data')
  await copy.remove('/data/.kafka_cleanshutdown')
  return copy
}

describe('snapshots', () => {
  test('lie at the base of each segment and at the end, no others', async () => {
    let log = await open()
    await fill(log)
    await directory.close()
    const bases = (await names(/\.log$/)).map((name) => name.slice(0, 20)).slice(1)
    const end = String(log.logEndOffset).padStart(20, '0')
    const offsets = async () => (await names(/\.snapshot$/)).map((name) => name.slice(0, 20))
    expect(await offsets()).toEqual([...bases, end])
    log = await open()
    // The next one takes the place of that at the old end, which is not the base of a segment.
    put(log, record('x'), record('x'.repeat(600)))
    await log.whenAcknowledged(log.logEndOffset)
    await directory.close()
    expect(await offsets()).not.toContain(end)
  })

  test.each(damages)('with %s give way to an older one', async (_name, damage) => {
    let log = await open()
    await fill(log)
    const before = await viewOf(log)
    await directory.close()
    const newest = (await names(/^\d+\.snapshot$/)).at(-1)!
    await change(newest, damage)
    log = await open()
    const older = Number((await names(/^\d+\.snapshot$/)).at(-1)!.slice(0, 20))
    expect(older).toBeLessThan(Number(newest.slice(0, 20)))
    const restored = reports.filter(({ kind }) => kind === 'tracker-restored')
    expect(restored).toMatchObject([{ details: { snapshot: older } }])
    expect(await viewOf(log)).toEqual(before)
  })

  test('all lost: the whole log is read, and those of the last two segments made again', async () => {
    let log = await open()
    await fill(log)
    const before = await viewOf(log)
    await directory.close()
    for (const name of await names(/snapshot/)) await change(name, gone)
    log = await open()
    expect(reports).toMatchObject([{ kind: 'tracker-restored', details: { snapshot: undefined } }])
    expect(await viewOf(log)).toEqual(before)
    const bases = (await names(/\.log$/)).map((name) => Number(name.slice(0, 20)))
    const made = (await names(/^\d+\.snapshot$/)).map((name) => Number(name.slice(0, 20)))
    expect(made).toEqual(bases.slice(-2))
  })

  test('beyond the end, or of a log that is gone, are not believed', async () => {
    let log = await open()
    await fill(log)
    await directory.close()
    const names1 = await names(/^\d+\.snapshot$/)
    const beyond = `${String(log.logEndOffset + 5).padStart(20, '0')}.snapshot`
    await fileSystem.rename(join(path, names1.at(-1)!), join(path, beyond))
    log = await open()
    expect(await names(/^\d+\.snapshot$/)).not.toContain(beyond)
    await directory.close()
    for (const name of await names(/^\d+\.(log|index|timeindex)$/)) await change(name, gone)
    for (const name of await names(/^kfk\.(recovery|leader)|^leader/)) await change(name, gone)
    await fileSystem.remove('/data/recovery-point-offset-checkpoint')
    await fileSystem.remove('/data/kfk.recovery-point-offset-checkpoint.crc')
    log = await open()
    expect(producersOf(log).size).toBe(0)
    expect(await names(/snapshot|txnindex/)).toEqual([])
  })

  test('of a full disk are done without', async () => {
    const faulty = faultyFileSystem()
    fileSystem = faulty
    let log = await open()
    faulty.inject({ at: 1, error: 'ENOSPC', operation: 'write', path: 'snapshot', times: 1000 })
    await fill(log)
    const before = await viewOf(log)
    expect(await names(/^\d+\.snapshot$/)).toEqual([])
    expect(reports.some(({ kind }) => kind === 'background-failure')).toBe(true)
    faulty.clearFaults()
    log = await reopenUnclean()
    expect(await viewOf(log)).toEqual(before)
  })
})

describe('transaction indexes', () => {
  test.each(damages)('with %s are built anew', async (_name, damage) => {
    let log = await open()
    await fill(log, 8)
    const before = await viewOf(log)
    await directory.close()
    const indexes = await names(/^\d+\.txnindex$/)
    expect(indexes.length).toBeGreaterThan(3)
    for (const name of indexes) await change(name, damage)
    log = await open()
    expect(await viewOf(log)).toEqual(before)
    const rebuilt = reports.filter(({ kind }) => kind === 'index-rebuilt')
    expect(rebuilt).toHaveLength(indexes.length)
    await directory.close()
    expect(await names(/^\d+\.txnindex$/)).toEqual(indexes)
    reports.length = 0
    log = await open()
    expect(await viewOf(log)).toEqual(before)
    expect(reports).toEqual([])
  })

  test('answer for any range what a reader has to leave out', async () => {
    const log = await open()
    await fill(log, 8)
    const { aborted, firstUnstable } = await viewOf(log)
    for (let from = 0; from < log.logEndOffset; from += 3) {
      for (let to = from + 1; to <= firstUnstable!; to += 5) {
        const found = await log.abortedTransactions(from, to)
        expect(log.abortedTransactionsNow(from, to) ?? found).toEqual(found)
        // Everything that matters is there; what is there overlaps, but for the segment's start.
        const wanted = aborted.filter((one) => one.lastOffset >= from && one.firstOffset < to)
        expect(found).toEqual(expect.arrayContaining(wanted))
        expect(found.every((one) => one.firstOffset < to)).toBe(true)
      }
    }
  })

  test('that a full disk does not take are not lost', async () => {
    const faulty = faultyFileSystem()
    fileSystem = faulty
    let log = await open()
    faulty.inject({ at: 1, error: 'ENOSPC', operation: 'write', path: 'txnindex', times: 1000 })
    await fill(log)
    await directory.checkpoint()
    const before = await viewOf(log)
    expect(await names(/^\d+\.txnindex$/)).toEqual([])
    faulty.crash('lose-unsynced')
    reports.length = 0
    log = await open()
    expect(await viewOf(log)).toEqual(before)
    expect(reports.map(({ kind }) => kind)).toContain('tracker-restored')
  })
})

describe('a log that changes', () => {
  test('truncated anywhere knows what a replay of the rest knows', async () => {
    let log = await open()
    await fill(log)
    const end = log.logEndOffset
    await directory.close()
    const before = fileSystem
    for (let offset = 0; offset <= end; offset++) {
      fileSystem = await faultyCopy(before)
      log = await open()
      await log.truncateTo(offset)
      expect({ offset, ...(await viewOf(log)) }).toEqual({ offset, ...(await replayed(log)) })
      const late = (await names(/^\d+\.snapshot$/)).filter((name) => Number(name.slice(0, 20)) > offset) // prettier-ignore
      expect({ offset, late }).toEqual({ offset, late: [] })
      // And goes on from there, through a restart.
      const more = new Producer(9)
      put(log, more.data({ transactional: true, timestamp: clock.now() }))
      put(log, more.marker('abort', clock.now()))
      await log.whenAcknowledged(log.logEndOffset)
      const now = await viewOf(log)
      expect(now.aborted.at(-1)).toMatchObject({ producerId: 9n, firstOffset: offset })
      expect(now).toEqual(await replayed(log))
      await directory.close()
      log = await open()
      expect({ offset, ...(await viewOf(log)) }).toEqual({ offset, ...now })
      await directory.close()
    }
    log = await open()
  })

  test('loses with its segments their snapshots and indexes, not the producers', async () => {
    let log = await open()
    await fill(log, 8)
    const before = await viewOf(log)
    await log.advanceLogStart(log.logEndOffset - 5)
    const bases = (await names(/\.log$/)).map((name) => name.slice(0, 20))
    for (const name of await names(/^\d+\.(snapshot|txnindex)$/)) {
      expect(bases).toContain(name.slice(0, 20))
    }
    for (const name of await names(/^kfk\.\d+\.(snapshot-detail|txnindex\.crc)$/)) {
      expect(bases).toContain(name.slice(4, 24))
    }
    expect((await viewOf(log)).producers).toEqual(before.producers)
    const { length } = (await viewOf(log)).aborted
    expect(length).toBeLessThan(before.aborted.length)
    await directory.close()
    log = await open()
    expect((await viewOf(log)).producers).toEqual(before.producers)
    expect(reports).toEqual([])
  })

  test('rolled back for want of room is as it was, and takes the same batches again', async () => {
    const faulty = faultyFileSystem()
    fileSystem = faulty
    const log = await open()
    await fill(log, 2)
    const before = await viewOf(log)
    const again = new Producer(2, 4)
    const other = new Producer(8)
    const lost = [again.data({ transactional: true }), again.marker('abort'), other.data()]
    faulty.inject({ at: 1, error: 'ENOSPC', operation: 'write', path: '.log' })
    put(log, ...lost.map((bytes) => Uint8Array.from(bytes)))
    expect(producersOf(log).get(8n)).toBeDefined()
    await expect(log.whenAcknowledged(log.logEndOffset)).rejects.toMatchObject({
      code: 'KFK_STORE_NO_SPACE',
    })
    expect(await viewOf(log)).toEqual(before)
    put(log, ...lost)
    await log.whenAcknowledged(log.logEndOffset)
    expect(await viewOf(log)).toEqual(await replayed(log))
  })

  test('is followed in what a leader sends, too', async () => {
    const log = await open()
    const [a, b] = [new Producer(1), new Producer(2)]
    const batches = [a.data({ transactional: true }), b.data(), a.marker('abort')]
    for (const [offset, bytes] of batches.entries()) {
      producerFrames.stamp(bytes, 0, { baseOffset: offset + 10, leaderEpoch: 1 })
    }
    log.appendReplicated(Buffer.concat(batches))
    await log.whenAcknowledged(13)
    expect(await log.abortedTransactions(10, 13)).toMatchObject([{ firstOffset: 10 }])
    expect(await viewOf(log)).toEqual(await replayed(log))
  })

  test('has its transactions decided up to the high watermark only', async () => {
    const log = await open()
    const a = new Producer(1)
    put(log, record('x'), a.data({ transactional: true }), a.marker('commit'), record('y'))
    await log.whenAcknowledged(4)
    expect(log.lastStableOffset(2)).toBe(1)
    expect(log.lastStableOffset(1)).toBe(1)
    expect(log.lastStableOffset(0)).toBe(0)
    expect(log.lastStableOffset()).toBe(4)
    put(log, a.data({ transactional: true }), record('z'))
    await log.whenAcknowledged(6)
    expect(log.lastStableOffset()).toBe(4)
    await log.advanceLogStart(5)
    expect(log.lastStableOffset()).toBe(5)
  })
})

test('a tracker of the own kind sees all batches, and is restored from its snapshots', async () => {
  const make = () => {
    let bytes = 0
    let unsettled = 0
    return {
      isEmpty: false,
      total: () => bytes,
      restore(snapshot?: { state: Uint8Array }) {
        bytes = snapshot === undefined ? 0 : Number(Buffer.from(snapshot.state).toString())
        return Number.isSafeInteger(bytes)
      },
      apply(_bytes: Uint8Array, _position: number, batch: { sizeInBytes: number }) {
        bytes += batch.sizeInBytes
        unsettled += batch.sizeInBytes
        return undefined
      },
      settle: () => void (unsettled = 0),
      rollBack: () => void ((bytes -= unsettled), (unsettled = 0)),
      capture: () => {
        const state = Buffer.from(String(bytes))
        return () => ({ state })
      },
      firstUnstableOffset: () => undefined,
      expire: () => undefined,
    }
  }
  type Tracker = ReturnType<typeof make>
  const options = { format: frameFormat, tracker: make }
  let log = await open(options)
  for (let n = 0; n < 50; n++) put(log, record(`record ${n}`))
  await log.whenAcknowledged(50)
  expect((log.tracker as unknown as Tracker).total()).toBe(log.stats().sizeInBytes)
  await directory.close()
  log = await open(options)
  expect((log.tracker as unknown as Tracker).total()).toBe(log.stats().sizeInBytes)
  await log.truncateTo(33)
  expect((log.tracker as unknown as Tracker).total()).toBe(log.stats().sizeInBytes)
  expect(reports.filter(({ kind }) => kind !== 'tracker-restored')).toEqual([])
})

test('a format without producers has no tracker and no such files', async () => {
  const log = await open({ format: frameFormat })
  for (let n = 0; n < 50; n++) put(log, record(`record ${n}`))
  await log.whenAcknowledged(50)
  expect(log.tracker).toBeUndefined()
  expect(log.lastStableOffset()).toBe(50)
  expect(log.abortedTransactionsNow(0, 50)).toEqual([])
  expect(await log.abortedTransactions(0, 50)).toEqual([])
  await directory.close()
  expect(await names(/snapshot|txnindex/)).toEqual([])
})
