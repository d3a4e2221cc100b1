// Property: however many logs there are, only so many files are open, the least recently used are
// closed, and everything works on logs whose files are closed.
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { frameFormat, memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogDirectoryOptions } from '../src/index'
import { nodeFileSystem } from '../src/fs/node-file-system'
import { ask } from './support/bare-node'
import { ManualClock } from './support/manual-clock'
import type { ManyLogsAnswer } from './support/many-logs-process'
import { readAll, record } from './support/records'
import { seededRandom } from './support/seeded-random'
import { watchedFileSystem, type WatchedFileSystem } from './support/watched-file-system'

const maxOpenFiles = 16
/**
 * Files that are written as a whole and closed again come on top: one for each log that is being
 * closed, and the directory's own.
 */
const writtenAtOnce = 8 + 1
const text = (log: number, n: number) => `log ${log}, record ${n}`

async function openAll(directory: LogDirectory, count: number): Promise<Log[]> {
  const logs: Log[] = []
  for (let n = 0; n < count; n++) logs.push(await directory.open(`many-${n}`))
  return logs
}

/** Files of logs that are open, which excludes what is written as a whole and closed at once. */
const openLogFiles = (disk: WatchedFileSystem) =>
  [...disk.openPaths].map((path) => path.replace(/.*\/many-/, 'many-'))

describe('300 logs, 16 files', () => {
  const count = 300
  let disk: WatchedFileSystem
  let clock: ManualClock
  let mostOpen: number

  function open(options: LogDirectoryOptions = {}): Promise<LogDirectory> {
    // Counted when a file has been opened: that is when there are most.
    const counting = Object.create(disk, {
      open: {
        value(...given: Parameters<FileSystem['open']>) {
          const handle = disk.open(...given)
          mostOpen = Math.max(mostOpen, disk.openPaths.size)
          return handle
        },
      },
    }) as FileSystem
    return openLogDirectory('/data', {
      ...{ fileSystem: counting, clock, maxOpenFiles, checkpointMs: 0, hotTailBytes: 0 },
      ...options,
      defaults: { segmentBytes: 400, indexIntervalBytes: 60, retentionMs: -1, ...options.defaults },
    })
  }

  beforeEach(() => {
    disk = watchedFileSystem(memoryFileSystem())
    clock = new ManualClock()
    mostOpen = 0
  })

  test('appends, reads, searches and clean closes of all of them, in any order', async () => {
    const random = seededRandom(11)
    const below = (end: number) => Math.floor(random() * end)
    const counts = Array.from({ length: count }, () => 0)
    for (let life = 0; life < 2; life++) {
      const directory = await open()
      expect(directory.cleanStart).toBe(life > 0)
      const logs = await openAll(directory, count)
      for (let turn = 0; turn < 3 * count; turn++) {
        const n = below(count)
        const log = logs[n]!
        const next = counts[n]!++
        log.append(record(text(n, next), 1000 + next), { leaderEpoch: 1 })
        await log.whenAcknowledged(next + 1)
        const other = below(count)
        const written = counts[other]!
        if (written === 0) continue
        const from = below(written)
        const { bytes } = await logs[other]!.read({ from, maxBytes: 1 })
        const [first] = frameFormat.decode(bytes)
        expect(Buffer.from(first!.value!).toString()).toBe(text(other, first!.offset))
        expect(first!.offset).toBeLessThanOrEqual(from)
        const found = await logs[other]!.offsetForTimestamp(1000 + from)
        expect(found?.offset).toBe(from)
        expect(directory.stats().openFiles).toBeLessThanOrEqual(maxOpenFiles)
      }
      await directory.close()
      expect(disk.openPaths.size).toBe(0)
    }
    expect(mostOpen).toBeLessThanOrEqual(maxOpenFiles + writtenAtOnce)
    const directory = await open()
    const logs = await openAll(directory, count)
    for (const [n, log] of logs.entries()) {
      const expected = Array.from({ length: counts[n]! }, (_, at) => text(n, at))
      expect([...(await readAll(log)).values()]).toEqual(expected)
    }
    expect(directory.stats().openFiles).toBeLessThanOrEqual(maxOpenFiles)
  })

  test('those that were used last are open', async () => {
    const directory = await open()
    const logs = await openAll(directory, count)
    for (const log of logs) log.append(record('a record'), { leaderEpoch: 1 })
    await Promise.all(logs.map((log) => log.whenAcknowledged(1)))
    const used = [5, 250, 77, 130, 299, 6, 7, 8]
    for (let round = 0; round < 2; round++) {
      for (const n of used) {
        logs[n]!.append(record('another record'), { leaderEpoch: 1 })
        await logs[n]!.flush()
      }
    }
    const segments = openLogFiles(disk).filter((path) => path.endsWith('.log'))
    const last = segments.slice(-used.length)
    expect(last.sort()).toEqual(used.map((n) => `many-${n}/00000000000000000000.log`).sort())
  })

  test('roll, retention, truncation, compaction and deletion', async () => {
    const directory = await open({
      optionsFor: (name) => (name.endsWith('1') ? { cleanupPolicy: 'compact' } : undefined),
    })
    const logs = await openAll(directory, count)
    const isCompacted = (log: Log) => log.name.endsWith('1')
    const keyed = (n: number) =>
      frameFormat.encode(`value ${n}`, { key: `key ${n % 2}`, timestamp: 1000 + n })
    for (let n = 0; n < 6; n++) {
      for (const log of logs) log.append(keyed(n), { leaderEpoch: 1 })
      if (n === 3) for (const log of logs) log.roll()
      await Promise.all(logs.map((log) => log.flush()))
      expect(directory.stats().openFiles).toBeLessThanOrEqual(maxOpenFiles)
    }
    for (const log of logs) expect(log.stats().segments).toBe(2)
    await directory.compact()
    for (const log of logs.filter((each) => !isCompacted(each))) await log.advanceLogStart(4)
    clock.advance(60_000)
    expect(mostOpen).toBeLessThanOrEqual(maxOpenFiles + writtenAtOnce)
    // As many are open as are in use at once; afterwards they make room again.
    await Promise.all(logs.map((log) => log.truncateTo(5)))
    expect(directory.stats().openFiles).toBeLessThanOrEqual(maxOpenFiles)
    for (let n = 0; n < count; n += 10) await directory.delete(`many-${n}`)
    expect(directory.stats().openFiles).toBeLessThanOrEqual(maxOpenFiles)
    await directory.close()
    expect(disk.openPaths.size).toBe(0)
    const again = await open()
    expect(again.names()).toHaveLength(count - count / 10)
    for (const name of again.names()) {
      const log = await again.open(name)
      const offsets = [...(await readAll(log)).keys()]
      expect(offsets).toEqual(isCompacted(log) ? [2, 3, 4] : [4])
    }
  })

  test('while a file is being read it stays open, and the others make room', async () => {
    const directory = await open({ maxOpenFiles: 2 })
    const logs = await openAll(directory, 20)
    for (const [n, log] of logs.entries()) log.append(record(text(n, 0)), { leaderEpoch: 1 })
    await Promise.all(logs.map((log) => log.flush()))
    const reads = logs.map((log) => log.read({ from: 0, maxBytes: 1000 }))
    for (const [n, { bytes }] of (await Promise.all(reads)).entries()) {
      expect(Buffer.from(frameFormat.decode(bytes)[0]!.value!).toString()).toBe(text(n, 0))
    }
    for (const log of logs) await log.read({ from: 0, maxBytes: 1000 })
    expect(directory.stats().openFiles).toBeLessThanOrEqual(2)
  })
})

