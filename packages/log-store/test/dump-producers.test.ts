import { join } from 'node:path'
import { dumpSegment, memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { Producer, producerFrames } from './support/producer-frames'
import { flipped, writeFile } from './support/stored-files'
import { readWholeFile } from '../src/checkpoint-file'

const path = '/data/a-0'
const segment = '00000000000000000000'
const snapshot = '00000000000000000007.snapshot'
let fileSystem: FileSystem

beforeEach(async () => {
  fileSystem = memoryFileSystem()
  const clock = new ManualClock()
  const directory = await openLogDirectory('/data', { fileSystem, clock, format: producerFrames })
  const log = await directory.open('a-0')
  const [a, b] = [new Producer(7), new Producer(8, 2)]
  const timestamp = clock.now()
  const transactional = true
  const batches = [
    ...[a.data({ timestamp }), b.data({ timestamp, transactional }), a.data({ timestamp })],
    ...[b.marker('abort', timestamp), a.data({ timestamp, transactional }), a.data({ timestamp })],
    b.marker('abort', timestamp),
  ]
  for (const batch of batches) log.append(batch, { leaderEpoch: 0 })
  await directory.close()
})

async function dump(name: string, quiet = false): Promise<string[]> {
  const lines: string[] = []
  const options = { fileSystem, format: producerFrames, quiet }
  for await (const { text } of dumpSegment(join(path, name), options)) lines.push(text)
  return lines
}

async function change(name: string, edit: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const bytes = await readWholeFile(fileSystem, join(path, name))
  writeFile(fileSystem, join(path, name), edit(bytes!))
}

test('a snapshot is printed with all batches that are known', async () => {
  expect((await dump(snapshot)).slice(1)).toEqual([
    'producer 7 epoch 0 timestamp 1700000000000 open transaction from 4 ' +
      'sequences 0..0 at 0..0, 1..1 at 2..2, 2..2 at 4..4, 3..3 at 5..5',
    'producer 8 epoch 2 timestamp 1700000000000 coordinator epoch 3 sequences 0..0 at 1..1',
    '2 producers',
  ])
  expect(await dump(snapshot, true)).toHaveLength(2)
})

test('a transaction index is printed and compared with the log', async () => {
  const name = `${segment}.txnindex`
  expect((await dump(name)).slice(1)).toEqual([
    'producer 8 offsets 1..3 stable 4',
    '1 aborted transactions',
  ])
  await change(name, (bytes) => flipped(bytes, 9))
  expect((await dump(name, true)).slice(1)).toEqual([
    'PROBLEM its checksum beside it does not match',
    'PROBLEM producer 9 offsets 1..3 stable 4: the log has no abort marker of it there',
    '1 aborted transactions',
  ])
})

test.each([
  ['a snapshot', snapshot, snapshot, /^PROBLEM not a snapshot/],
  ['a detail', `kfk.${snapshot}-detail`, snapshot, /^PROBLEM kfk\.\d+\.snapshot-detail is damaged/],
])('a damaged byte of %s is found', async (_of, name, dumped, message) => {
  await change(name, (bytes) => flipped(bytes, 12))
  expect(await dump(dumped)).toContainEqual(expect.stringMatching(message))
})

test('a shortened index and a snapshot of later records are found', async () => {
  await change(`${segment}.txnindex`, (bytes) => bytes.subarray(0, 33))
  expect(await dump(`${segment}.txnindex`)).toContainEqual(
    expect.stringMatching(/^PROBLEM not a transaction index/),
  )
  const early = '00000000000000000002.snapshot'
  await fileSystem.rename(join(path, snapshot), join(path, early))
  expect(await dump(early)).toContainEqual(
    expect.stringMatching(/^PROBLEM producer 7 .*: beyond the snapshot$/),
  )
})
