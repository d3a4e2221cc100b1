// Producers and transactions of a log through restart, roll, truncation, retention and damage.
import { memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogDirectoryOptions, StoreReport } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { Producer, producerFrames, producersOf, replayed, viewOf } from './support/producer-frames'
import { record } from './support/records'

const path = '/data/a-0'
const defaults = {
  segmentBytes: 700,
  indexIntervalBytes: 100,
  retentionMs: -1,
  fileDeleteDelayMs: 0,
}
let fileSystem: FileSystem
let clock: ManualClock
let reports: StoreReport[]
let directory: LogDirectory

beforeEach(() => {
  fileSystem = memoryFileSystem()
  clock = new ManualClock()
  reports = []
})
afterEach(() => directory.close())

async function open(options: LogDirectoryOptions = {}): Promise<Log> {
  directory = await openLogDirectory('/data', {
    ...{ fileSystem, clock, defaults, format: producerFrames },
    onReport: (report) => reports.push(report),
    ...options,
  })
  return directory.open('a-0')
}

function put(log: Log, ...batches: Uint8Array[]): number {
  let offset = -1
  for (const batch of batches) offset = log.append(batch, { leaderEpoch: 0 }).lastOffset
  return offset
}

/** Several producers, with and without transactions, over some segments; one stays open. */
async function fill(log: Log): Promise<void> {
  const [a, b, c] = [new Producer(1), new Producer(2, 4), new Producer(3)]
  const transactional = true
  for (let round = 0; round < 6; round++) {
    put(log, a.data({ timestamp: clock.now() }), record('plain'))
    put(log, b.data({ transactional, timestamp: clock.now() }))
    put(log, c.data({ transactional, timestamp: clock.now() }), a.data({ timestamp: clock.now() }))
    put(log, b.data({ transactional, timestamp: clock.now() }))
    put(log, b.marker(round % 2 === 0 ? 'abort' : 'commit', clock.now()))
    if (round % 3 === 1) put(log, c.marker('abort', clock.now()))
    await log.whenAcknowledged(log.logEndOffset)
  }
}

test('a clean restart has the same producers and transactions, without a replay', async () => {
  let log = await open()
  await fill(log)
  const before = await viewOf(log)
  expect(before).toEqual(await replayed(log))
  expect(before.aborted).toHaveLength(5)
  expect(before.producers).toHaveLength(3)
  expect(producersOf(log).get(1n)?.batches).toHaveLength(5)
  await directory.close()
  log = await open()
  expect(reports).toEqual([])
  expect(await viewOf(log)).toEqual(before)
  expect(log.lastStableOffset()).toBe(before.firstUnstable)
})

test('an unclean stop is followed by a scan that finds the same', async () => {
  let log = await open()
  await fill(log)
  const before = await viewOf(log)
  await directory.close()
  await fileSystem.remove('/data/.kafka_cleanshutdown')
  log = await open()
  expect(await viewOf(log)).toEqual(before)
})
