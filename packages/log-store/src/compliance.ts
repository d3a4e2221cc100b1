import { ok, rejects, strictEqual, throws } from 'node:assert'
import { join } from 'node:path'
import { frameFormat } from './frame-format.js'
import type { FileSystem } from './fs/file-system.js'
import { readRange, syncFile, writeFully } from './fs/file-system.js'
import type { Log } from './log.js'

/** What a test runner provides; jest's, mocha's and node:test's functions fit. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => void
  readonly test: (name: string, body: () => Promise<void>) => unknown
}

export interface FileSystemFactory {
  /** A file system and an empty directory on it. */
  setup(): Promise<{ fileSystem: FileSystem; directory: string }>
  teardown(made: { fileSystem: FileSystem; directory: string }): Promise<void>
}

/**
 * Like deepStrictEqual, but blind to the realm that an array comes from: test runners have several.
 */
function same(actual: unknown, expected: unknown): void {
  strictEqual(JSON.stringify(actual), JSON.stringify(expected))
}

const bytes = (text: string) => Buffer.from(text)

/** What every `FileSystem` has to do. Crash behaviour is the faulty file system's own matter. */
export function fileSystemCompliance(runner: Runner, factory: FileSystemFactory): void {
  const { describe, test } = runner
  const on = (
    name: string,
    body: (fileSystem: FileSystem, at: (name: string) => string) => Promise<void>,
  ) =>
    test(name, async () => {
      const made = await factory.setup()
      try {
        await body(made.fileSystem, (file) => join(made.directory, file))
      } finally {
        await factory.teardown(made)
      }
    })

  describe('a FileSystem', () => {
    on('writes chunks in order and reads them back', async (fs, at) => {
      const handle = fs.open(at('a'), 'write')
      strictEqual(writeFully(handle, [bytes('one'), bytes(''), bytes('two')], 0), 6)
      writeFully(handle, [bytes('X')], 1)
      strictEqual(handle.size(), 6)
      await syncFile(handle)
      strictEqual(Buffer.from(await readRange(handle, 1, 100)).toString(), 'Xetwo')
      const into = Buffer.alloc(3)
      strictEqual(handle.readSync(into, 3), 3)
      strictEqual(into.toString(), 'two')
      strictEqual(handle.readSync(into, 6), 0)
      handle.close()
    })
    on('creates a file only where it is asked to', async (fs, at) => {
      for (const mode of ['read', 'update'] as const) {
        throws(() => fs.open(at('absent'), mode), { code: 'ENOENT' })
      }
      strictEqual(await fs.stat(at('absent')), undefined)
      const created = fs.open(at('a'), 'write')
      const updated = fs.open(at('a'), 'update')
      writeFully(updated, [bytes('seen')], 0)
      strictEqual(Buffer.from(await readRange(created, 0, 9)).toString(), 'seen')
      created.close()
      updated.close()
    })
    on('keeps content over close and truncates', async (fs, at) => {
      const first = fs.open(at('a'), 'write')
      writeFully(first, [bytes('hello')], 0)
      first.close()
      const second = fs.open(at('a'), 'write')
      strictEqual(second.size(), 5)
      second.truncateSync(2)
      writeFully(second, [bytes('!')], 4)
      same([...(await readRange(second, 0, 9))], [...bytes('he\0\0!')])
      second.close()
      strictEqual((await fs.stat(at('a')))?.sizeBytes, 5)
    })
    on('says ENOENT for what is not there', async (fs, at) => {
      let code: unknown
      try {
        fs.open(at('absent'), 'read')
      } catch (error) {
        code = (error as { code?: unknown }).code
      }
      strictEqual(code, 'ENOENT')
      strictEqual(await fs.stat(at('absent')), undefined)
      await rejects(fs.list(at('absent')), { code: 'ENOENT' })
      await fs.remove(at('absent'))
      await fs.removeDirectory(at('absent'))
    })
    on('renames over an existing file; open handles stay valid', async (fs, at) => {
      const handle = fs.open(at('new'), 'write')
      writeFully(handle, [bytes('new')], 0)
      const old = fs.open(at('old'), 'write')
      writeFully(old, [bytes('old')], 0)
      await fs.rename(at('new'), at('old'))
      await fs.syncDirectory(at('.'))
      strictEqual(Buffer.from(await readRange(handle, 0, 9)).toString(), 'new')
      strictEqual(Buffer.from(await readRange(old, 0, 9)).toString(), 'old')
      same(
        (await fs.list(at('.'))).map((entry) => entry.name),
        ['old'],
      )
      await fs.remove(at('old'))
      strictEqual(Buffer.from(await readRange(handle, 0, 9)).toString(), 'new')
      handle.close()
      old.close()
    })
    on('makes, lists, renames and removes directories', async (fs, at) => {
      await fs.makeDirectory(at('x/y'))
      await fs.makeDirectory(at('x/y'))
      fs.open(at('x/y/f'), 'write').close()
      await fs.rename(at('x/y'), at('x/z'))
      same(await fs.list(at('x')), [{ name: 'z', isDirectory: true }])
      same(await fs.list(at('x/z')), [{ name: 'f', isDirectory: false }])
      await fs.removeDirectory(at('x'))
      await rejects(fs.list(at('x')), { code: 'ENOENT' })
    })
    on('gives the lock to one holder at a time', async (fs, at) => {
      const lock = await fs.lock(at('.'))
      await rejects(fs.lock(at('.')), (error: { code?: string; details?: { pid?: unknown } }) => {
        strictEqual(error.code, 'KFK_STORE_LOCKED')
        strictEqual(error.details?.pid, process.pid)
        return true
      })
      await lock.release()
      const again = await fs.lock(at('.'))
      await again.release()
    })
  })
}