test('10,000 logs: open files are bounded, a log that rests takes at most 3 KB', async () => {
  const request = { count: 10_000, maxOpenFiles: 64 }
  const answer = await ask<ManyLogsAnswer>('many-logs-process', request)
  process.stdout.write(`10,000 logs: ${JSON.stringify(answer)}\n`)
  expect(answer).toMatchObject({ cleanStart: true, wrong: [] })
  expect(answer.mostOpen).toBeLessThanOrEqual(request.maxOpenFiles + writtenAtOnce)
  expect(answer.openedBytes).toBeLessThanOrEqual(3000)
  expect(answer.usedBytes).toBeLessThanOrEqual(3000)
  // Two looks at dates and sizes, and no file is opened.
  expect(answer.callsPerLog).toBeLessThan(2.1)
}, 120_000)

/** In memory where the system has that, for a disk takes long to sync every log. */
async function temporaryDirectory(): Promise<string> {
  const place = (await stat('/dev/shm').catch(() => undefined)) ? '/dev/shm' : tmpdir()
  return mkdtemp(join(place, 'kfk-many-logs-'))
}

/** What this process has open below `dir`, as Linux tells; undefined elsewhere. */
async function descriptorsBelow(dir: string): Promise<number | undefined> {
  const descriptors = await readdir('/proc/self/fd').catch(() => undefined)
  return descriptors?.filter((descriptor) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`)
      // The lock stays.
      return target.startsWith(dir) && !target.endsWith('/.lock')
    } catch {
      return false
    }
  }).length
}

test('1,000 logs of the real file system, with as few descriptors', async () => {
  const count = 1000
  const dir = await temporaryDirectory()
  try {
    const options = {
      ...{ fileSystem: nodeFileSystem, maxOpenFiles: 64, checkpointMs: 0 },
      defaults: { flushMessages: Number.MAX_SAFE_INTEGER },
    }
    const first = await openLogDirectory(dir, options)
    const frame = record('a record')
    for (const [n, log] of (await openAll(first, count)).entries()) {
      if (n % 10 === 0) log.append(Uint8Array.from(frame), { leaderEpoch: 1 })
    }
    expect((await descriptorsBelow(dir)) ?? 0).toBeLessThanOrEqual(64)
    await first.close()
    const second = await openLogDirectory(dir, options)
    const logs = await openAll(second, count)
    expect(second.cleanStart).toBe(true)
    expect(second.stats()).toMatchObject({ logs: count, openedLogs: count, openFiles: 0 })
    for (let n = 0; n < count; n += 10) {
      expect([...(await readAll(logs[n]!)).values()]).toEqual(['a record'])
    }
    expect((await descriptorsBelow(dir)) ?? 64).toBe(64)
    await second.close()
    expect((await descriptorsBelow(dir)) ?? 0).toBe(0)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
