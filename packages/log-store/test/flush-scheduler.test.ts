// Whose turn it is to be synced, and when those who waited are told.
import { type Syncable, SyncScheduler, type SyncState } from '../src/flush-scheduler'
import { type FileSystem, memoryFileSystem, openLogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'

class DirtyLog implements Syncable {
  syncState: SyncState = 'idle'
  needsSync = true
  readonly started: string[]
  readonly name: string
  end: () => void = () => undefined

  constructor(name: string, started: string[]) {
    this.name = name
    this.started = started
  }

  startSync(done: () => void): void {
    this.started.push(this.name)
    this.needsSync = false
    this.end = done
  }
}

function dirtyLogs(names: string) {
  const started: string[] = []
  const logs = new Map([...names].map((name) => [name, new DirtyLog(name, started)]))
  const dirty = (name: string) => {
    logs.get(name)!.needsSync = true
    return logs.get(name)!
  }
  return { started, dirty, end: (name: string) => logs.get(name)!.end() }
}

test('no more than so many at once, in the order in which they were asked for', () => {
  const { started, dirty, end } = dirtyLogs('abcd')
  const scheduler = new SyncScheduler(2)
  for (const name of 'abcdcb') scheduler.request(dirty(name))
  expect(started.join('')).toBe('ab')
  end('b')
  expect(started.join('')).toBe('abc')
  end('a')
  end('c')
  expect(started.join('')).toBe('abcdb')
})

test('a log that is always dirty leaves the others their turn, and is never synced twice at once', () => {
  const { started, dirty, end } = dirtyLogs('abc')
  const scheduler = new SyncScheduler(1)
  for (const name of 'abc') scheduler.request(dirty(name))
  for (let round = 0; round < 2; round++) {
    scheduler.request(dirty('a'))
    expect(started.filter((name) => name === 'a')).toHaveLength(round + 1)
    for (const name of 'abc') {
      end(name)
      if (name !== 'a') scheduler.request(dirty(name))
    }
  }
  expect(started.join('')).toBe('abcabca')
})

test('a log that needs it no more when its turn comes is left out', () => {
  const { started, dirty, end } = dirtyLogs('abc')
  const scheduler = new SyncScheduler(1)
  for (const name of 'abc') scheduler.request(dirty(name))
  dirty('b').needsSync = false
  end('a')
  expect(started.join('')).toBe('ac')
  scheduler.request(dirty('b'))
  end('c')
  expect(started.join('')).toBe('acb')
})

test('syncs of very many logs that all end at once', () => {
  let syncs = 0
  const scheduler = new SyncScheduler(1)
  const first = new DirtyLog('first', [])
  scheduler.request(first)
  for (let n = 0; n < 20_000; n++) {
    scheduler.request({
      syncState: 'idle',
      needsSync: true,
      startSync(done) {
        syncs++
        done()
      },
    })
  }
  first.end()
  expect(syncs).toBe(20_000)
})

/** Files whose syncs, and directories whose syncs, end when told to. */
function heldSyncs() {
  const fileSystem = memoryFileSystem()
  const held: (() => void)[] = []
  let holding: 'all' | 'names' | undefined
  const hold = (end: () => void, names = false) => {
    if (holding === 'all' || (holding === 'names' && names)) held.push(end)
    else end()
  }
  const withHeldSyncs: FileSystem = {
    ...fileSystem,
    open(path, mode) {
      const handle = fileSystem.open(path, mode)
      const syncData = handle.syncData.bind(handle)
      handle.syncData = (done) => syncData((error) => hold(() => done(error)))
      return handle
    },
    async syncDirectory(path) {
      await fileSystem.syncDirectory(path)
      await new Promise<void>((resolve) => hold(resolve, true))
    },
  }
  return {
    fileSystem: withHeldSyncs,
    held,
    hold: () => {
      holding = 'all'
    },
    holdNames: () => {
      holding = 'names'
    },
    release: () => {
      holding = undefined
      for (const end of held.splice(0)) end()
    },
  }
}

const append = { leaderEpoch: 1 }

async function openHeld(maxConcurrentSyncs = 1) {
  const syncs = heldSyncs()
  const directory = await openLogDirectory('/data', {
    fileSystem: syncs.fileSystem,
    clock: new ManualClock(),
    maxConcurrentSyncs,
    checkpointMs: 0,
  })
  return { syncs, directory }
}

test('the next sync has begun when those who waited for the last one are told', async () => {
  const { syncs, directory } = await openHeld()
  const [a, b] = [await directory.open('a-0'), await directory.open('b-0')]
  syncs.hold()
  a.append(record('one'), append)
  b.append(record('two'), append)
  a.flushNow()
  b.flushNow()
  await settle()
  expect(syncs.held).toHaveLength(1)
  let begun = 0
  a.onAcknowledged(() => {
    begun = b.stats().syncs
  })
  const before = b.stats().syncs
  syncs.held.shift()!()
  expect(a.acknowledgedOffset).toBe(1)
  expect(begun).toBe(before + 1)
  expect(b.acknowledgedOffset).toBe(0)
  syncs.release()
  await b.whenAcknowledged(1)
  await directory.close()
})

test('whoever waits for names, too, is not told by a sync that began before the roll', async () => {
  const { syncs, directory } = await openHeld()
  const log = await directory.open('a-0')
  log.append(record('one'), append)
  await log.whenAcknowledged(1)
  syncs.hold()
  log.append(record('two'), append)
  log.flushNow()
  log.roll()
  let flushed = false
  const flushing = log.flush().then(() => {
    flushed = true
  })
  await settle()
  // That of the data, which covers all that was appended, but not the name of the new segment.
  expect(syncs.held).toHaveLength(1)
  syncs.held.shift()!()
  await settle()
  expect(log.recoveryPoint).toBe(2)
  expect(flushed).toBe(false)
  syncs.release()
  await flushing
  await directory.close()
})

test('whoever waits for names while they are synced is told afterwards', async () => {
  const { syncs, directory } = await openHeld()
  const log = await directory.open('a-0')
  log.append(record('one'), append)
  await log.whenAcknowledged(1)
  syncs.holdNames()
  log.roll()
  await settle()
  const started = log.stats().syncs
  let flushed = false
  const flushing = log.flush().then(() => {
    flushed = true
  })
  await settle()
  expect([syncs.held.length, flushed]).toEqual([1, false])
  syncs.release()
  await flushing
  expect(log.stats().syncs).toBe(started)
  await directory.close()
})

test('a flush after an append joins the sync of that append', async () => {
  const { syncs, directory } = await openHeld()
  const log = await directory.open('a-0')
  await log.flush()
  const before = log.stats().syncs
  syncs.hold()
  log.append(record('one'), append)
  log.flushNow()
  const flushing = log.flush()
  await settle()
  syncs.held.shift()!()
  await flushing
  expect([log.recoveryPoint, log.stats().syncs, syncs.held.length]).toEqual([1, before + 1, 0])
  // One that began before the append does not do.
  log.configure({ flushMessages: Number.MAX_SAFE_INTEGER })
  log.append(record('two'), append)
  const both = [log.flush()]
  log.append(record('three'), append)
  both.push(log.flush())
  await settle()
  syncs.held.shift()!()
  await settle()
  expect([log.recoveryPoint, syncs.held.length]).toEqual([2, 1])
  syncs.release()
  await Promise.all(both)
  expect([log.recoveryPoint, log.stats().syncs]).toEqual([3, before + 3])
  await directory.close()
})

test('whoever waits for the medium is told by the sync that covers the record, with no other', async () => {
  const { syncs, directory } = await openHeld()
  const log = await directory.open('a-0', { flushMessages: Number.MAX_SAFE_INTEGER })
  await log.flush()
  const before = log.stats().syncs
  syncs.hold()
  log.append(record('one'), append)
  log.flushNow()
  const waiting = [log.whenDurable(1)]
  await settle()
  waiting.push(log.whenDurable(1))
  expect(syncs.held).toHaveLength(1)
  syncs.release()
  await Promise.all(waiting)
  expect(log.stats().syncs).toBe(before + 1)
  await directory.close()
})
