// Property: wherever a workload with transactions is cut off, and whatever of the unsynced state
// survives, the producers and aborted transactions that a log is opened with are those that a replay
// of its surviving batches finds.
import { faultyFileSystem, openLogDirectory, StoreError } from '../src/index'
import type { CrashOutcome, FaultyFileSystem, LogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { Producer, producerFrames, replayed, viewOf } from './support/producer-frames'
import { rounds } from './support/proofs'
import { record, settle } from './support/records'

const outcomes: CrashOutcome[] = [
  'lose-unsynced',
  'keep-unsynced',
  'tear-last-write',
  'zero-last-write',
]
const defaults = {
  segmentBytes: 500,
  indexIntervalBytes: 100,
  retentionMs: -1,
  fileDeleteDelayMs: 0,
}

interface World {
  readonly fileSystem: FaultyFileSystem
  readonly clock: ManualClock
  directory: LogDirectory
  readonly producers: Producer[]
}

function open(fileSystem: FaultyFileSystem, clock: ManualClock): Promise<LogDirectory> {
  return openLogDirectory('/data', { fileSystem, clock, defaults, format: producerFrames })
}

type Step = (world: World) => Promise<void>

/** Two transactions that overlap over a roll, one of which ends so; and others in between. */
function transactions(end: 'commit' | 'abort', flushMessages = 1): Step {
  return async ({ directory, clock, producers: [a, b, c] }) => {
    const log = await directory.open('a-0')
    log.configure({ flushMessages })
    const timestamp = clock.now()
    const open = { transactional: true, timestamp }
    const batches = [
      ...[a!.data(open), b!.data(open), c!.data({ timestamp }), record('plain', timestamp)],
      ...[a!.data(open), b!.marker('abort', timestamp), c!.data({ timestamp, bytes: 100 })],
      ...[a!.marker(end, timestamp), b!.data(open)],
    ]
    for (const [at, batch] of batches.entries()) {
      log.append(batch, { leaderEpoch: 1 })
      if (at % 3 === 2) await log.whenAcknowledged(log.logEndOffset)
    }
    await log.whenAcknowledged(log.logEndOffset)
  }
}

const checkpoint: Step = ({ directory }) => directory.checkpoint()

const restart: Step = async (world) => {
  await world.directory.close()
  world.directory = await open(world.fileSystem, world.clock)
}

function truncate(records: number): Step {
  return async ({ directory }) => {
    const log = await directory.open('a-0')
    await log.truncateTo(log.logEndOffset - records)
  }
}

const workload: Step[] = [
  transactions('abort'),
  transactions('commit', Number.MAX_SAFE_INTEGER),
  checkpoint,
  truncate(4),
  transactions('abort'),
  restart,
  transactions('abort', Number.MAX_SAFE_INTEGER),
  truncate(15),
  restart,
  transactions('commit'),
]

/** True when the workload came to its end before the crash. */
async function crashAt(mutation: number, outcome: CrashOutcome): Promise<boolean> {
  const fileSystem = faultyFileSystem()
  const clock = new ManualClock()
  fileSystem.crashAt(mutation)
  let finished = true
  try {
    const producers = [1, 2, 3].map((id) => new Producer(id))
    const world = { fileSystem, clock, producers, directory: await open(fileSystem, clock) }
    for (const step of workload) {
      await step(world)
      clock.advance(20)
    }
    await world.directory.close()
  } catch (error) {
    if (!(error instanceof StoreError) && !/ESTOPPED/.test(String(error))) throw error
    finished = false
  }
  await settle()
  finished &&= !fileSystem.stopped
  fileSystem.crash(outcome)
  // Twice: the second time from what the first one wrote, cleanly closed or not.
  for (const clean of [mutation % 2 === 0, true]) {
    const directory = await open(fileSystem, clock)
    const log = await directory.open('a-0')
    expect(await viewOf(log)).toEqual(await replayed(log))
    if (clean) await directory.close()
    else fileSystem.crash('lose-unsynced')
  }
  return finished
}

test.each(outcomes)('crash points, %s', async (outcome) => {
  let mutation = 0
  let finished = false
  while (!finished) {
    mutation += rounds(1, 5)
    try {
      finished = await crashAt(mutation, outcome)
    } catch (error) {
      throw new Error(`crash at mutation ${mutation}: ${String((error as Error).stack)}`, {
        cause: error,
      })
    }
  }
  expect(mutation).toBeGreaterThan(150)
})

test('a transaction index that found no room is there after a kill', async () => {
  const fileSystem = faultyFileSystem()
  const clock = new ManualClock()
  const directory = await open(fileSystem, clock)
  const log = await directory.open('a-0')
  const producer = new Producer(1)
  const append = async (batch: Uint8Array) => {
    log.append(batch, { leaderEpoch: 1 })
    await log.whenAcknowledged(log.logEndOffset)
  }
  await append(record('first'))
  await directory.checkpoint()
  const times = Number.MAX_SAFE_INTEGER
  fileSystem.inject({ operation: 'write', path: 'txnindex', at: 1, times, error: 'ENOSPC' })
  const timestamp = clock.now()
  await append(producer.data({ transactional: true, timestamp }))
  await append(producer.marker('abort', timestamp))
  for (let n = 0; n < 40; n++) await append(producer.data({ timestamp }))
  clock.advance(1_000)
  await settle()
  fileSystem.crash('keep-unsynced')
  const again = await (await open(fileSystem, clock)).open('a-0')
  expect(await viewOf(again)).toEqual(await replayed(again))
  expect((await viewOf(again)).aborted).toHaveLength(1)
})

/** A log that ends at its recovery point, with an aborted transaction, and is rolled there. */
async function rolledAtCheckpoint(fileSystem: FaultyFileSystem, clock: ManualClock) {
  const directory = await open(fileSystem, clock)
  const log = await directory.open('a-0')
  const producer = new Producer(1)
  const timestamp = clock.now()
  log.append(producer.data({ transactional: true, timestamp }), { leaderEpoch: 1 })
  log.append(producer.marker('abort', timestamp), { leaderEpoch: 1 })
  await log.whenAcknowledged(2)
  await directory.checkpoint()
  log.roll()
  log.append(producer.data({ timestamp }), { leaderEpoch: 1 })
  log.flushNow()
  return log
}

test.each(outcomes)('stops around a roll at the recovery point, %s', async (outcome) => {
  let states = 0
  for (let first = 1, again = true; again; first++) {
    for (let second = 1 + (first % rounds(1, 3)); ; second += rounds(1, 3)) {
      const fileSystem = faultyFileSystem()
      const clock = new ManualClock()
      const log = await rolledAtCheckpoint(fileSystem, clock)
      fileSystem.crashAt(first)
      await log.flush().catch(() => undefined)
      again = fileSystem.stopped
      fileSystem.crash(outcome)
      // In the middle of the opening, too.
      fileSystem.crashAt(second)
      const opened = open(fileSystem, clock).then((directory) => directory.open('a-0'))
      await opened.catch(() => undefined)
      const { stopped } = fileSystem
      fileSystem.crash(outcome)
      const found = await viewOf(await (await open(fileSystem, clock)).open('a-0'))
      expect([first, second, found.aborted.length]).toEqual([first, second, 1])
      states++
      if (!stopped) break
    }
  }
  expect(states).toBeGreaterThan(rounds(60, 20))
})

test('a full disk has no room for the index of a segment that ends at the recovery point', async () => {
  const fileSystem = faultyFileSystem()
  const clock = new ManualClock()
  const log = await rolledAtCheckpoint(fileSystem, clock)
  fileSystem.inject({ operation: 'write', path: 'txnindex', at: 1, error: 'ENOSPC' })
  await log.flush()
  expect(fileSystem.struck).toBe(1)
  fileSystem.crash('keep-unsynced')
  const again = await (await open(fileSystem, clock)).open('a-0')
  expect((await viewOf(again)).aborted).toHaveLength(1)
})
