// Waiting for an offset: written, on the medium, rolled back, given up.
import { faultyFileSystem, openLogDirectory } from '../src/index'
import type { Log, LogDirectory, LogOptions } from '../src/index'
import { OffsetWaiters } from '../src/offset-waiters'
import { StoreError } from '../src/errors'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'

const never = Number.MAX_SAFE_INTEGER
const gone = new StoreError('KFK_STORE_NO_SPACE', 'gone')

/** What became of promises: their number once resolved, the error's message once rejected. */
function watch(promises: readonly Promise<void>[]): (number | string)[] {
  const seen: (number | string)[] = []
  for (const [at, promise] of promises.entries()) {
    promise.then(
      () => seen.push(at),
      (error: Error) => seen.push(error.message),
    )
  }
  return seen
}

describe('a queue of waiters', () => {
  test('releases in the order of offsets, whatever the order of arrival', async () => {
    const waiters = new OffsetWaiters()
    const seen = watch([5, 3, 9, 3, 7].map((offset) => waiters.wait(offset)))
    expect(waiters.lowest).toBe(3)
    waiters.release(2)
    await settle()
    expect(seen).toEqual([])
    waiters.release(6)
    await settle()
    expect(seen).toEqual([1, 3, 0])
    expect(waiters.lowest).toBe(7)
    waiters.release(9)
    await settle()
    expect(seen).toEqual([1, 3, 0, 4, 2])
    expect(waiters.lowest).toBe(never)
  })

  test('stays right while thousands come and go', async () => {
    const waiters = new OffsetWaiters()
    const seen: number[] = []
    const first = 5000
    for (let offset = 1; offset <= first; offset++) {
      void waiters.wait(offset).then(() => seen.push(offset))
    }
    for (let reached = 7; reached < first; reached += 7) {
      waiters.release(reached)
      void waiters.wait(first + reached).then(() => seen.push(first + reached))
    }
    expect(waiters.lowest).toBe(first - (first % 7) + 1)
    waiters.release(3 * first)
    await settle()
    const expected = [...seen].sort((a, b) => a - b)
    expect(seen).toEqual(expected)
    expect(seen).toHaveLength(first + Math.floor((first - 1) / 7))
  })

  test('those of a group share a promise until it is released, whoever waits beside them', async () => {
    const waiters = new OffsetWaiters()
    const first = waiters.wait(11, undefined, 10)
    expect(waiters.wait(13, undefined, 10)).toBe(first)
    expect(waiters.wait(12, undefined, 10)).toBe(first)
    const impatient = new AbortController()
    expect(waiters.wait(12, impatient.signal, 10)).not.toBe(first)
    const beyond = waiters.wait(50)
    // No longer the last in line: it must not be moved behind the one who waits for 50.
    const second = waiters.wait(60, undefined, 10)
    expect(second).not.toBe(first)
    const seen = watch([first, second, beyond])
    expect(waiters.lowest).toBe(12)
    expect(waiters.release(12)).toBe(1)
    expect(waiters.release(20)).toBe(3)
    await settle()
    expect(seen).toEqual([0])
    expect(waiters.release(60)).toBe(2)
    await settle()
    expect(seen).toEqual([0, 2, 1])
    const next = waiters.wait(61, undefined, 10)
    expect(next).not.toBe(second)
    const again = watch([next])
    waiters.rollBack(60, gone)
    const after = waiters.wait(61, undefined, 10)
    expect(after).not.toBe(next)
    waiters.release(61)
    await after
    expect(again).toEqual(['gone'])
  })

  test('rejects what is rolled back, and everybody in the end', async () => {
    const waiters = new OffsetWaiters()
    const seen = watch([4, 6, 5].map((offset) => waiters.wait(offset)))
    waiters.rollBack(4, gone)
    await settle()
    expect(seen).toEqual(['gone', 'gone'])
    waiters.fail(new StoreError('KFK_STORE_CLOSED', 'closed'))
    await settle()
    expect(seen).toEqual(['gone', 'gone', 'closed'])
    await expect(waiters.wait(1)).rejects.toThrow('closed')
  })

  test('forgets who gave up', async () => {
    const waiters = new OffsetWaiters()
    const impatient = new AbortController()
    const seen = watch([
      waiters.wait(4),
      waiters.wait(4, impatient.signal),
      waiters.wait(2, impatient.signal),
    ])
    impatient.abort(new Error('enough'))
    expect(waiters.lowest).toBe(4)
    await expect(waiters.wait(4, impatient.signal)).rejects.toThrow('enough')
    waiters.release(4)
    await settle()
    expect(seen).toEqual(['enough', 'enough', 0])
  })
})

