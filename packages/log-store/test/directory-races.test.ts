// Property: what is done with a directory at the same time does not see each other's halves, and nothing
// outlives the lock: what is acknowledged is there at the next opening, and nothing else goes wrong.
import { openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory } from '../src/index'
import { put } from './support/keyed-logs'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'
import { slowDisk } from './support/slow-disk'
import { watchedFileSystem } from './support/watched-file-system'

function openOn(fileSystem: FileSystem, defaults = {}): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    defaults: { segmentBytes: 400, fileDeleteDelayMs: 0, ...defaults },
  })
}

async function fill(log: Log, count: number): Promise<void> {
  for (let n = 0; n < count; n++) log.append(record(`old ${n}`), { leaderEpoch: 1 })
  await log.flush()
}

/** Turns of the event loop within which a deletion is over, on the disks here. */
const turnsOfDeletion = 60

describe('a log that is opened while it is deleted', () => {
  test.each(['delete', 'compact'] as const)('is the next one (%s)', async (cleanupPolicy) => {
    for (let after = 0; after < turnsOfDeletion; after++) {
      for (const crash of [false, true]) {
        const disk = slowDisk(2)
        const directory = await openOn(disk, { cleanupPolicy })
        const old = await directory.open('a-0')
        for (let n = 0; n < 30; n++) put(old, `k${n % 3}`, `old ${n}`)
        await old.flush()
        if (cleanupPolicy === 'compact') await directory.compact('a-0')
        const deleted = directory.delete('a-0')
        await settle(after)
        const log = await directory.open('a-0')
        expect(log).not.toBe(old)
        put(log, 'k', 'new')
        await log.whenAcknowledged(1)
        await deleted
        expect([directory.names(), directory.get('a-0')]).toEqual([['a-0'], log])
        if (crash) disk.crash('lose-unsynced')
        else await directory.close()
        const again = await openOn(disk, { cleanupPolicy })
        expect(again.cleanStart).toBe(!crash)
        expect((await again.open('a-0')).logEndOffset).toBe(1)
        await again.close()
      }
    }
  })

  test('is the one that is deleted, when it was asked for before', async () => {
    const disk = slowDisk(2)
    const directory = await openOn(disk)
    const opened = directory.open('a-0')
    const deleted = directory.delete('a-0')
    expect(await directory.open('a-0')).not.toBe(await opened)
    await deleted
    await directory.close()
  })
})

test('of deletions of the same log one finds it, and the directory is as clean as before', async () => {
  for (let after = 0; after < turnsOfDeletion; after++) {
    const disk = slowDisk(2)
    const directory = await openOn(disk)
    await fill(await directory.open('a-0'), 5)
    const deletions = [directory.delete('a-0')]
    await settle(after)
    deletions.push(directory.delete('a-0'), directory.delete('a-0'))
    const missing = { status: 'rejected', reason: { code: 'KFK_STORE_NOT_FOUND' } }
    expect(await Promise.allSettled(deletions)).toMatchObject([
      { status: 'fulfilled' },
      missing,
      missing,
    ])
    await directory.close()
    const again = await openOn(disk)
    expect([again.cleanStart, again.names()]).toEqual([true, []])
    await again.close()
  }
})

