// Property: whatever else is going on while a log is cut, its end afterwards is the cut, nothing
// beyond it counts as durable, and what is acknowledged later is.
import { faultyFileSystem, openLog, openLogDirectory } from '../src/index'
import type { EmbeddedLog, FaultyFileSystem, Log, LogDirectory } from '../src/index'
import { LogFollower } from '../src/log-follower'
import { ManualClock } from './support/manual-clock'
import { collect, readAll, record, settle, textOf } from './support/records'
import { slowDisk } from './support/slow-disk'

function openOn(fileSystem: FaultyFileSystem): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    defaults: { segmentBytes: 400 },
  })
}

async function fill(log: Log, count: number): Promise<void> {
  for (let n = 0; n < count; n++) log.append(record(`old ${n}`), { leaderEpoch: 1 })
  await log.flush()
}

/** Turns of the event loop within which the cut is over, on the disks here. */
const turnsOfCut = 250
const end = 20

describe.each([
  ['flush', (log: Log) => log.flush()],
  ['whenDurable', (log: Log) => log.whenDurable(30)],
  ['advanceLogStart', (log: Log) => log.advanceLogStart(30)],
  ['advanceLogStart, to the cut', (log: Log) => log.advanceLogStart(end)],
] as const)('%s while the log is cut', (_, call) => {
  test.each([1, 3])('at any moment, syncs of %s turns', async (turns) => {
    for (let after = 0, late = false; !late; after++) {
      expect(after).toBeLessThan(turnsOfCut)
      const disk = slowDisk(turns)
      const directory = await openOn(disk)
      const log = await directory.open('a-0')
      await fill(log, 50)
      const state = { done: false }
      const cut = log.truncateTo(end).finally(() => (state.done = true))
      await settle(after)
      late = state.done
      const other = call(log).catch((error: unknown) => error)
      await cut
      expect([log.logEndOffset, log.recoveryPoint, log.acknowledgedOffset]).toEqual([end, end, end])
      expect(log.logStartOffset).toBeLessThanOrEqual(end)
      const { syncs } = log.stats()
      for (let n = end; n < 30; n++) log.append(record(`new ${n}`), { leaderEpoch: 1 })
      await log.whenAcknowledged(30)
      expect(log.stats().syncs).toBeGreaterThan(syncs)
      await other
      disk.crash('lose-unsynced')
      const again = await (await openOn(disk)).open('a-0')
      expect(again.logEndOffset).toBe(30)
      expect((await readAll(again)).get(29)).toBe('new 29')
    }
  })
})

test('the checkpoint after a cut says nothing that a crash could make untrue', async () => {
  for (let after = 0; after < 10; after++) {
    for (let crash = 0; crash < 30; crash += 2) {
      const disk = slowDisk(1)
      const log = await (await openOn(disk)).open('a-0')
      await fill(log, 50)
      const cut = log.truncateTo(end).catch(() => undefined)
      await settle(after)
      const flushed = log.flush().catch(() => undefined)
      await settle(crash)
      disk.crash('keep-unsynced')
      const again = await (await openOn(disk)).open('a-0')
      expect(again.logEndOffset).toBeGreaterThanOrEqual(end)
      await Promise.all([cut, flushed])
    }
  }
})

test('a cut is durable when it resolves, whoever syncs meanwhile', async () => {
  for (let after = 0, late = false; !late; after++) {
    expect(after).toBeLessThan(turnsOfCut)
    const disk = slowDisk(1)
    const log = await (await openOn(disk)).open('a-0')
    await fill(log, 50)
    const state = { done: false }
    const cut = log.truncateTo(end).finally(() => (state.done = true))
    await settle(after)
    late = state.done
    const other = log.flush().catch(() => undefined)
    await cut
    disk.crash('lose-unsynced')
    const again = await (await openOn(disk)).open('a-0')
    expect(again.logEndOffset).toBe(end)
    await other
  }
})

test('a cut that could not begin leaves everything as durable as it was', async () => {
  const disk = slowDisk(3)
  const log = await (await openOn(disk)).open('a-0')
  await fill(log, 50)
  disk.inject({ operation: 'rename', path: 'checkpoint', at: 1, error: 'ENOSPC' })
  const cut = log.truncateTo(end)
  const durable: number[] = []
  const watch = async () => {
    for (let turn = 0; turn < turnsOfCut; turn++, await settle(1)) durable.push(log.recoveryPoint)
  }
  const watched = watch()
  await expect(cut).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  await log.whenDurable(50)
  await log.flush()
  await watched
  expect(new Set(durable)).toEqual(new Set([50]))
  log.append(record('next'), { leaderEpoch: 1 })
  await log.whenAcknowledged(51)
})

