// Property: a callback that throws is heard of, and changes nothing else: the store goes on as if it had not.
import { openLogDirectory } from '../src/index'
import type { FaultyFileSystem, LogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { record, settle } from './support/records'
import { slowDisk } from './support/slow-disk'

let disk: FaultyFileSystem
let surfaced: string[]

beforeEach(() => {
  disk = slowDisk(1)
  surfaced = []
  // What is thrown there ends a process, and would end the test.
  jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((work) => {
    const note = (error: unknown) => surfaced.push((error as Error).message)
    void Promise.resolve().then(work).catch(note)
  })
})
afterEach(() => {
  jest.restoreAllMocks()
})

function open(onReport?: () => void): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem: disk,
    clock: new ManualClock(),
    defaults: { segmentBytes: 400 },
    ...(onReport && { onReport }),
  })
}

function fail(): never {
  throw new Error('a bug of whoever listens')
}

test('onTruncated: the cut is done, and all others hear of it', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  for (let n = 0; n < 50; n++) log.append(record(`old ${n}`), { leaderEpoch: 1 })
  const told: number[] = []
  log.onTruncated(fail)
  log.onTruncated((offset) => told.push(offset))
  await log.truncateTo(20)
  expect([directory.poisoned, log.logEndOffset, told]).toEqual([undefined, 20, [20]])
  expect(surfaced).toHaveLength(1)
  await directory.close()
})

test('onPoisoned, onReport: every log is poisoned', async () => {
  const directory = await open(fail)
  const logs = await Promise.all(['a-0', 'b-0', 'c-0'].map((name) => directory.open(name)))
  for (const log of logs) log.onPoisoned(fail)
  disk.inject({ operation: 'sync', path: 'b-0/', at: 1, error: 'EIO' })
  logs[1]!.append(record('x'), { leaderEpoch: 1 })
  const waited = logs[1]!.whenAcknowledged(1).catch((error: unknown) => error)
  await settle(20)
  for (const log of logs) {
    expect(() => log.append(record('y'), { leaderEpoch: 1 })).toThrow('takes no more appends')
  }
  expect(await waited).toMatchObject({ code: 'KFK_STORE_IO' })
  expect(surfaced).toHaveLength(4)
  await directory.close()
})

test('onAcknowledged, onRollback: records come and go as they should', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  log.onAcknowledged(fail)
  log.onRollback(fail)
  log.append(record('kept'), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  disk.inject({ operation: 'write', path: '.log', at: 1, error: 'ENOSPC' })
  log.append(record('taken back'), { leaderEpoch: 1 })
  const refused = expect(log.whenAcknowledged(2)).rejects
  await refused.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  log.append(record('kept too'), { leaderEpoch: 1 })
  await log.whenAcknowledged(2)
  await settle(1)
  expect(surfaced).toHaveLength(3)
  await directory.close()
  expect((await open()).cleanStart).toBe(true)
})