describe('once the directory is closed', () => {
  test.each([
    ['delete', (directory: LogDirectory) => directory.delete('a-0')],
    ['delete, open', (directory: LogDirectory) => reopened(directory)],
    ['advanceLogStart', (directory: LogDirectory) => directory.get('a-0')!.advanceLogStart(40)],
    ['truncateTo', (directory: LogDirectory) => directory.get('a-0')!.truncateTo(10)],
    ['applyRetention', (directory: LogDirectory) => directory.applyRetention()],
    ['checkpoint', (directory: LogDirectory) => directory.checkpoint()],
    ['compact', (directory: LogDirectory) => directory.compact('k-0')],
  ] as const)('nothing of it goes on: %s', async (_, call) => {
    for (let after = 0; after < 30; after++) {
      const disk = slowDisk(2)
      const rename = disk.rename.bind(disk)
      disk.rename = async (from, to) => {
        if (to.endsWith('-delete')) await settle(200)
        return rename(from, to)
      }
      const first = watchedFileSystem(disk)
      const directory = await openOn(first, { retentionBytes: 500 })
      await fill(await directory.open('a-0'), 50)
      const keyed = await directory.open('k-0', { cleanupPolicy: 'compact' })
      for (let n = 0; n < 40; n++) put(keyed, `k${n % 3}`, `v${n}`)
      await keyed.flush()
      const called = call(directory).catch((error: unknown) => error)
      await settle(after)
      await directory.close()
      expect([...first.openPaths]).toEqual([])
      const { calls } = first
      const again = await openOn(disk)
      const log = await again.open('a-0')
      const { baseOffset } = log.append(record('new'), { leaderEpoch: 2 })
      await log.whenAcknowledged(baseOffset + 1)
      await called
      await settle(30)
      expect([first.calls, again.cleanStart, again.poisoned]).toEqual([calls, true, undefined])
      await again.close()
      expect((await (await openOn(disk)).open('a-0')).logEndOffset).toBe(baseOffset + 1)
    }
  })

  test('it takes no checkpoint, and nothing waits for one', async () => {
    const directory = await openOn(slowDisk(1))
    await directory.close()
    await expect(directory.checkpoint()).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
  })

  test('no file is open, if the disk failed during a checkpoint', async () => {
    for (let after = 0; after < 20; after++) {
      const disk = slowDisk(2)
      const watched = watchedFileSystem(disk)
      const directory = await openOn(watched)
      const log = await directory.open('a-0')
      await fill(log, 50)
      const checkpoint = directory.checkpoint().catch(() => undefined)
      await settle(after)
      disk.inject({ operation: 'sync', path: 'a-0/0', at: 1, error: 'EIO' })
      log.append(record('x'), { leaderEpoch: 1 })
      log.whenAcknowledged(51).catch(() => undefined)
      await settle(4)
      await directory.close()
      expect([...watched.openPaths]).toEqual([])
      const { calls } = watched
      await checkpoint
      await settle(20)
      expect([directory.poisoned === undefined, watched.calls]).toEqual([false, calls])
    }
  })
})

test('a cut that comes with the close is done, or refused and not done', async () => {
  const ends = new Set<number>()
  for (let after = 0; after < 30; after++) {
    const disk = slowDisk(2)
    const directory = await openOn(disk)
    const log = await directory.open('a-0')
    await fill(log, 50)
    const closed = after % 2 === 0 ? undefined : directory.close()
    await settle(after)
    const outcome = log.truncateTo(20).catch((error: unknown) => error)
    await settle(after >> 1)
    await (closed ?? directory.close())
    const refused = (await outcome) instanceof Error
    if (refused) expect(await outcome).toMatchObject({ code: 'KFK_STORE_CLOSED' })
    const again = await openOn(disk)
    const { logEndOffset } = await again.open('a-0')
    expect([again.cleanStart, logEndOffset]).toEqual([true, refused ? 50 : 20])
    ends.add(logEndOffset)
    await again.close()
  }
  expect(ends.size).toBe(2)
})

async function reopened(directory: LogDirectory): Promise<void> {
  const deleted = directory.delete('a-0')
  const opened = directory.open('a-0')
  await deleted
  await opened
}

test.each(['truncateTo', 'delete'] as const)(
  'retention lets no log wait because of another one: %s',
  async (what) => {
    for (let after = 0; after < 20; after++) {
      const directory = await openOn(slowDisk(2), { retentionBytes: 500 })
      const [a, b] = [await directory.open('a-0'), await directory.open('b-0')]
      await fill(a, 50)
      await fill(b, 50)
      a.configure({ retentionBytes: 0 })
      const applied = directory.applyRetention()
      await settle(after)
      const changed = what === 'delete' ? directory.delete('a-0') : a.truncateTo(20)
      await applied
      await changed
      expect(b.stats().sizeInBytes).toBeLessThan(900)
      await directory.close()
    }
  },
)