test('who is told of the last write before the cut cannot append any more', async () => {
  const directory = await openOn(faultyFileSystem())
  const log = await directory.open('a-0')
  log.configure({ flushMessages: 1000 })
  await fill(log, 10)
  const answers: unknown[] = []
  log.onAcknowledged(() => {
    try {
      answers.push(log.append(record('told'), { leaderEpoch: 1 }))
    } catch (error) {
      answers.push(error)
    }
  })
  log.append(record('queued'), { leaderEpoch: 1 })
  await log.truncateTo(5)
  expect(answers[0]).toMatchObject({ code: 'KFK_STORE_IO', retriable: true })
  expect([log.logEndOffset, log.writtenOffset]).toEqual([5, 5])
  await directory.close()
})

test('what was queued may be taken back: there is nothing left to cut then', async () => {
  const disk = faultyFileSystem()
  const directory = await openOn(disk)
  const log = await directory.open('a-0')
  await fill(log, 5)
  for (let n = 0; n < 2; n++) log.append(record('queued'), { leaderEpoch: 1 })
  disk.inject({ operation: 'write', path: '.log', at: 1, error: 'ENOSPC' })
  expect(await log.truncateTo(6)).toBe(5)
  expect([log.logEndOffset, log.writtenOffset]).toEqual([5, 5])
  log.append(record('next'), { leaderEpoch: 1 })
  await log.whenAcknowledged(6)
  await directory.close()
})

describe('who reads while the log is cut', () => {
  async function embedded(turns: number): Promise<EmbeddedLog> {
    const log = await openLog('/data', { fileSystem: slowDisk(turns), segmentBytes: 400 })
    for (let n = 0; n < 50; n++) await log.append(`old ${n}`, { durability: 'os' })
    await log.flush()
    return log
  }

  test.each(['throw', 'skip'] as const)('follows the medium (%s)', async (ifLost) => {
    for (let after = 0; after < turnsOfCut; after += 9) {
      const log = await embedded(3)
      const found: string[] = []
      const follow = async () => {
        for await (const one of log.follow({ from: 0, durability: 'disk', ifLost })) {
          found.push(textOf(one))
          await settle(1)
        }
      }
      const following = follow().catch((error: unknown) => error)
      await settle(after)
      await log.truncateTo(end)
      expect(log.durableOffset).toBe(end)
      await log.append('new')
      await settle(100)
      const failure = await (log.close(), following)
      const lost = found.length > end + 1
      if (ifLost === 'throw' && lost) {
        expect(failure).toMatchObject({ code: 'KFK_STORE_OFFSET_OUT_OF_RANGE' })
      } else expect([failure, found.at(-1)]).toEqual([undefined, 'new'])
    }
  })

  test.each(['disk', 'os'] as const)('iterates (%s): it ends', async (durability) => {
    for (let after = 0; after < turnsOfCut; after += 9) {
      const log = await embedded(3)
      let last = -1
      const iterate = async () => {
        for await (const one of log.records({ durability })) {
          last = one.offset
          await settle(1)
        }
      }
      const iterated = iterate().catch((error: unknown) => error)
      await settle(after)
      await log.truncateTo(end)
      const failure = await iterated
      if (failure !== undefined) {
        expect(failure).toMatchObject({ code: 'KFK_STORE_OFFSET_OUT_OF_RANGE' })
      } else expect(last).toBeGreaterThanOrEqual(end - 1)
      await log.close()
    }
  })
})

test('a follower lets others run, whatever its log says', async () => {
  const running = new Set<LogFollower>()
  let pages = 0
  const follower = new LogFollower(
    {
      offsets: { logStartOffset: 0, logEndOffset: 20 },
      readableOffset: () => 50,
      whenReadable: () => Promise.resolve(),
      page(from) {
        if (++pages > 1000) throw new Error('it spins')
        const page = { records: [], nextOffset: Math.max(from, 50) }
        return Promise.resolve(page as unknown as Awaited<ReturnType<EmbeddedLog['read']>>)
      },
    },
    running,
    { from: 0, signal: undefined, ifLost: 'skip' },
  )
  const found = collect(follower.iterate())
  await settle(3)
  follower.end()
  expect(await found).toEqual([])
})

test('files that are closed to make room take nothing from the segment that is cut', async () => {
  for (let after = 0; after < 25; after++) {
    const log = await openLog('/data', {
      fileSystem: slowDisk(1),
      segmentBytes: 400,
      maxOpenFiles: 2,
      hotTailBytes: 0,
    })
    for (let n = 0; n < 60; n++) await log.append(`old ${n}`, { durability: 'os' })
    await log.flush()
    const state = { done: false }
    const cut = log.truncateTo(30).finally(() => (state.done = true))
    await settle(after)
    for (let from = 0; !state.done; from = (from + 7) % 25) {
      await log.read({ from, maxBytes: 60 })
      await settle(1)
    }
    expect(await cut).toBe(30)
    expect(log.poisoned).toBeUndefined()
    expect(await log.append('next')).toBe(30)
    await log.close()
  }
})
