// Property: what the crash explorers cannot tell from luck: names that recovery found are durable when it
// ends, checkpoints name only logs that exist, compaction leaves nothing to scan, a cut goes newest first.
import { dirname } from 'node:path'
import { openLogDirectory, recordingFileSystem } from '../src/index'
import { readCheckpoint } from '../src/checkpoint-file'
import { ManualClock } from './support/manual-clock'
import { record } from './support/records'

const defaults = { segmentBytes: 250, indexIntervalBytes: 80, retentionMs: -1 }
const open = (fileSystem: ReturnType<typeof recordingFileSystem>, options = {}) =>
  openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    checkpointMs: 0,
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