test('what fails for one log is told after the others had their turn', async () => {
  const disk = slowDisk(1)
  const directory = await openOn(disk, { retentionBytes: 500 })
  const [a, b] = [await directory.open('a-0'), await directory.open('b-0')]
  await fill(a, 50)
  await fill(b, 50)
  disk.inject({ operation: 'rename', path: 'a-0/0', at: 1, error: 'EMFILE' })
  await expect(directory.applyRetention()).rejects.toMatchObject({ details: { errno: 'EMFILE' } })
  expect(b.stats().sizeInBytes).toBeLessThan(900)
  await directory.close()
})

test('what was cut back is synced before the directory is called clean, however many wait', async () => {
  const disk = slowDisk(1)
  const open = disk.open.bind(disk)
  let turns = 1
  disk.open = (path, mode) => {
    const handle = open(path, mode)
    const syncData = handle.syncData.bind(handle)
    if (path.includes('a-0/0')) {
      handle.syncData = (done) => void settle(turns).then(() => syncData(done))
    }
    return handle
  }
  const watched = watchedFileSystem(disk)
  const directory = await openLogDirectory('/data', {
    fileSystem: watched,
    clock: new ManualClock(),
    maxConcurrentSyncs: 1,
  })
  const names = ['a-0', 'b-0', 'c-0']
  for (const name of names) {
    const log = await directory.open(name)
    await fill(log, 5)
    disk.inject({
      ...{ operation: 'write', path: `${name}/`, at: 1, error: 'ENOSPC', partialWrite: 0.5 },
    })
    log.append(record('x'.repeat(200)), { leaderEpoch: 1 })
    await expect(log.whenAcknowledged(6)).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  }
  const syncs: string[] = []
  watched.onSync = (path) => syncs.push(path)
  // All others have to wait for this one.
  turns = 80
  await directory.close()
  const before = syncs.slice(
    0,
    syncs.findIndex((path) => path.includes('cleanshutdown')),
  )
  expect(before).toEqual(
    expect.arrayContaining(names.map((name) => `/data/${name}/00000000000000000000.log`)),
  )
})

test('who waits for a paced compaction keeps the process alive, and nobody else does', async () => {
  const awaited = new Set<unknown>()
  class NotingClock extends ManualClock {
    override setTimer(
      delayMs: number,
      callback: () => void,
      options?: { readonly keepsAlive?: boolean },
    ): { cancel(): void } {
      const timer = super.setTimer(delayMs, callback)
      if (options?.keepsAlive === true) awaited.add(timer)
      return {
        cancel() {
          awaited.delete(timer)
          timer.cancel()
        },
      }
    }
  }
  const clock = new NotingClock()
  const directory = await openLogDirectory('/data', {
    fileSystem: slowDisk(1),
    clock,
    defaults: { segmentBytes: 400, cleanupPolicy: 'compact' },
    cleaner: { intervalMs: 1000, ioBytesPerSecond: 500 },
  })
  const log = await directory.open('a-0')
  for (let n = 0; n < 60; n++) put(log, `k${n % 3}`, `v${n}`)
  await log.flush()
  clock.advance(1000)
  await settle(20)
  expect(awaited.size).toBe(0)
  let done = false
  const compacted = directory.compact('a-0').finally(() => (done = true))
  await settle(1)
  for (let turn = 0; !done && turn < 500; turn++) {
    expect(awaited.size).toBe(1)
    clock.advance(1000)
    await settle(5)
  }
  await compacted
  expect(awaited.size).toBe(0)
  await directory.close()
})
