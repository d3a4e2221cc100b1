// Property by property: what is read of a log is what was appended, from memory or the file, and the
// page cache is trusted as far as it keeps its word.
import { frameFormat, memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogDirectoryOptions } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { record } from './support/records'

let fileSystem: FileSystem
let clock: ManualClock
let directory: LogDirectory

beforeEach(() => {
  fileSystem = memoryFileSystem()
  clock = new ManualClock()
})
afterEach(() => directory.close())

async function open(options: LogDirectoryOptions = {}): Promise<Log> {
  directory = await openLogDirectory('/data', { fileSystem, clock, ...options })
  return directory.open('a-0')
}

const append = (log: Log, text: string) => log.append(record(text), { leaderEpoch: 1 })

test('the tail in memory respects maxOffset and maxBytes as the file does', async () => {
  const log = await open()
  log.readNow({ from: 0, maxBytes: 100 })
  for (let n = 0; n < 20; n++) append(log, `record ${n}`)
  log.flushNow()
  for (let from = 0; from < 20; from++) {
    for (let maxOffset = from; maxOffset <= 20; maxOffset++) {
      expect(log.readNow({ from, maxBytes: 100_000, maxOffset })!.nextOffset).toBe(maxOffset)
    }
    expect(log.readNow({ from, maxBytes: 1 })!.nextOffset).toBe(from + 1)
    expect(log.readNow({ from, maxBytes: 1, minOneBatch: false })!.nextOffset).toBe(from)
  }
  expect(log.stats().warmReads).toBe(0)
})

test('a record that is read again is warm, however it was found', async () => {
  const written = await open({ hotTailBytes: 0 })
  for (let n = 0; n < 1000; n++) append(written, `record ${n} ${'x'.repeat(100)}`)
  await written.whenAcknowledged(1000)
  await directory.close()
  // Opened anew, it has touched nothing yet.
  const log = await open({ hotTailBytes: 0 })
  const request = { from: 567, maxBytes: 1 }
  await log.read(request)
  expect(log.stats()).toMatchObject({ warmReads: 0, coldReads: 1 })
  expect(log.readNow(request)?.nextOffset).toBe(568)
  expect(log.stats()).toMatchObject({ warmReads: 1, coldReads: 1 })
  expect(log.readNow({ from: 900, maxBytes: 1 })).toBeUndefined()
})

test('a read stays in the memory that it is given, wherever it begins', async () => {
  const log = await open({ hotTailBytes: 0 })
  for (let n = 0; n < 1000; n++) append(log, `record ${n} ${'x'.repeat(100)}`)
  await log.whenAcknowledged(1000)
  const into = Buffer.alloc(20_000)
  for (let from = 0; from < 1000; from += 37) {
    const { bytes, nextOffset } = await log.read({ from, maxBytes: into.length, into })
    expect(bytes.buffer).toBe(into.buffer)
    const found = [...frameFormat.decode(bytes)].map(({ value }) => Buffer.from(value).toString())
    expect(found[0]).toMatch(`record ${from} `)
    expect(found).toHaveLength(nextOffset - from)
    // What was read over to get there is all that is missing.
    expect(nextOffset === 1000 || bytes.length > into.length - 8192 - 200).toBe(true)
  }
  // One that is too large for it comes nevertheless.
  append(log, 'y'.repeat(50_000))
  await log.whenAcknowledged(1001)
  const large = await log.read({ from: 1000, maxBytes: into.length, into })
  expect([large.nextOffset, large.bytes.length > 50_000]).toEqual([1001, true])
})

test('what the page cache has let go stalls the event loop twice, though it was just written', async () => {
  const inner = fileSystem
  let readMs = 0
  fileSystem = {
    ...inner,
    open(path, mode) {
      const handle = inner.open(path, mode)
      const readSync = handle.readSync.bind(handle)
      handle.readSync = (into, position) => {
        clock.advance(readMs)
        return readSync(into, position)
      }
      return handle
    },
  }
  const log = await open({ hotTailBytes: 0 })
  for (let n = 0; n < 1000; n++) append(log, `record ${n} ${'x'.repeat(100)}`)
  await log.whenAcknowledged(1000)
  expect(log.readNow({ from: 0, maxBytes: 2000 })).toBeDefined()
  readMs = 20
  expect(log.readNow({ from: 100, maxBytes: 2000 })).toBeDefined()
  expect(log.readNow({ from: 200, maxBytes: 2000 })).toBeDefined()
  // From here on it is read beside the loop.
  for (let from = 300; from < 1000; from += 100) {
    expect(log.readNow({ from, maxBytes: 2000 })).toBeUndefined()
  }
  expect((await log.read({ from: 300, maxBytes: 2000 })).nextOffset).toBeGreaterThan(300)
  expect(log.stats()).toMatchObject({ warmReads: 3, coldReads: 1 })
  // Perhaps it was but the machine that was busy.
  clock.advance(100)
  readMs = 0
  for (let from = 300; from < 1000; from += 100) {
    expect(log.readNow({ from, maxBytes: 2000 })).toBeDefined()
  }
})
