// Recovery hands what it reads to the log's tracker; where it finds damage, the log is replayed.
import { memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory, StoreReport } from '../src/index'
import { countingFileSystem } from './support/counting-file-system'
import { ManualClock } from './support/manual-clock'
import { Producer, producerFrames, producersOf, viewOf } from './support/producer-frames'
import { diskOf, type StoredFiles, storedFiles } from './support/stored-files'

const dataFiles = /\.log$/
const clock = new ManualClock()
/** Not so old that producers are forgotten. */
const timestamp = clock.now()
let disk: FileSystem
let counting: ReturnType<typeof countingFileSystem>
let reports: StoreReport[]
let directory: LogDirectory

beforeEach(() => {
  disk = memoryFileSystem()
  counting = countingFileSystem(disk)
})
afterEach(() => directory.close())

async function open(): Promise<Log> {
  reports = []
  counting.reset()
  directory = await openLogDirectory('/data', {
    fileSystem: counting.fileSystem,
    clock,
    format: producerFrames,
    defaults: { segmentBytes: 30_000, indexIntervalBytes: 300 },
    onReport: (report) => reports.push(report),
  })
  return directory.open('a-0')
}

/** Some segments of two producers, one with transactions; the last one is open. */
async function write(): Promise<Log> {
  const log = await open()
  const [plain, other] = [new Producer(1), new Producer(2)]
  const put = (frame: Uint8Array) => log.append(frame, { leaderEpoch: 0 })
  for (let n = 0; n < 400; n++) {
    put(plain.data({ timestamp, bytes: 50 }))
    put(other.data({ timestamp, transactional: true }))
    if (n % 7 === 0) put(other.marker(n % 2 === 1 ? 'abort' : 'commit', timestamp))
  }
  await log.flush()
  expect(log.stats().segments).toBeGreaterThan(3)
  return log
}

/** As after a crash, without the files of such names; `change` may do harm to what is there. */
async function reopen(forget: RegExp, change?: (files: StoredFiles) => void): Promise<Log> {
  const files = await storedFiles(disk)
  await directory.close()
  for (const file of files.keys()) if (forget.test(file)) files.delete(file)
  change?.(files)
  disk = await diskOf(files, { crashed: true })
  counting = countingFileSystem(disk)
  return open()
}

const everything = /checkpoint|kfk\.|snapshot|txnindex/
const nothing = /^$/

/** The files of such names, oldest first. */
const among = (files: StoredFiles, name: RegExp) =>
  [...files.keys()].filter((file) => name.test(file)).sort()

test('a log of which nothing is known is read once', async () => {
  const before = await viewOf(await write())
  const log = await reopen(everything)
  const { sizeInBytes } = log.stats()
  expect(counting.readOf(dataFiles)).toBeGreaterThanOrEqual(sizeInBytes)
  expect(counting.readOf(dataFiles)).toBeLessThan(sizeInBytes * 1.1)
  expect(await viewOf(log)).toEqual(before)
  expect(before.aborted.length).toBeGreaterThan(20)
  // The transaction indexes and snapshots that it made are as good.
  await directory.close()
  expect(await viewOf(await open())).toEqual(before)
})

test('what the torn end had is not known afterwards', async () => {
  await write()
  let log = await reopen(everything, (files) => {
    const bytes = files.get(among(files, dataFiles).at(-1)!)!
    bytes[Math.floor(bytes.length / 2)]! ^= 1
  })
  const cut = await viewOf(log)
  expect(reports.map(({ kind }) => kind)).toContain('quarantined')
  const newest = producersOf(log).get(1n)!.batches.at(-1)!.lastOffset
  expect(newest).toBeLessThan(log.logEndOffset)
  expect(newest).toBeGreaterThan(log.logEndOffset - 4)
  log = await reopen(everything)
  expect(await viewOf(log)).toEqual(cut)
})

test('where a sealed segment is damaged, what lies behind the place is known all the same', async () => {
  const before = await viewOf(await write())
  await directory.checkpoint()
  const log = await reopen(/epoch|snapshot|txnindex/, (files) => {
    // Of a value: the headers still lead on.
    const bytes = files.get(among(files, dataFiles)[1]!)!
    bytes[Buffer.from(bytes.buffer).indexOf('p1p1p1', 500)]! ^= 1
  })
  expect(reports.map(({ kind }) => kind)).toContain('quarantined')
  expect(await viewOf(log)).toEqual(before)
})

test('an index that leads astray makes no batch count twice', async () => {
  const before = await viewOf(await write())
  await directory.close()
  await open()
  const log = await reopen(/snapshot/, (files) => {
    // The last entry names another batch: those before it have been read by then.
    const index = Buffer.from(files.get(among(files, /\.index$/).at(-1)!)!.buffer)
    const at = index.length - 8
    index.writeInt32BE(index.readInt32BE(at) - 1, at)
  })
  expect(await viewOf(log)).toEqual(before)
})

test('what lies between the snapshot and where recovery begins is replayed', async () => {
  const log = await write()
  await directory.checkpoint()
  const producer = new Producer(3)
  for (let n = 0; n < 100; n++)
    log.append(producer.data({ timestamp, bytes: 100 }), { leaderEpoch: 0 })
  await log.flush()
  const before = await viewOf(log)
  const again = await reopen(nothing)
  expect(await viewOf(again)).toEqual(before)
  expect(counting.readOf(dataFiles)).toBeLessThan(again.stats().sizeInBytes)
})

test('what is in the snapshot already is not told again', async () => {
  const before = await viewOf(await write())
  await directory.close()
  await open()
  const log = await reopen(nothing)
  expect(await viewOf(log)).toEqual(before)
  expect(before.aborted.at(-1)!.lastOffset).toBe(log.logEndOffset - 1)
  expect(counting.readOf(dataFiles)).toBeGreaterThan(0)
})
