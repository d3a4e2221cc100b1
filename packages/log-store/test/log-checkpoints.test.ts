// Property: the lines of a log are as true as its epoch file, also when the log goes meanwhile.
import { memoryFileSystem } from '../src/fs/memory-file-system'
import { type CheckpointedLog, LogCheckpoints } from '../src/log-checkpoints'
import { RecoveryNotes } from '../src/recovery-notes'
import { ManualClock } from './support/manual-clock'

const report = () => undefined

async function checkpointsOn(fileSystem = memoryFileSystem()) {
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
