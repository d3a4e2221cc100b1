// Cold segments are read again, slowly, and damage is found before a reader meets it.
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, LogDirectoryOptions, StoreReport } from '../src/index'
import { readRange } from '../src/fs/file-system'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'
import { diskOf, flipped, pathsOf, storedFiles, writeFile } from './support/stored-files'

const text = (n: number) => `record ${String(n).padStart(5, '0')} ${'x'.repeat(1000)}`
const recordBytes = record(text(0)).length
const perSegment = 20
const segmentBytes = perSegment * recordBytes
const dayMs = 24 * 3_600_000

interface Scrubbed {
  readonly fileSystem: FileSystem
  readonly reads: { path: string; atMs: number; bytes: number }[]
  readonly clock: ManualClock
  readonly reports: StoreReport[]
}

/** Two logs of four segments each, closed; remembers when what is read. */
async function twoLogs(): Promise<Scrubbed> {
  const clock = new ManualClock()
  const reads: Scrubbed['reads'] = []
  const disk = await diskOf(new Map(), { crashed: true })
  const fileSystem: FileSystem = {
    ...disk,
    openUncached(path) {
      const handle = disk.open(path, 'read')
      return Object.assign(handle, {
        read: async (into: Uint8Array, position: number) => {
          const bytes = handle.readSync(into, position)
          reads.push({ path, atMs: clock.monotonicMs(), bytes })
          return bytes
        },
      })
    },
  }
  const scrubbed = { fileSystem, reads, clock, reports: [] }
  const directory = await open(scrubbed, { scrub: { intervalMs: 0 } })
  for (const name of ['a-0', 'b-0']) {
    const log = await directory.open(name)
    for (let n = 0; n < 4 * perSegment; n++) log.append(record(text(n)), { leaderEpoch: 1 })
    await log.whenAcknowledged(4 * perSegment)
  }
  await directory.close()
  return scrubbed
}

async function open(scrubbed: Scrubbed, options: LogDirectoryOptions = {}) {
  const { fileSystem, clock, reports } = scrubbed
  const directory = await openLogDirectory('/data', {
    fileSystem,
    clock,
    defaults: { segmentBytes, fileDeleteDelayMs: 0 },
    checkpointMs: 0,
    cleaner: { intervalMs: 0 },
    onReport: (report) => void reports.push(report),
    ...options,
  })
  for (const name of directory.names()) await directory.open(name)
  return directory
}

const logFiles = async ({ fileSystem }: Scrubbed) => pathsOf(await storedFiles(fileSystem), '.log')

async function spoil({ fileSystem }: Scrubbed, path: string, position: number): Promise<void> {
  const bytes = (await storedFiles(fileSystem)).get(path)!
  writeFile(fileSystem, path, flipped(bytes, position))
}

/** Moves time on in small steps and lets the reads of each happen. */
async function pass(clock: ManualClock, ms: number, stepMs = 1000): Promise<void> {
  for (let at = 0; at < ms; at += stepMs) {
    clock.advance(stepMs)
    await settle(12)
  }
}

test('asked for, it reads every sealed segment and says what it found', async () => {
  const scrubbed = await twoLogs()
  const paths = await logFiles(scrubbed)
  const [, second, , active] = paths
  await spoil(scrubbed, second!, 5 * recordBytes + 50)
  // Not sealed: being written.
  await spoil(scrubbed, active!, 50)
  const directory = await open(scrubbed)
  const report = await directory.scrub()
  const damage = {
    log: 'a-0',
    path: second,
    position: 5 * recordBytes,
    offset: 25,
    nextSoundOffset: 40,
  }
  expect(report).toMatchObject({ segments: 6, damaged: [damage], unreadable: [] })
  expect(report.bytes).toBeGreaterThan(5 * segmentBytes)
  expect(new Set(scrubbed.reads.map(({ path }) => path))).toEqual(
    new Set(paths.filter((_, n) => n % 4 !== 3)),
  )
  expect(scrubbed.reports).toMatchObject([{ kind: 'quarantined', details: damage }])
  const log = directory.get('a-0')!
  expect((await log.read({ from: 24, maxBytes: 1 })).nextOffset).toBe(25)
  await expect(log.read({ from: 25, maxBytes: 1 })).rejects.toMatchObject({
    code: 'KFK_STORE_CORRUPT',
    details: damage,
  })
  expect((await readAll(directory.get('b-0')!, 5000)).size).toBe(80)
  // Known now: not read again.
  expect(await directory.scrub('a-0')).toMatchObject({ segments: 2, damaged: [] })
  await directory.close()
})

