// Property: the list of logs of a clean close spares a look into the directories of logs, and where
// it is not true any more, or damaged in any way, they are looked into: never a wrong record.
import { crc32 } from 'node:zlib'
import { CleanShutdown, type ClosedLog } from '../src/clean-shutdown'
import { memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, LogDirectory, StoreReport } from '../src/index'
import { maxLogListBytes, splitLogList } from '../src/log-list'
import { ManualClock } from './support/manual-clock'
import { readAll, record } from './support/records'
import { flipped, pathsOf, storedFiles, writeFile, type StoredFiles } from './support/stored-files'

const listPath = '/data/kfk.logs'
const markerPath = '/data/.kafka_cleanshutdown'
const text = (n: number) => `record ${String(n).padStart(5, '0')}`
const recordBytes = record(text(0)).length
const counts = { 'a-0': 45, 'b-7': 3, 'c-1': 0 } as const
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => text(from + at))

let fileSystem: FileSystem
let reports: StoreReport[]
let listed: string[]

/** The same disk; notes which directories are listed. */
function watched(): FileSystem {
  const inner = fileSystem
  return Object.create(inner, {
    list: {
      value(path: string) {
        listed.push(path)
        return inner.list(path)
      },
    },
  }) as FileSystem
}

function open(): Promise<LogDirectory> {
  reports = []
  listed = []
  return openLogDirectory('/data', {
    fileSystem: watched(),
    clock: new ManualClock(),
    defaults: { segmentBytes: 20 * recordBytes, indexIntervalBytes: 100, retentionMs: -1 },
    onReport: (report) => reports.push(report),
  })
}

const kinds = () => reports.map(({ kind }) => kind)
const openedByListing = (name: string) => listed.includes(`/data/${name}`)

async function contentOf(directory: LogDirectory, name: string): Promise<string[]> {
  const log = await directory.open(name)
  const found = await readAll(log)
  expect([...found.keys()]).toEqual(lines(log.logStartOffset, log.logEndOffset).map(offsetOf))
  return [...found.values()]
}

const offsetOf = (line: string) => Number(line.slice(-5))

/** `a-0` has two sealed segments and an active one, of 20, 20 and 5 records. */
beforeEach(async () => {
  fileSystem = memoryFileSystem()
  const directory = await open()
  for (const [name, count] of Object.entries(counts)) {
    const log = await directory.open(name)
    for (let n = 0; n < count; n++) {
      log.append(record(text(n), 1000 + n), { leaderEpoch: n < 30 ? 1 : 4 })
    }
    await log.flush()
  }
  await (await directory.open('a-0')).advanceLogStart(7)
  await directory.close()
})

test('logs open without a look at their directories, and know what they knew', async () => {
  for (let round = 0; round < 3; round++) {
    const directory = await open()
    for (const [name, count] of Object.entries(counts)) {
      const log = await directory.open(name)
      expect(openedByListing(name)).toBe(false)
      expect(log.logEndOffset).toBe(count)
    }
    const log = await directory.open('a-0')
    expect(log.logStartOffset).toBe(7)
    expect(log.stats()).toMatchObject({ segments: 3, sizeInBytes: 45 * recordBytes })
    expect([log.epochAt(29), log.epochAt(30), log.epochAt(44)]).toEqual([1, 4, 4])
    // Closed in between without having been read, too.
    if (round > 0) {
      expect(await contentOf(directory, 'a-0')).toEqual(lines(7, 45))
      expect(await log.offsetForTimestamp(1033)).toMatchObject({ offset: 33 })
      expect(await log.maxTimestampOffset()).toMatchObject({ offset: 44 })
    }
    await directory.close()
    expect(reports).toEqual([])
  }
})

test('entries of logs that nobody opens are handed on', async () => {
  for (const name of ['b-7', 'c-1']) {
    const directory = await open()
    const log = await directory.open(name)
    log.append(record(text(log.logEndOffset)), { leaderEpoch: 4 })
    await directory.close()
  }
  const directory = await open()
  expect(await contentOf(directory, 'a-0')).toEqual(lines(7, 45))
  expect([(await directory.open('b-7')).logEndOffset, openedByListing('b-7')]).toEqual([4, false])
  expect(openedByListing('a-0')).toBe(false)
})