describe('a log', () => {
  let fileSystem: ReturnType<typeof faultyFileSystem>
  let directory: LogDirectory
  /** Syncs of log files that were asked for and have not ended. */
  let held: (() => void)[]

  async function open(defaults: Partial<LogOptions> = {}): Promise<Log> {
    fileSystem = faultyFileSystem()
    held = []
    const openFile = fileSystem.open.bind(fileSystem)
    fileSystem.open = (path, mode) => {
      const handle = openFile(path, mode)
      if (!path.endsWith('.log')) return handle
      const syncData = handle.syncData.bind(handle)
      handle.syncData = (done) => void held.push(() => syncData(done))
      return handle
    }
    directory = await openLogDirectory('/data', {
      fileSystem,
      clock: new ManualClock(),
      defaults,
    })
    return directory.open('a-0')
  }
  /** Ends the syncs that are under way. */
  async function endSyncs(): Promise<number> {
    const ending = held.splice(0)
    for (const end of ending) end()
    await settle()
    return ending.length
  }
  afterEach(async () => {
    const closed = directory.close().catch(() => undefined)
    await settle()
    while ((await endSyncs()) > 0) continue
    await closed
  })
  const append = (log: Log, text: string) => log.append(record(text), { leaderEpoch: 1 })

  test('tells of the write before the sync, and of the medium after it', async () => {
    const log = await open()
    append(log, 'one')
    const seen = watch([log.whenDurable(1), log.whenWritten(1), log.whenAcknowledged(1)])
    expect(log.writtenOffset).toBe(0)
    await settle()
    expect(seen).toEqual([1])
    await endSyncs()
    expect(seen.sort()).toEqual([0, 1, 2])
    await Promise.all([log.whenWritten(1), log.whenDurable(1)])
  })

  test('syncs for who waits, though its settings leave that to the system', async () => {
    const log = await open({ flushMessages: never })
    append(log, 'one')
    log.flushNow()
    await log.whenAcknowledged(1)
    expect(held).toHaveLength(0)
    const seen = watch([log.whenDurable(1), log.whenDurable(1), log.whenDurable(2)])
    expect(held).toHaveLength(1)
    await endSyncs()
    expect(seen).toEqual([0, 1])
    // Nothing that the third waits for is written: no sync for it yet.
    expect(held).toHaveLength(0)
    append(log, 'two')
    log.flushNow()
    expect(held).toHaveLength(1)
    await endSyncs()
    expect(seen).toEqual([0, 1, 2])
    append(log, 'three')
    log.flushNow()
    await settle()
    expect(held).toHaveLength(0)
  })

  test('who asks during a sync that began before the write gets the next one', async () => {
    const log = await open({ flushMessages: never })
    append(log, 'one')
    log.flushNow()
    const first = watch([log.whenDurable(1)])
    append(log, 'two')
    log.flushNow()
    const second = watch([log.whenDurable(2)])
    expect(held).toHaveLength(1)
    await endSyncs()
    expect([first, second]).toEqual([[0], []])
    expect(await endSyncs()).toBe(1)
    expect(second).toEqual([0])
  })

  test('a queue that is written in two parts acknowledges the first without the second', async () => {
    const log = await open({ maxQueuedBytes: 100 })
    append(log, 'one')
    const first = watch([log.whenAcknowledged(1), log.whenDurable(1)])
    append(log, 'x'.repeat(90))
    expect(log.writtenOffset).toBe(1)
    const second = watch([log.whenAcknowledged(2), log.whenDurable(2)])
    await endSyncs()
    expect([first.sort(), second]).toEqual([[0, 1], []])
    while (second.length < 2) await endSyncs()
  })

  test('a full disk rejects those who wait for what was taken back', async () => {
    const log = await open()
    append(log, 'one')
    log.flushNow()
    fileSystem.inject({ operation: 'write', at: 1, error: 'ENOSPC' })
    append(log, 'two')
    const lost = [log.whenWritten(2), log.whenDurable(2)]
    const kept = watch([log.whenDurable(1)])
    log.flushNow()
    for (const each of lost)
      await expect(each).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
    await endSyncs()
    expect(kept).toEqual([0])
    append(log, 'again')
    const again = watch([log.whenWritten(2), log.whenDurable(2)])
    await settle()
    // What the full disk had taken is cut off by a sync of its own.
    expect([await endSyncs(), await endSyncs()]).toEqual([1, 1])
    expect(again).toEqual([0, 1])
  })

  test('a failed sync rejects those who wait for the medium, not those who have it', async () => {
    const log = await open()
    append(log, 'one')
    await settle()
    await endSyncs()
    fileSystem.inject({ operation: 'sync', path: '.log', at: 1, error: 'EIO' })
    append(log, 'two')
    const lost = log.whenDurable(2)
    const written = log.whenWritten(2)
    const never = log.whenWritten(3)
    await settle()
    await written
    void endSyncs()
    await expect(lost).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
    await expect(never).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
    await Promise.all([log.whenDurable(1), log.whenWritten(2)])
    await expect(log.whenDurable(2)).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
    await expect(log.whenWritten(3)).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  })

  test('close rejects those who wait for more than there is', async () => {
    const log = await open({ flushMessages: never })
    const seen = watch([log.whenWritten(1), log.whenDurable(1)])
    const abort = new AbortController()
    const given = watch([log.whenWritten(1, abort.signal), log.whenDurable(1, abort.signal)])
    abort.abort(new Error('enough'))
    await settle()
    expect([seen, given]).toEqual([[], ['enough', 'enough']])
    const closed = log.close()
    await settle()
    while ((await endSyncs()) > 0) continue
    await closed
    expect(seen).toEqual(['log a-0 is closed', 'log a-0 is closed'])
    await expect(log.whenWritten(1)).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
    await expect(log.whenDurable(1)).rejects.toMatchObject({ code: 'KFK_STORE_CLOSED' })
  })
})