test('in the background it keeps to its rate, and a pass is done once in an interval', async () => {
  const scrubbed = await twoLogs()
  const { clock, reads, reports } = scrubbed
  await spoil(scrubbed, (await logFiles(scrubbed))[6]!, 7 * recordBytes + 50)
  const scrub = { bytesPerSecond: 10_000, intervalMs: 7 * dayMs, minAgeMs: 0 }
  const directory = await open(scrubbed, { scrub })
  expect(reads).toEqual([])
  await pass(clock, 120_000)
  const total = reads.reduce((sum, { bytes }) => sum + bytes, 0)
  const tookMs = reads.at(-1)!.atMs - reads[0]!.atMs
  expect(total).toBeGreaterThan(5 * segmentBytes)
  // The last piece is read before it is waited for.
  expect((total - segmentBytes) / (tookMs / 1000)).toBeLessThan(10_000 * 1.05)
  expect(reports).toMatchObject([{ kind: 'quarantined', details: { log: 'b-0', offset: 47 } }])
  const done = reads.length
  await pass(clock, 6 * dayMs, 3_600_000)
  expect(reads).toHaveLength(done)
  await pass(clock, dayMs, 3_600_000)
  await pass(clock, 120_000)
  expect(reads.length).toBeGreaterThan(done)
  await directory.close()
})

test('a restart goes on where it was', async () => {
  const scrubbed = await twoLogs()
  const { clock, reads } = scrubbed
  const scrub = { bytesPerSecond: segmentBytes / 70, minAgeMs: 0 }
  const first = await open(scrubbed, { scrub })
  await pass(clock, 60_000 + 3 * 70_000)
  await first.close()
  const before = new Set(reads.splice(0).map(({ path }) => path))
  expect([before.size > 1, before.size < 6]).toEqual([true, true])
  const second = await open(scrubbed, { scrub })
  await pass(clock, 60_000 + 5 * 70_000)
  await second.close()
  const after = new Set(reads.map(({ path }) => path))
  expect(after.size).toBeLessThan(6)
  expect(new Set([...before, ...after]).size).toBe(6)
})

test('young segments are left for later, and 0 turns it off', async () => {
  const scrubbed = await twoLogs()
  const { clock, reads, fileSystem } = scrubbed
  const stat = fileSystem.stat.bind(fileSystem)
  const young: FileSystem = {
    ...fileSystem,
    async stat(path) {
      const found = await stat(path)
      return found && { ...found, modifiedMs: clock.now() - 1000 }
    },
  }
  const directory = await open({ ...scrubbed, fileSystem: young })
  await pass(clock, 300_000, 10_000)
  expect(reads).toEqual([])
  await directory.close()
  const off = await open(scrubbed, { scrub: { intervalMs: 0, minAgeMs: 0 } })
  await pass(clock, 300_000, 10_000)
  expect(reads).toEqual([])
  await off.close()
})

test('closing ends it, whatever is left to wait for', async () => {
  const scrubbed = await twoLogs()
  const { clock, reads } = scrubbed
  const directory = await open(scrubbed, { scrub: { bytesPerSecond: 1, minAgeMs: 0 } })
  await pass(clock, 61_000)
  expect(reads.length).toBeGreaterThan(0)
  await directory.close()
  await expect(directory.scrub()).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
})

test('a signal ends what was asked for', async () => {
  const directory = await open(await twoLogs())
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(directory.scrub('a-0', { signal })).rejects.toThrow('enough')
  await directory.close()
})

test('bytes that read wrongly once are not held against the file', async () => {
  const scrubbed = await twoLogs()
  const { fileSystem, reports } = scrubbed
  const failing: FileSystem = {
    ...fileSystem,
    openUncached(path) {
      const handle = fileSystem.open(path, 'read')
      const read = async (into: Uint8Array, position: number) => {
        const count = handle.readSync(into, position)
        into[60]! ^= 1
        return count
      }
      return Object.assign(handle, { read })
    },
  }
  const directory = await open({ ...scrubbed, fileSystem: failing })
  const report = await directory.scrub('a-0')
  expect(report).toMatchObject({ segments: 3, damaged: [] })
  expect(reports.map(({ kind }) => kind)).toEqual(Array(3).fill('background-failure'))
  expect(reports[0]!.message).toContain('memory or disk is failing')
  await directory.close()
})

test('what the system will not read is told, and the rest is read', async () => {
  const scrubbed = await twoLogs()
  const { fileSystem, reports } = scrubbed
  const [bad] = await logFiles(scrubbed)
  const failing: FileSystem = {
    ...fileSystem,
    openUncached(path) {
      const handle = fileSystem.openUncached!(path)
      const error = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
      return path === bad ? Object.assign(handle, { read: () => Promise.reject(error) }) : handle
    },
  }
  const directory = await open({ ...scrubbed, fileSystem: failing })
  const report = await directory.scrub('a-0')
  expect(report).toMatchObject({ segments: 3, damaged: [], unreadable: [{ path: bad }] })
  expect(report.unreadable[0]!.error).toMatchObject({ code: 'KFK_STORE_IO' })
  expect(reports).toMatchObject([{ kind: 'background-failure' }])
  await directory.close()
})