describe('a log that somebody has changed is opened by looking at it', () => {
  const active = '/data/a-0/00000000000000000040.log'
  let files: StoredFiles

  async function expectFound(expected: readonly string[]): Promise<void> {
    const directory = await open()
    expect(await contentOf(directory, 'a-0')).toEqual(expected)
    expect(openedByListing('a-0')).toBe(true)
    expect((await directory.open('b-7')).logEndOffset).toBe(3)
    expect(openedByListing('b-7')).toBe(false)
    await directory.close()
    // And its next entry is true.
    const again = await open()
    expect(await contentOf(again, 'a-0')).toEqual(expected)
    expect(openedByListing('a-0')).toBe(false)
  }

  beforeEach(async () => {
    files = await storedFiles(fileSystem)
  })

  test('records added, as a broker does that has had it in between', async () => {
    const other = memoryFileSystem()
    const directory = await openLogDirectory('/data', { fileSystem: other })
    const log = await directory.open('a-0')
    for (let n = 0; n < 48; n++) log.append(record(text(n), 1000 + n), { leaderEpoch: 4 })
    await directory.close()
    const all = (await storedFiles(other)).get('/data/a-0/00000000000000000000.log')!
    writeFile(fileSystem, active, all.subarray(40 * recordBytes))
    await expectFound(lines(7, 48))
  })

  test('records cut off', async () => {
    await fileSystem.remove('/data/recovery-point-offset-checkpoint')
    await fileSystem.remove('/data/kfk.recovery-point-offset-checkpoint.crc')
    writeFile(fileSystem, active, files.get(active)!.subarray(0, 3 * recordBytes))
    await expectFound(lines(7, 43))
  })

  test('the active segment written again with as many bytes', async () => {
    writeFile(fileSystem, active, files.get(active)!)
    await expectFound(lines(7, 45))
  })

  test('a file added', async () => {
    writeFile(fileSystem, '/data/a-0/note.txt', Buffer.from('who was here'))
    await expectFound(lines(7, 45))
  })

  test('a file removed that can be made again', async () => {
    await fileSystem.remove('/data/a-0/00000000000000000020.index')
    await expectFound(lines(7, 45))
  })

  test('the oldest segment removed', async () => {
    for (const path of pathsOf(files, '').filter((each) => /a-0\/0{20}\./.test(each))) {
      await fileSystem.remove(path)
    }
    await expectFound(lines(20, 45))
  })
})

test('a log that is gone is gone, a new one is looked at', async () => {
  const files = await storedFiles(fileSystem)
  for (const [path, bytes] of files) {
    if (path.startsWith('/data/a-0/')) {
      await fileSystem.makeDirectory('/data/new-0')
      writeFile(fileSystem, path.replace('/a-0/', '/new-0/'), bytes)
    }
  }
  await fileSystem.removeDirectory('/data/a-0')
  const directory = await open()
  expect(directory.names()).toEqual(['b-7', 'c-1', 'new-0'])
  expect((await directory.open('a-0')).logEndOffset).toBe(0)
  expect(await contentOf(directory, 'new-0')).toEqual(lines(0, 45))
  await directory.close()
  const again = await open()
  expect((await again.open('a-0')).logEndOffset).toBe(0)
  expect(await contentOf(again, 'new-0')).toEqual(lines(0, 45))
  expect([openedByListing('a-0'), openedByListing('new-0')]).toEqual([false, false])
})

/** What `damaged` opens to, whatever it is: all records, by looking into directories. */
async function expectUnread(damaged: Uint8Array): Promise<void> {
  writeFile(fileSystem, listPath, damaged)
  const directory = await open()
  expect(kinds()).toEqual(['checkpoint-unreadable'])
  expect(await contentOf(directory, 'a-0')).toEqual(lines(7, 45))
  expect(openedByListing('a-0')).toBe(true)
  // The next one is whole.
  await directory.close()
}

test('a list with any byte changed, or cut short anywhere, does not count', async () => {
  const list = (await storedFiles(fileSystem)).get(listPath)!
  expect(list.length).toBeGreaterThan(400)
  for (let at = 0; at < list.length; at++) {
    for (const damaged of [flipped(list, at, at % 8), list.subarray(0, at)]) {
      expect(() => splitLogList(Buffer.from(damaged), listPath)).toThrow('is not a list of logs')
      if (at % 25 === 0) await expectUnread(damaged)
    }
  }
  await expectUnread(Buffer.concat([list, Buffer.from([0])]))
})

test('a list of another version does not count', async () => {
  const list = Buffer.from((await storedFiles(fileSystem)).get(listPath)!)
  for (const version of [1, 3]) {
    list.writeInt32BE(version, 8)
    list.writeUInt32BE(crc32(list.subarray(0, -4)), list.length - 4)
    await expectUnread(list)
  }
})

test('without the marker the list says nothing', async () => {
  await fileSystem.remove(markerPath)
  const directory = await open()
  expect(directory.cleanStart).toBe(false)
  expect(Object.keys(counts).map(openedByListing)).toEqual([true, true, true])
  expect(await contentOf(directory, 'a-0')).toEqual(lines(7, 45))
})

test('a list that would be too large is not written, and the close is clean', async () => {
  const sealed = { sizeBytes: 0, bytes: new Uint8Array(maxLogListBytes / 2) }
  const indexes = {
    offsets: { count: 0, lastRelativeOffset: -1, lastPosition: -1 },
    times: { count: 0, lastTimestamp: -1, lastRelativeOffset: -1 },
  }
  const large = (name: string): ClosedLog => ({
    name,
    describe: () =>
      Promise.resolve({
        ...{ name, directoryMs: 1, fileMs: 1, logStartOffset: 0, logEndOffset: 0, gapsBelow: 0 },
        ...{ newestSnapshot: undefined, indexed: [], epochs: [], sealed },
        active: {
          ...{ baseOffset: 0, sizeBytes: 0, largest: undefined, firstTimestamp: undefined },
          ...{ bytesSinceIndexEntry: 0, indexes },
        },
      }),
  })
  const report = (each: StoreReport) => reports.push(each)
  for (const names of [['x-0'], ['x-0', 'x-1']]) {
    reports = []
    fileSystem = memoryFileSystem()
    await fileSystem.makeDirectory('/data')
    const shutdown = new CleanShutdown(fileSystem, '/data')
    await shutdown.write(names.map(large), report)
    expect((await fileSystem.stat(listPath)) !== undefined).toBe(names.length === 1)
    expect(await shutdown.load(report)).toBe(true)
    expect(reports).toEqual([])
  }
})
