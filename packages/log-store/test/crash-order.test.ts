// Property: what the crash explorers cannot tell from luck: names that recovery found are durable when it
// ends, checkpoints name only logs that exist, compaction leaves nothing to scan, a cut goes newest first,
// a refused append stays away.
import { dirname } from 'node:path'
import { openLogDirectory, recordingFileSystem } from '../src/index'
import { readCheckpoint } from '../src/checkpoint-file'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'

const defaults = { segmentBytes: 250, indexIntervalBytes: 80, retentionMs: -1 }
const open = (fileSystem: ReturnType<typeof recordingFileSystem>, options = {}, more = {}) =>
  openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    checkpointMs: 0,
    ...more,
    defaults: { ...defaults, ...options },
  })

async function fill(fileSystem: ReturnType<typeof recordingFileSystem>, names: readonly string[]) {
  const directory = await open(fileSystem)
  for (const name of names) {
    const log = await directory.open(name)
    for (let n = 0; n < 20; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
    await log.flush()
  }
  return directory
}

test('what recovery found after the end of a process is there after a power cut, too', async () => {
  const disk = recordingFileSystem()
  // Epochs are on the disk: recovery has no other names to make durable.
  await (await fill(disk, ['a-0'])).close()
  const directory = await open(disk, { flushMessages: Number.MAX_SAFE_INTEGER })
  const log = await directory.open('a-0')
  const before = disk.steps.length
  for (let n = 20; n < 40; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
  await log.whenWritten(40)
  // Of all that the process wrote since, the disk has been told to keep nothing.
  const named = (step: { kind: string }, at: number) => at >= before && step.kind === 'create'
  const killedAt = disk.steps.findLastIndex(named) + 1
  const left = disk.goOnAfter(killedAt)
  const pending = left.steps.filter(({ kind, path }) => kind === 'create' && path.endsWith('.log'))
  expect(pending.length).toBeGreaterThan(0)
  await (await open(left)).open('a-0')
  const after = left.crashAfter(left.steps.length).restart(() => 'lost').fileSystem
  const names = (await after.list('/data/a-0')).map(({ name }) => name)
  for (const { path } of pending) expect(names).toContain(path.slice(path.lastIndexOf('/') + 1))
})

test('checkpoints name no log that is gone', async () => {
  const disk = recordingFileSystem()
  await (await fill(disk, ['a-0', 'b-0'])).close()
  await disk.removeDirectory('/data/b-0')
  const directory = await open(disk)
  await directory.checkpoint()
  const points = await readCheckpoint(disk, '/data/recovery-point-offset-checkpoint')
  expect([...points.keys()]).toEqual(['a-0'])
})

test('what is compacted lies below the recovery point', async () => {
  const disk = recordingFileSystem()
  const directory = await fill(disk, ['a-0'])
  const log = await directory.open('a-0')
  log.configure({ cleanupPolicy: 'compact' })
  const before = disk.steps.length
  await directory.compact('a-0')
  const swap = disk.steps.findIndex(
    ({ kind, path }, at) => at >= before && kind === 'create' && path.endsWith('.cleaned'),
  )
  expect(swap).toBeGreaterThan(before)
  const left = disk.crashAfter(swap).restart(() => 'lost').fileSystem
  const points = await readCheckpoint(left, '/data/recovery-point-offset-checkpoint')
  expect(points.get('a-0')).toBe(20)
})

test('a cut takes the newest segment first, so that the end of the process leaves no hole', async () => {
  const disk = recordingFileSystem()
  const directory = await fill(disk, ['a-0'])
  const log = await directory.open('a-0')
  const before = disk.steps.length
  await log.truncateTo(3)
  const gone = disk.steps
    .slice(before)
    .filter(({ kind, path }) => kind === 'rename' && path.endsWith('.log'))
    .map(({ path }) => path)
  expect(gone.length).toBeGreaterThan(2)
  expect(gone).toEqual([...gone].sort().reverse())
  expect(dirname(gone[0]!)).toBe('/data/a-0')
})

describe('an append that was refused when it had been written by half', () => {
  /** Of two chunks the first is written. Syncs of data wait while `held` is there. */
  function fullDisk() {
    const disk = recordingFileSystem()
    const state = { full: false, held: undefined as (() => void)[] | undefined }
    const open = disk.open.bind(disk)
    disk.open = (path, mode) => {
      const handle = open(path, mode)
      if (!path.endsWith('.log')) return handle
      const writevSync = handle.writevSync.bind(handle)
      const syncData = handle.syncData.bind(handle)
      handle.writevSync = (chunks, position) => {
        if (!state.full) return writevSync(chunks, position)
        if (chunks.length > 1) return writevSync(chunks.slice(0, 1), position)
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
      }
      handle.syncData = (done) => {
        if (state.held === undefined) syncData(done)
        else state.held.push(() => syncData(done))
      }
      return handle
    }
    return { disk, state }
  }

  async function begun() {
    const { disk, state } = fullDisk()
    await (await fill(disk, ['a-0'])).close()
    const options = { segmentBytes: 10_000 }
    const directory = await open(disk, options, { maxConcurrentSyncs: 1 })
    return { disk, state, directory, log: await directory.open('a-0') }
  }

  async function refuse({ state, log }: Awaited<ReturnType<typeof begun>>): Promise<void> {
    state.full = true
    log.append(record('refused'), { leaderEpoch: 1 })
    log.append(record('refused'), { leaderEpoch: 1 })
    log.flushNow()
    state.full = false
    expect(log.logEndOffset).toBe(log.writtenOffset)
  }

  /** What a power cut leaves at worst: what was written, not what was cut off. */
  async function afterPowerCut(disk: ReturnType<typeof recordingFileSystem>) {
    const point = disk.crashAfter(disk.steps.length)
    const left = point.restart(({ kind }) => (kind === 'truncate' ? 'lost' : 'kept')).fileSystem
    const directory = await openLogDirectory('/data', { fileSystem: left, checkpointMs: 0 })
    const found = await readAll(await directory.open('a-0'))
    await directory.close()
    return [...found.values()].slice(19)
  }

  test('is gone when a flush has ended', async () => {
    const world = await begun()
    await refuse(world)
    await world.log.flush()
    expect(await afterPowerCut(world.disk)).toEqual(['record 19'])
  })

  test('is gone after a while in which nobody asks for anything', async () => {
    const world = await begun()
    await refuse(world)
    await settle()
    expect(await afterPowerCut(world.disk)).toEqual(['record 19'])
  })

  test('is gone when the log was closed cleanly, though others had the syncs', async () => {
    const world = await begun()
    const { state, directory } = world
    const other = await directory.open('b-0')
    state.held = []
    other.append(record('other'), { leaderEpoch: 1 })
    other.flushNow()
    await refuse(world)
    const closed = directory.close()
    await settle()
    const [first] = state.held
    state.held = undefined
    first!()
    await closed
    expect(await afterPowerCut(world.disk)).toEqual(['record 19'])
  })

  test('is gone when a flush has ended, though a sync was under way before', async () => {
    const world = await begun()
    const { state, log, disk } = world
    state.held = []
    log.append(record('kept'), { leaderEpoch: 1 })
    log.flushNow()
    await settle()
    const [first] = state.held
    const before = disk.steps.length
    await refuse(world)
    state.held = [first!]
    let flushed = false
    const flush = log.flush().then(() => (flushed = true))
    await settle()
    expect([flushed, disk.steps.length > before]).toEqual([false, true])
    first!()
    await settle()
    // The next one, which has begun behind the cut, is held as well.
    expect([flushed, state.held.length]).toEqual([false, 2])
    state.held[1]!()
    await flush
    expect(await afterPowerCut(disk)).toEqual(['record 19', 'kept'])
  })
})
