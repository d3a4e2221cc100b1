// Property: a segment ends where Kafka would end it, and never holds what its indexes cannot express.
import {
  faultyFileSystem,
  frameFormat,
  openLogDirectory,
  type FaultyFileSystem,
  type Log,
  type LogDirectory,
  type LogOptions,
} from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record } from './support/records'

let fileSystem: FaultyFileSystem
let clock: ManualClock
let directory: LogDirectory

beforeEach(() => {
  fileSystem = faultyFileSystem()
  clock = new ManualClock()
})
afterEach(() => directory.close())

async function open(defaults: Partial<LogOptions> = {}): Promise<Log> {
  const options = { fileSystem, clock, defaults, offsetGaps: true }
  directory = await openLogDirectory('/data', options)
  return directory.open('a-0')
}

function at(baseOffset: number, text: string, timestamp?: number): Uint8Array {
  const bytes = record(text, timestamp)
  frameFormat.stamp(bytes, 0, { baseOffset, leaderEpoch: 1 })
  return bytes
}

const append = (log: Log, text: string, timestamp?: number) =>
  log.append(record(text, timestamp), { leaderEpoch: 1 })

async function indexSizes(): Promise<number[]> {
  const sizes: number[] = []
  for (const { name } of await fileSystem.list('/data/a-0')) {
    if (name.endsWith('index')) sizes.push((await fileSystem.stat(`/data/a-0/${name}`))!.sizeBytes)
  }
  return sizes
}

test('an index never outgrows its bound, whole entries counted, whatever is queued', async () => {
  for (const segmentIndexBytes of [50, 96, 100]) {
    fileSystem = faultyFileSystem()
    const log = await open({ indexIntervalBytes: 1, segmentIndexBytes })
    for (let n = 0; n < 60; n++) append(log, `record ${n}`, 1000 + n)
    await log.whenAcknowledged(60)
    await directory.close()
    expect(Math.max(...(await indexSizes()))).toBeLessThanOrEqual(segmentIndexBytes)
    // The time index is full first, with a slot kept free; the first batch has no entry.
    const entries = Math.floor(segmentIndexBytes / 12)
    expect(log.stats().segments).toBe(Math.ceil(60 / entries))
  }
})

test('a batch too far ahead for the indexes begins a segment of its own', async () => {
  const far = 2 ** 31 + 5
  const log = await open()
  log.appendReplicated(at(far, 'first of all'))
  log.appendReplicated(at(far + 7, 'near'))
  log.appendReplicated(at(far * 2 + 9, 'far again'))
  await log.whenAcknowledged(log.logEndOffset)
  expect(log.stats().segments).toBe(3)
  await directory.close()
  const again = await open()
  expect([...(await readAll(again)).entries()]).toEqual([
    [far, 'first of all'],
    [far + 7, 'near'],
    [far * 2 + 9, 'far again'],
  ])
  expect(again.logEndOffset).toBe(far * 2 + 10)
  expect(() =>
    again.appendReplicated(Buffer.concat([at(far * 3, 'x'), at(far * 4 + 1, 'y')])),
  ).toThrow(expect.objectContaining({ code: 'KFK_STORE_INVALID_ARGUMENT' }))
})

test('the log ends where its last segment begins when the far batch cannot be written', async () => {
  const far = 2 ** 31 + 5
  const log = await open()
  append(log, 'near')
  await log.whenAcknowledged(1)
  fileSystem.inject({ operation: 'write', at: 1, error: 'ENOSPC' })
  log.appendReplicated(at(far, 'far'))
  await expect(log.whenAcknowledged(far + 1)).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  expect(log.logEndOffset).toBe(far)
  append(log, 'next')
  await log.whenAcknowledged(far + 1)
  await directory.close()
  const again = await open()
  expect([...(await readAll(again)).entries()]).toEqual([
    [0, 'near'],
    [far, 'next'],
  ])
})

test('age is that of the records, not of the clock', async () => {
  const log = await open({ segmentMs: 1000 })
  append(log, 'first', 5000)
  clock.advance(100_000)
  append(log, 'as old as may be', 6000)
  await log.flush()
  expect(log.stats().segments).toBe(1)
  append(log, 'younger', 6001)
  await log.flush()
  expect(log.stats().segments).toBe(2)
})
