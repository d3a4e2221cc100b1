// Property: openings, deletions and retention that come at the same time do not see each other's halves:
// what is acknowledged is there at the next opening, and nothing else goes wrong.
import { openLogDirectory } from '../src/index'
import type { FaultyFileSystem, Log, LogDirectory } from '../src/index'
import { put } from './support/keyed-logs'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'
import { slowDisk } from './support/slow-disk'

function openOn(fileSystem: FaultyFileSystem, defaults = {}): Promise<LogDirectory> {
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
