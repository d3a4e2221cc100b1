// Property: who still looks into a segment that leaves the log gets the truth of the log as it is
// then, and leaves nothing on the disk.
import { memoryFileSystem, openLog } from '../src/index'
import type { EmbeddedLogOptions, FileHandle, FileSystem } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { collect, settle } from './support/records'

const nameOf = (base: number) => `${String(base).padStart(20, '0')}.log`

/** Reads can be held; a rename is done some time before its caller hears of it. */
function slowFileSystem() {
  const memory = memoryFileSystem()
  const held = new Map<string, () => void>()
  const state = {
    memory,
    held,
    holds: undefined as number | undefined,
    onRenamed: async (_from: string): Promise<void> => undefined,
    release(base: number): void {
      for (const [path, go] of held) if (path.endsWith(nameOf(base)) && held.delete(path)) go()
    },
  }
  const slow = (handle: FileHandle, path: string): FileHandle => ({
    path,
    size: () => handle.size(),
    readSync: (into, position) => handle.readSync(into, position),
    async read(into, position) {
      const isHeld = state.holds !== undefined && path.endsWith(nameOf(state.holds))
      if (isHeld) await new Promise<void>((go) => void held.set(path, go))
      return handle.read(into, position)
    },
    writevSync: (chunks, position) => handle.writevSync(chunks, position),
    truncateSync: (size) => handle.truncateSync(size),
    syncData: (done) => handle.syncData(done),
    close: () => handle.close(),
  })
  const fileSystem: FileSystem = {
    ...memory,
    open: (path, mode) => slow(memory.open(path, mode), path),
    async rename(from, to) {
      await memory.rename(from, to)
      await state.onRenamed(from)
    },
  }
  return Object.assign(state, { fileSystem })
}

/** Segments at 0, 11, 22, 33, 44 and 55. */
async function fill(options: EmbeddedLogOptions): Promise<void> {
  await using log = await openLog('/events', options)
  for (let n = 0; n < 60; n++) {
    await log.append('v'.repeat(50), { key: `k${n % 7}`, timestamp: 1000 + n })
  }
}

test.each(['compact', 'delete'] as const)('a search while its segment goes: %s', async (policy) => {
  const disk = slowFileSystem()
  const { fileSystem } = disk
  const settings = { segmentBytes: 1000, maxOpenFiles: 1, hotTailBytes: 0 }
  const options = { ...settings, fileSystem, cleanupPolicy: policy }
  await fill(options)
  const log = await openLog('/events', options)
  // It has found the batch, and is to read its records when the segment is on its way.
  disk.holds = 11
  const found = log.offsetForTimestamp(1014)
  await settle()
  // Another one makes the only handle go as soon as nobody waits for it.
  disk.holds = 55
  const reading = log.read({ from: 55 })
  await settle()
  disk.holds = undefined
  expect([...disk.held.keys()].map((path) => parseInt(path.slice(-24), 10))).toEqual([11, 55])
  disk.onRenamed = async (from) => {
    if (!from.endsWith(nameOf(11))) return
    disk.release(11)
    await settle()
  }
  await (policy === 'compact' ? log.compact() : log.deleteBefore(40))
  disk.release(55)
  expect((await reading).records).toHaveLength(5)
  expect(await found).toBe(policy === 'compact' ? 48 : 40)
  const names = (await fileSystem.list('/events/log-0')).map(({ name }) => name)
  const bases = policy === 'compact' ? [0, 55] : [33, 44, 55]
  expect(names.filter((name) => name.endsWith('.log')).sort()).toEqual(bases.map(nameOf))
  const before = await collect(log.records())
  await log.close()
  // As after a crash: what lies there counts, and not what was noted at the close.
  await disk.memory.remove('/events/.kafka_cleanshutdown')
  await disk.memory.remove('/events/kfk.logs')
  await using again = await openLog('/events', options)
  expect(await collect(again.records())).toEqual(before)
  if (policy === 'delete') return
  const page = await again.read({ from: 11 })
  expect(page.records.map(({ offset }) => offset)).toEqual([48, 49, 50, 51, 52, 53, 54])
})

test('a page that finds the log cut says that it ends there', async () => {
  const disk = slowFileSystem()
  const options = { fileSystem: disk.fileSystem, hotTailBytes: 0 }
  await fill(options)
  await using log = await openLog('/events', options)
  disk.holds = 0
  const reading = log.read({ from: 20 })
  await settle()
  disk.holds = undefined
  expect(disk.held.size).toBe(1)
  await log.truncateTo(20)
  disk.release(0)
  expect(await reading).toMatchObject({ records: [], nextOffset: 20 })
})

test('the background cleaner tries again when what it looked at was deleted', async () => {
  const disk = slowFileSystem()
  const clock = new ManualClock()
  const reports: string[] = []
  const options: EmbeddedLogOptions = {
    fileSystem: disk.fileSystem,
    clock,
    segmentBytes: 1000,
    maxOpenFiles: 1,
    fileDeleteDelayMs: 0,
    cleanupPolicy: 'compact,delete',
    // Above the age of all records: the first header of each segment is looked at.
    maxCompactionLagMs: 1e15,
    cleaner: { intervalMs: 1000 },
    onReport: ({ message }) => reports.push(message),
  }
  await fill(options)
  await using log = await openLog('/events', options)
  disk.holds = 11
  clock.advance(1000)
  await settle()
  disk.holds = undefined
  expect(disk.held.size).toBe(1)
  await log.deleteBefore(40)
  clock.advance(1)
  await settle()
  disk.release(11)
  await settle()
  const compactions = () => log.stats().directory.compactionMicros.count
  expect(compactions()).toBe(0)
  clock.advance(1000)
  await settle()
  expect(compactions()).toBe(1)
  expect(reports).toEqual([])
})
