// Property: the lines of a log are as true as its epoch file, also when the log goes meanwhile.
import { CleanerCheckpoint } from '../src/cleaner-checkpoint'
import type { StoreError } from '../src/errors'
import { faultyFileSystem } from '../src/fs/faulty-file-system'
import type { FileSystem } from '../src/fs/file-system'
import { memoryFileSystem } from '../src/fs/memory-file-system'
import { type CheckpointedLog, LogCheckpoints } from '../src/log-checkpoints'
import { RecoveryNotes } from '../src/recovery-notes'
import { ManualClock } from './support/manual-clock'

const report = () => undefined

async function checkpointsOn(fileSystem: FileSystem = memoryFileSystem()) {
  await fileSystem.makeDirectory('/data')
  const notes = new RecoveryNotes(fileSystem, '/data', {
    ...{ clock: new ManualClock(), intervalMs: 0, report },
  })
  return { fileSystem, checkpoints: new LogCheckpoints(fileSystem, '/data', notes) }
}

test('a log that goes while its epochs are saved keeps the lines that it had', async () => {
  const { fileSystem, checkpoints } = await checkpointsOn()
  const stays = { name: 'b-0', checkpointPoint: 5, logStartOffset: 2, firstOffset: 0 }
  const goes = {
    name: 'a-0',
    checkpointPoint: 10,
    logStartOffset: 4,
    firstOffset: 0,
    isGone: false,
  }
  const logs: CheckpointedLog[] = [
    { ...goes, saveEpochs: () => Promise.resolve() },
    { ...stays, isGone: false, saveEpochs: () => Promise.resolve() },
  ]
  await checkpoints.write(() => logs)
  const going = { ...goes, checkpointPoint: 20, logStartOffset: 8 }
  const later: CheckpointedLog = Object.assign(going, {
    saveEpochs: () => {
      going.isGone = true
      return Promise.resolve()
    },
  })
  const other = { ...stays, checkpointPoint: 7, logStartOffset: 3 }
  await checkpoints.write(() => [later, { ...logs[1]!, ...other }])
  const read = (await checkpointsOn(fileSystem)).checkpoints
  await read.load(report)
  expect([read.recoveryPoint('a-0'), read.logStartOffset('a-0')]).toEqual([10, 4])
  expect([read.recoveryPoint('b-0'), read.logStartOffset('b-0')]).toEqual([7, 3])
})

test('who is told of one write asks for another while the next is about to begin', async () => {
  const { fileSystem, checkpoints } = await checkpointsOn()
  const log = {
    ...{ name: 'a-0', checkpointPoint: 0, logStartOffset: 0, firstOffset: 0, isGone: false },
    saveEpochs: () => Promise.resolve(),
  }
  const write = () => {
    log.checkpointPoint++
    return checkpoints.write(() => [log])
  }
  const first = write()
  const second = write()
  // Two at once would take the temporary file from each other.
  await Promise.all([second, first.then(write), first.then(write)])
  const read = (await checkpointsOn(fileSystem)).checkpoints
  await read.load(report)
  expect(read.recoveryPoint('a-0')).toBe(4)
})

describe('a write that failed may have come as far as the disk', () => {
  const steps = ['create', 'write', 'sync', 'close', 'rename', 'syncDirectory'] as const
  const everyStep = steps.flatMap((operation) =>
    [1, 2, 3, 4].flatMap((at) =>
      (['lose-unsynced', 'keep-unsynced'] as const).map((crash) => ({
        ...{ operation, at, crash, error: 'EMFILE' },
      })),
    ),
  )

  test.each(everyStep)(
    'so what it replaced is written again ($operation $at, $crash)',
    async (fault) => {
      const fileSystem = faultyFileSystem()
      const { checkpoints } = await checkpointsOn(fileSystem)
      const at = (checkpointPoint: number, logStartOffset: number) =>
        checkpoints.write(() => [
          {
            ...{ name: 'a-0', checkpointPoint, logStartOffset, firstOffset: 0, isGone: false },
            saveEpochs: () => Promise.resolve(),
          },
        ])
      await at(3, 1)
      fileSystem.inject(fault)
      const failed = await at(10, 5).catch((error: unknown) => error)
      expect(failed === undefined).toBe(fileSystem.struck === 0)
      await at(3, 1)
      fileSystem.crash(fault.crash)
      const read = (await checkpointsOn(fileSystem)).checkpoints
      await read.load(report)
      expect([read.recoveryPoint('a-0'), read.logStartOffset('a-0')]).toEqual([3, 1])
    },
  )

  test.each(everyStep)('so what is clean is told again ($operation $at, $crash)', async (fault) => {
    const fileSystem = faultyFileSystem()
    await fileSystem.makeDirectory('/data')
    const poison = (error: StoreError) => error
    const host = { fileSystem, path: '/data', report, poisoned: undefined, poison }
    const cleaned = new CleanerCheckpoint(host)
    await cleaned.set('a-0', 5)
    fileSystem.inject(fault)
    await cleaned.set('a-0', 10).catch(() => undefined)
    fileSystem.clearFaults()
    await cleaned.lower('a-0', 7)
    fileSystem.crash(fault.crash)
    const offset = await new CleanerCheckpoint(host).offsetOf('a-0')
    expect(offset).toBe(fileSystem.struck === 0 ? 7 : 5)
  })
})
