// Property: the epoch checkpoint says what the epochs said last, however many ask for it at once.
import { readCheckedFile } from '../src/checkpoint-file'
import { EpochFile } from '../src/epoch-file'
import { EpochIndex } from '../src/epoch-index'
import { memoryFileSystem } from '../src/fs/memory-file-system'

test('a checkpoint and a close that save at once do not take the file from each other', async () => {
  const fileSystem = memoryFileSystem()
  await fileSystem.makeDirectory('/log')
  const epochs = new EpochIndex()
  const file = new EpochFile(fileSystem, '/log', { epochs, current: false })
  const saves: Promise<void>[] = []
  for (let epoch = 1; epoch <= 5; epoch++) {
    epochs.assign(epoch, epoch * 10)
    saves.push(file.save(), file.save())
  }
  await Promise.all(saves)
  const saved = await readCheckedFile(fileSystem, '/log/leader-epoch-checkpoint')
  expect(Buffer.from(saved!).toString()).toBe('0\n5\n1 10\n2 20\n3 30\n4 40\n5 50\n')
  expect((await fileSystem.list('/log')).map((entry) => entry.name).sort()).toEqual([
    'kfk.leader-epoch-checkpoint.crc',
    'leader-epoch-checkpoint',
  ])
})
