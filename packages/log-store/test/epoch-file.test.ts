// Property: the epoch checkpoint says what the epochs said last, however many ask for it at once.
import { readCheckedFile } from '../src/checkpoint-file'
import { EpochFile } from '../src/epoch-file'
import { EpochIndex } from '../src/epoch-index'
import { memoryFileSystem } from '../src/fs/memory-file-system'
import { faultyFileSystem, openLogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'

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

test('epochs that no checkpoint has seen are there after a kill', async () => {
  const fileSystem = faultyFileSystem()
  const clock = new ManualClock()
  const open = () =>
    openLogDirectory('/data', { fileSystem, clock, defaults: { indexIntervalBytes: 60 } })
  const directory = await open()
  const log = await directory.open('a-0')
  const append = async (count: number, leaderEpoch: number) => {
    for (let n = 0; n < count; n++) {
      log.append(record('some text', 1000 + log.logEndOffset), { leaderEpoch })
    }
    await log.whenAcknowledged(log.logEndOffset)
  }
  await append(10, 1)
  await directory.checkpoint()
  await append(10, 2)
  // So many that recovery could begin behind them, where the index leads.
  await append(500, 3)
  clock.advance(1_000)
  await settle()
  fileSystem.crash('keep-unsynced')
  const again = await (await open()).open('a-0')
  expect([5, 15, 25, 515].map((offset) => again.epochAt(offset))).toEqual([1, 2, 3, 3])
})

test.each([[[3, 4]], [[1, 1, 1]], [[2, 2, 2]]])(
  'epochs %j in the place of what was cut, of which no checkpoint has seen anything',
  async (epochs) => {
    const fileSystem = faultyFileSystem()
    const open = () => openLogDirectory('/data', { fileSystem, clock: new ManualClock() })
    const directory = await open()
    const log = await directory.open('a-0')
    const append = async (leaderEpoch: number) => {
      log.append(record('some text'), { leaderEpoch })
      await log.whenDurable(log.logEndOffset)
    }
    for (const epoch of [1, 1, 1, 3]) await append(epoch)
    await directory.checkpoint()
    // The machine stops before the epochs are saved again.
    const noRoom = { error: 'ENOSPC', at: 1, times: 100, operation: 'create' } as const
    fileSystem.inject({ ...noRoom, path: 'leader-epoch-checkpoint' })
    await expect(log.truncateTo(1)).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
    for (const epoch of epochs) await append(epoch)
    fileSystem.crash('lose-unsynced')
    const again = await (await open()).open('a-0')
    const found = [0, ...epochs.keys()].map((_, offset) => again.epochAt(offset))
    expect(found).toEqual([1, ...epochs])
  },
)