export interface LogFactory {
  /** An empty log of the frame format with `segmentBytes` of about 1000. */
  setup(): Promise<Log>
  /** Closes the log, opens it again. */
  reopen(log: Log): Promise<Log>
  teardown(log: Log): Promise<void>
}

const frame = (text: string, timestamp: number) => frameFormat.encode(bytes(text), { timestamp })

async function fill(log: Log, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { logEndOffset } = log
    log.append(frame(`record ${logEndOffset}`, 1000 + logEndOffset * 10), { leaderEpoch: 1 })
  }
  await log.whenAcknowledged(log.logEndOffset)
}

async function readRecords(log: Log, from = log.logStartOffset): Promise<string[]> {
  const found: string[] = []
  for (let next = from; next < log.writtenOffset;) {
    const slice = await log.read({ from: next, maxBytes: 400 })
    ok(slice.bytes.length > 0, 'a read below the end finds something')
    for (const { value } of frameFormat.decode(slice.bytes)) {
      found.push(Buffer.from(value).toString())
    }
    next = slice.nextOffset
  }
  return found
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `record ${from + n}`)

/** What every `Log` has to do. */
export function logCompliance(runner: Runner, factory: LogFactory): void {
  const { describe, test } = runner
  const on = (name: string, body: (log: Log, reopen: () => Promise<Log>) => Promise<void>) =>
    test(name, async () => {
      let log = await factory.setup()
      try {
        await body(log, async () => (log = await factory.reopen(log)))
      } finally {
        await factory.teardown(log)
      }
    })

  describe('a Log', () => {
    on('gives consecutive offsets and reads from each of them', async (log) => {
      const info = log.append(frame('record 0', 1000), { leaderEpoch: 1 })
      same([info.baseOffset, info.lastOffset, info.maxTimestamp], [0, 0, 1000])
      await log.whenAcknowledged(1)
      await fill(log, 99)
      strictEqual(log.logEndOffset, 100)
      strictEqual(log.recoveryPoint, 100)
      for (const from of [0, 1, 50, 99]) {
        same(await readRecords(log, from), numbered(from, 100))
      }
    })
    on('answers nothing at the end and an error outside', async (log) => {
      await fill(log, 3)
      strictEqual((await log.read({ from: 3, maxBytes: 100 })).bytes.length, 0)
      for (const from of [-1, 4, NaN]) {
        await rejects(log.read({ from, maxBytes: 100 }), { code: 'KFK_STORE_OFFSET_OUT_OF_RANGE' })
      }
    })
    on('respects maxOffset and maxBytes, but gives one batch', async (log) => {
      await fill(log, 10)
      const bounded = await log.read({ from: 2, maxBytes: 10_000, maxOffset: 5 })
      strictEqual(bounded.nextOffset, 5)
      const one = await log.read({ from: 2, maxBytes: 1 })
      strictEqual(one.nextOffset, 3)
      const none = await log.read({ from: 2, maxBytes: 1, minOneBatch: false })
      strictEqual(none.bytes.length, 0)
    })
    on('acknowledges in order and tells listeners', async (log) => {
      const seen: number[] = []
      const stop = log.onAcknowledged((offset) => seen.push(offset))
      await fill(log, 5)
      await fill(log, 5)
      stop()
      await fill(log, 5)
      same(
        seen,
        [...seen].sort((a, b) => a - b),
      )
      strictEqual(seen.at(-1), 10)
    })
    on('finds the first record at or after a timestamp', async (log) => {
      await fill(log, 60)
      strictEqual((await log.offsetForTimestamp(0))?.offset, 0)
      for (const n of [0, 17, 59]) {
        strictEqual((await log.offsetForTimestamp(1000 + n * 10))?.offset, n)
        strictEqual((await log.offsetForTimestamp(1000 + n * 10 - 5))?.offset, n)
      }
      strictEqual(await log.offsetForTimestamp(1000 + 59 * 10 + 1), undefined)
      strictEqual((await log.maxTimestampOffset())?.offset, 59)
    })
    on('knows where epochs end', async (log) => {
      await fill(log, 4)
      log.append(frame('record 4', 5000), { leaderEpoch: 3 })
      same(log.epochEnd(1), { leaderEpoch: 1, endOffset: 4 })
      same(log.epochEnd(2), { leaderEpoch: 1, endOffset: 4 })
      same(log.epochEnd(3), { leaderEpoch: 3, endOffset: 5 })
      same(log.epochEnd(4), { leaderEpoch: -1, endOffset: -1 })
    })
    on('truncates, also over segments, and goes on from there', async (log, reopen) => {
      await fill(log, 60)
      await log.truncateTo(25)
      strictEqual(log.logEndOffset, 25)
      same(await readRecords(log), numbered(0, 25))
      strictEqual((await log.maxTimestampOffset())?.offset, 24)
      await fill(log, 5)
      const again = await reopen()
      same(await readRecords(again), numbered(0, 30))
    })
    on('moves the log start up, durably', async (log, reopen) => {
      await fill(log, 60)
      await log.advanceLogStart(33)
      strictEqual(log.logStartOffset, 33)
      await rejects(log.read({ from: 32, maxBytes: 100 }), {
        code: 'KFK_STORE_OFFSET_OUT_OF_RANGE',
      })
      same((await readRecords(log)).at(-1), 'record 59')
      strictEqual((await log.offsetForTimestamp(0))?.offset, 33)
      strictEqual((await reopen()).logStartOffset, 33)
    })
    on('keeps everything over close and open', async (log, reopen) => {
      await fill(log, 60)
      const again = await reopen()
      strictEqual(again.logEndOffset, 60)
      strictEqual(again.latestEpoch, 1)
      same(await readRecords(again), numbered(0, 60))
      await fill(again, 3)
      same(await readRecords(again), numbered(0, 63))
    })
    on('takes replicated batches with the offsets they carry', async (log) => {
      await fill(log, 2)
      const copy = Buffer.from(frame('record 2', 1))
      frameFormat.stamp(copy, 0, { baseOffset: 2, leaderEpoch: 4 })
      strictEqual(log.appendReplicated(copy).baseOffset, 2)
      strictEqual(log.latestEpoch, 4)
      let code: unknown
      try {
        log.appendReplicated(Buffer.from(copy))
      } catch (error) {
        code = (error as { code?: unknown }).code
      }
      strictEqual(code, 'KFK_STORE_INVALID_ARGUMENT')
      await log.whenAcknowledged(3)
    })
  })
}