test('a segment that is deleted meanwhile is left out', async () => {
  const scrubbed = await twoLogs()
  const { fileSystem, reports } = scrubbed
  await spoil(scrubbed, (await logFiles(scrubbed))[0]!, 50)
  let deleting: Promise<void> | undefined
  const slow: FileSystem = {
    ...fileSystem,
    openUncached(path) {
      const handle = fileSystem.openUncached!(path)
      const read = async (into: Uint8Array, position: number) => {
        await (deleting ??= directory.get('a-0')!.advanceLogStart(60))
        return handle.readSync(into, position)
      }
      return Object.assign(handle, { read })
    },
  }
  const directory = await open({ ...scrubbed, fileSystem: slow })
  expect(await directory.scrub('a-0')).toMatchObject({ damaged: [], unreadable: [] })
  expect(reports).toEqual([])
  await directory.close()
})

describe('on a real disk', () => {
  let path: string
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'kfk-scrub-'))
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))

  test('finds a flipped bit, and reads past the page cache where the disk can', async () => {
    const defaults = { segmentBytes }
    {
      await using directory = await openLogDirectory(path, { defaults })
      const log = await directory.open('a-0')
      for (let n = 0; n < 4 * perSegment; n++) log.append(record(text(n)), { leaderEpoch: 1 })
      await log.flush()
    }
    const segment = join(path, 'a-0', `${'20'.padStart(20, '0')}.log`)
    writeFileSync(segment, flipped(readFileSync(segment), 3 * recordBytes + 500, 4))
    utimesSync(segment, 1, 1)
    await using directory = await openLogDirectory(path, { defaults })
    await directory.open('a-0')
    const { damaged, segments } = await directory.scrub()
    expect(segments).toBe(3)
    expect(damaged).toMatchObject([{ path: segment, position: 3 * recordBytes, offset: 23 }])
  })

  test('uncached reads are the bytes of the file, at any position', async () => {
    const file = join(path, 'bytes')
    const bytes = Buffer.from(Array.from({ length: 700_001 }, (_, n) => (n * 7) ^ (n >> 8)))
    writeFileSync(file, bytes)
    if (nodeFileSystem.openUncached === undefined) return
    let handle
    try {
      handle = nodeFileSystem.openUncached(file)
    } catch (error) {
      // Not every file system can; then the scrubber reads as everybody does.
      expect(error).toMatchObject({ code: 'EINVAL' })
      return
    }
    try {
      expect(handle.size()).toBe(bytes.length)
      for (const [from, to] of [
        [0, 700_001],
        [1, 5000],
        [4095, 4097],
        [4096, 8192],
        [699_990, 700_001],
        [524_287, 524_290],
      ]) {
        const wanted = bytes.subarray(from, to)
        expect(wanted.equals(await readRange(handle, from!, to! - from!))).toBe(true)
        const into = Buffer.alloc(10)
        expect(
          into.subarray(0, handle.readSync(into, from!)).equals(bytes.subarray(from, from! + 10)),
        ).toBe(true)
      }
      const both = await Promise.all([readRange(handle, 0, 4000), readRange(handle, 8000, 4000)])
      expect(
        both.map((part, at) => bytes.subarray(at * 8000, at * 8000 + 4000).equals(part)),
      ).toEqual([true, true])
      expect(await readRange(handle, 700_001, 10)).toHaveLength(0)
      expect(() => handle.writevSync([Buffer.alloc(1)], 0)).toThrow('open for reading')
    } finally {
      handle.close()
    }
    expect(() => nodeFileSystem.openUncached!(join(path, 'none'))).toThrow('ENOENT')
  })
})

test('a sync of its place that fails ends the appends: no other would be told of it', async () => {
  const scrubbed = await twoLogs()
  const scrub = { bytesPerSecond: 1e9, minAgeMs: 0 }
  const directory = await open(scrubbed, { scrub })
  const failure = Object.assign(new Error('EIO'), { code: 'EIO' })
  Object.assign(scrubbed.fileSystem, { syncDirectory: () => Promise.reject(failure) })
  await pass(scrubbed.clock, 61_000)
  expect(directory.poisoned).toMatchObject({ code: 'KFK_STORE_IO' })
  expect(scrubbed.reports.map(({ kind }) => kind)).toEqual(['poisoned'])
  await directory.close()
})
