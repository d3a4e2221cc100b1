// Property: whatever fails or goes on meanwhile, who is told that the start or the end of a log was
// moved finds it there after a crash; who is told that it was not finds a log that reads and appends.
import { openLog, openLogDirectory } from '../src/index'
import type { FaultyFileSystem, Log, LogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'
import { slowDisk } from './support/slow-disk'

const noRoom = { operation: 'rename', path: 'checkpoint', at: 1, error: 'ENOSPC' } as const

function openOn(fileSystem: FaultyFileSystem, clock = new ManualClock()): Promise<LogDirectory> {
  const defaults = { segmentBytes: 400, retentionMs: -1 }
  return openLogDirectory('/data', { fileSystem, clock, defaults })
}

async function fill(log: Log, count: number): Promise<void> {
  for (let n = 0; n < count; n++) log.append(record(`old ${n}`), { leaderEpoch: 1 })
  await log.flush()
}

async function appendAcknowledged(log: Log, text: string): Promise<number> {
  const { baseOffset } = log.append(record(text), { leaderEpoch: 2 })
  await log.whenAcknowledged(baseOffset + 1)
  return baseOffset
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('the start', () => {
  test('is not put back over what retention has deleted meanwhile', async () => {
    for (let after = 0; after < 12; after++) {
      const disk = slowDisk(2)
      const directory = await openOn(disk)
      const log = await directory.open('a-0')
      await fill(log, 50)
      disk.inject({ ...noRoom, error: 'EMFILE', path: 'log-start' })
      const moved = outcome(log.advanceLogStart(40))
      await settle(after)
      await directory.applyRetention()
      expect(await moved).toMatchObject({ retriable: true })
      expect(log.logStartOffset).toBe(40)
      expect((await readAll(log)).size).toBe(10)
      await directory.close()
      expect((await readAll(await (await openOn(disk)).open('a-0'))).size).toBe(10)
    }
  })

  test.each([
    ['write', 'ENOSPC'],
    ['rename', 'ENOSPC'],
    ['open', 'EMFILE'],
    ['syncDirectory', 'EMFILE'],
  ] as const)('is not moved on by a crash after a failure (%s: %s)', async (operation, error) => {
    for (let at = 1, struck = true; struck; at++) {
      for (const crash of ['keep-unsynced', 'lose-unsynced'] as const) {
        const disk = slowDisk(1)
        const log = await (await openOn(disk)).open('a-0')
        await fill(log, 50)
        const path = operation === 'syncDirectory' ? '/data' : 'checkpoint'
        disk.inject({ operation, error, path, at })
        const before = disk.struck
        const failure = await outcome(log.advanceLogStart(40))
        struck = disk.struck > before
        if (failure !== undefined) expect(failure).toMatchObject({ retriable: true })
        const { logStartOffset } = log
        disk.crash(crash)
        const again = await (await openOn(disk)).open('a-0')
        expect(again.logStartOffset).toBeLessThanOrEqual(logStartOffset)
        if (failure === undefined) expect(again.logStartOffset).toBe(40)
      }
    }
  })

  test('is durable when it is asked for again after a failure, and what is below it goes', async () => {
    const disk = slowDisk(1)
    const log = await (await openOn(disk)).open('a-0')
    await fill(log, 50)
    const { segments } = log.stats()
    disk.inject({ operation: 'create', path: 'log-start', at: 1, error: 'EMFILE' })
    await expect(log.advanceLogStart(40)).rejects.toMatchObject({ retriable: true })
    expect(log.stats().segments).toBe(segments)
    await log.advanceLogStart(40)
    expect(log.stats().segments).toBeLessThan(segments / 2)
    disk.crash('lose-unsynced')
    expect((await (await openOn(disk)).open('a-0')).logStartOffset).toBe(40)
  })

  test('that could not be noted: what a crash brings back has its epochs', async () => {
    const disk = slowDisk(1)
    const directory = await openOn(disk)
    const log = await directory.open('a-0')
    for (let n = 0; n < 80; n++) log.append(record(`old ${n}`), { leaderEpoch: n })
    await log.flush()
    await directory.checkpoint()
    disk.inject({ ...noRoom, path: 'log-start', times: Number.MAX_SAFE_INTEGER })
    await outcome(log.advanceLogStart(42))
    await outcome(directory.applyRetention())
    await outcome(directory.checkpoint())
    disk.crash('lose-unsynced')
    const again = await (await openOn(disk)).open('a-0')
    expect(again.logStartOffset).toBeLessThan(42)
    expect(again.epochAt(again.logStartOffset)).toBe(again.logStartOffset)
  })

  test('is durable for whoever asks while, or after, others fail to move it', async () => {
    for (let after = 0; after < 12; after++) {
      const disk = slowDisk(2)
      const log = await (await openOn(disk)).open('a-0')
      await fill(log, 50)
      disk.inject({ ...noRoom, times: 6 })
      const moved = [outcome(log.advanceLogStart(10)), outcome(log.advanceLogStart(20))]
      await settle(after)
      const lower = outcome(log.advanceLogStart(5))
      await Promise.all(moved)
      if ((await lower) === undefined) expect(log.logStartOffset).toBeGreaterThanOrEqual(5)
      await log.advanceLogStart(10)
      disk.crash('lose-unsynced')
      const again = await (await openOn(disk)).open('a-0')
      expect(again.logStartOffset).toBe(log.logStartOffset)
      expect(again.logStartOffset).toBeGreaterThanOrEqual(10)
    }
  })

  test('is durable although old segments could not be deleted, nor that be noted', async () => {
    const disk = slowDisk(1)
    const directory = await openOn(disk)
    const log = await directory.open('a-0')
    await fill(log, 50)
    log.configure({ retentionBytes: 800 })
    disk.inject({ ...noRoom, times: Number.MAX_SAFE_INTEGER })
    disk.inject({ operation: 'rename', path: '.log', at: 1, error: 'ENOSPC' })
    await expect(directory.applyRetention()).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
    const { logStartOffset } = log
    expect(logStartOffset).toBeGreaterThan(0)
    await expect(log.advanceLogStart(logStartOffset)).rejects.toMatchObject({ retriable: true })
    disk.clearFaults()
    await log.advanceLogStart(logStartOffset)
    disk.crash('lose-unsynced')
    expect((await (await openOn(disk)).open('a-0')).logStartOffset).toBe(logStartOffset)
  })

  test('moved while the log is being closed: the next owner meets nothing of it', async () => {
    for (let after = 0; after < 12; after++) {
      const disk = slowDisk(2)
      const directory = await openOn(disk)
      const log = await directory.open('a-0')
      await fill(log, 50)
      const moved = outcome(log.advanceLogStart(40))
      await settle(after)
      await directory.close()
      const { mutations } = disk
      const failure = await moved
      await settle(60)
      expect(disk.mutations).toBe(mutations)
      const again = await (await openOn(disk)).open('a-0')
      if (failure === undefined) expect(again.logStartOffset).toBe(40)
      else expect(failure).toMatchObject({ code: 'KFK_STORE_CLOSED' })
    }
  })
})

describe('a cut that is asked for again', () => {
  test('at any moment of the first: refused, or durable', async () => {
    let refused = 0
    for (let after = 0, late = false; !late; after++) {
      const disk = slowDisk(3)
      const log = await (await openOn(disk)).open('a-0')
      await fill(log, 50)
      const state = { done: false }
      const first = log.truncateTo(20).finally(() => (state.done = true))
      await settle(after)
      late = state.done
      const failure = await outcome(log.truncateTo(20))
      if (failure === undefined) {
        disk.crash('lose-unsynced')
        expect((await (await openOn(disk)).open('a-0')).logEndOffset).toBe(20)
      } else {
        expect(failure).toMatchObject({ code: 'KFK_STORE_IO', retriable: true })
        refused++
      }
      await outcome(first)
    }
    expect(refused).toBeGreaterThan(0)
  })

  test('after one that was delayed: durable', async () => {
    const disk = slowDisk(1)
    const clock = new ManualClock()
    const directory = await openOn(disk, clock)
    const log = await directory.open('a-0')
    log.configure({ segmentBytes: 10_000 })
    await fill(log, 20)
    const { syncDirectory } = disk
    let handles = true
    disk.syncDirectory = async (path) => {
      const missing = !handles && path.endsWith('a-0') && log.logEndOffset < 20
      if (missing) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
      return syncDirectory(path)
    }
    handles = false
    const first = outcome(log.truncateTo(10))
    for (let ms = 0; ms < 2_000; ms += 100, clock.advance(100)) await settle(6)
    expect(await first).toMatchObject({ code: 'KFK_STORE_DELAYED', retriable: true })
    expect(log.logEndOffset).toBe(10)
    handles = true
    const again = log.truncateTo(10)
    for (let ms = 0; ms < 500; ms += 100, clock.advance(100)) await settle(6)
    expect(await again).toBe(10)
    disk.crash('lose-unsynced')
    expect((await (await openOn(disk)).open('a-0')).logEndOffset).toBe(10)
  })

  test('after one without room for its checkpoint: no success without one', async () => {
    const disk = slowDisk(1)
    const log = await (await openOn(disk)).open('a-0')
    await fill(log, 20)
    log.append(record('of the next epoch'), { leaderEpoch: 2 })
    const stop = log.onTruncated(() => disk.inject({ ...noRoom, times: Number.MAX_SAFE_INTEGER }))
    const lacking = { code: 'KFK_STORE_NO_SPACE', retriable: true }
    await expect(log.truncateTo(10)).rejects.toMatchObject(lacking)
    stop()
    await expect(log.truncateTo(10)).rejects.toMatchObject(lacking)
    disk.clearFaults()
    expect(await log.truncateTo(10)).toBe(10)
    expect(await appendAcknowledged(log, 'next')).toBe(10)
  })
})

describe('a cut below the start', () => {
  async function begun(disk: FaultyFileSystem) {
    const directory = await openOn(disk)
    const log = await directory.open('a-0')
    await fill(log, 50)
    await log.advanceLogStart(30)
    return { directory, log }
  }

  test.each(['a-0', 'b-0'])('while %s is deleted', async (name) => {
    for (let after = 0; after < 60; after += 2) {
      const disk = slowDisk(2)
      const { directory, log } = await begun(disk)
      await fill(await directory.open('b-0'), 5)
      const cut = outcome(log.truncateTo(10))
      await settle(after)
      await directory.delete(name)
      const failure = await cut
      if (name === 'b-0') expect(failure).toBeUndefined()
      else if (failure !== undefined) expect(failure).toMatchObject({ code: 'KFK_STORE_CLOSED' })
      expect(directory.poisoned).toBeUndefined()
    }
  })

  test('without room to note the start: appends wait for that, nothing else does', async () => {
    let refused = 0
    for (let at = 1, struck = true; struck; at++) {
      const disk = slowDisk(1)
      const { directory, log } = await begun(disk)
      disk.inject({ ...noRoom, at, times: 2 })
      const failure = await outcome(log.truncateTo(10))
      struck = failure !== undefined
      if (struck) expect(failure).toMatchObject({ code: 'KFK_STORE_NO_SPACE', retriable: true })
      expect(directory.poisoned).toBeUndefined()
      let offset: number | undefined
      for (let tries = 0; offset === undefined; tries++) {
        expect(tries).toBeLessThan(5)
        try {
          offset = await appendAcknowledged(log, 'new')
        } catch (error) {
          expect(error).toMatchObject({ code: 'KFK_STORE_IO', retriable: true })
          refused++
          await settle(60)
        }
      }
      disk.crash('lose-unsynced')
      const again = await (await openOn(disk)).open('a-0')
      expect((await readAll(again)).get(offset)).toBe('new')
    }
    expect(refused).toBeGreaterThan(1)
  })

  test('asked for again when its start could not be noted: durable, and appends go on', async () => {
    const disk = slowDisk(1)
    const { log } = await begun(disk)
    const stop = log.onTruncated(() => disk.inject({ ...noRoom, times: 2 }))
    await expect(log.truncateTo(10)).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
    stop()
    expect(() => log.append(record('early'), { leaderEpoch: 2 })).toThrow('below its start')
    await settle(60)
    expect(await log.truncateTo(10)).toBe(10)
    expect(await appendAcknowledged(log, 'new')).toBe(10)
  })
})

describe('a cut that lacks room or handles for its first step', () => {
  test.each([
    ['no segment before it is left', { operation: 'create', path: '010.log', error: 'EMFILE' }, 10],
    ['the last segment is cut', { operation: 'truncate', path: '.log', error: 'EMFILE' }, 49],
    ['no room to rename the last', { operation: 'rename', path: '/0000', error: 'ENOSPC' }, 33],
    ['no room to rename any', { operation: 'rename', path: '/0000', error: 'ENOSPC' }, 10],
  ] as const)('%s: nothing has changed', async (_, fault, offset) => {
    const disk = slowDisk(1)
    const directory = await openOn(disk)
    const log = await directory.open('a-0')
    await fill(log, 50)
    await log.advanceLogStart(30)
    disk.inject({ ...fault, at: 1, times: 2 })
    await expect(log.truncateTo(offset)).rejects.toMatchObject({ retriable: true })
    expect(disk.struck).toBeGreaterThan(0)
    disk.clearFaults()
    expect(directory.poisoned).toBeUndefined()
    expect([log.logStartOffset, log.logEndOffset]).toEqual([30, 50])
    expect((await readAll(log)).size).toBe(20)
    expect(await appendAcknowledged(log, 'next')).toBe(50)
    expect(await log.truncateTo(offset)).toBe(offset)
    disk.crash('lose-unsynced')
    expect((await (await openOn(disk)).open('a-0')).logEndOffset).toBe(offset)
  })
})

test.each(['lose-unsynced', 'keep-unsynced'] as const)(
  'a cut without room to rename any segment has changed nothing for a crash either (%s)',
  async (crash) => {
    const disk = slowDisk(1)
    const log = await (await openOn(disk)).open('a-0')
    await fill(log, 50)
    await log.advanceLogStart(30)
    disk.inject({ operation: 'rename', path: '/0000', error: 'ENOSPC', at: 1 })
    await expect(log.truncateTo(10)).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
    expect(await appendAcknowledged(log, 'next')).toBe(50)
    disk.crash(crash)
    const again = await (await openOn(disk)).open('a-0')
    expect([again.logStartOffset, again.logEndOffset]).toEqual([30, 51])
    expect((await readAll(again)).get(50)).toBe('next')
  },
)

test.each(['open', 'create', 'syncDirectory'] as const)(
  'a cut that lacks handles for a while (%s) ends, or may be asked for again',
  async (operation) => {
    for (let at = 1, struck = true; struck; at++) {
      const disk = slowDisk(1)
      const clock = new ManualClock()
      const directory = await openLogDirectory('/data', {
        ...{ fileSystem: disk, clock, maxOpenFiles: 2, hotTailBytes: 0 },
        defaults: { segmentBytes: 400, indexIntervalBytes: 0 },
      })
      const log = await directory.open('a-0')
      await fill(log, 50)
      const before = disk.struck
      disk.inject({ operation, path: 'a-0', at, times: 3, error: 'EMFILE' })
      const state = { done: false }
      const cut = outcome(log.truncateTo(23)).finally(() => (state.done = true))
      while (!state.done) {
        await settle(20)
        clock.advance(100)
      }
      struck = disk.struck > before
      disk.clearFaults()
      expect(directory.poisoned).toBeUndefined()
      const failure = await cut
      if (failure !== undefined) expect(failure).toMatchObject({ retriable: true })
      expect(await log.truncateTo(23)).toBe(23)
      expect(await appendAcknowledged(log, 'next')).toBe(23)
      disk.crash('lose-unsynced')
      const again = await (await openOn(disk)).open('a-0')
      const found = await readAll(again)
      expect([found.size, found.get(22), found.get(23)]).toEqual([24, 'old 22', 'next'])
      expect((await again.maxTimestampOffset())?.timestamp).toBe(1000)
    }
  },
)

test('who waits for a write is told when the log is deleted while it is cut', async () => {
  for (let after = 0; after < 60; after += 2) {
    const directory = await openOn(slowDisk(2))
    const log = await directory.open('a-0')
    await fill(log, 50)
    const cut = outcome(log.truncateTo(20))
    await settle(after)
    await directory.delete('a-0')
    await cut
    const told = await Promise.race([outcome(log.whenWritten(60)), settle(5).then(() => 'nobody')])
    expect(told).toMatchObject({ code: 'KFK_STORE_CLOSED' })
  }
})

test('a cut answers where the log ends when what was queued is taken back', async () => {
  const disk = slowDisk(1)
  const log = await openLog('/data', { fileSystem: disk, clock: new ManualClock() })
  for (let n = 0; n < 5; n++) await log.append('old')
  const queued = [outcome(log.append('queued')), outcome(log.append('queued'))]
  disk.inject({ operation: 'write', path: '.log', at: 1, error: 'ENOSPC' })
  expect(await log.truncateTo(6)).toBe(5)
  await Promise.all(queued)
  await log.close()
})
