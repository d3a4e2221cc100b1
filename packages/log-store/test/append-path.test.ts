// Appending while something else happens: a roll, a listener that appends, a refusal, a deletion.
import { faultyFileSystem, frameFormat, memoryFileSystem, openLogDirectory } from '../src/index'
import type { FileSystem, LogDirectory, LogOptions } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'

let directory: LogDirectory

async function open(fileSystem: FileSystem, defaults: Partial<LogOptions> = {}) {
  directory = await openLogDirectory('/data', { fileSystem, clock: new ManualClock(), defaults })
  return directory.open('a-0')
}
afterEach(() => directory.close())

const append = { leaderEpoch: 1 }

test.each([
  ['full segments', { segmentBytes: 300 }],
  ['a full queue', { maxQueuedBytes: 150 }],
])(
  'who appends when told of an acknowledgement does not get between offsets: %s',
  async (_, limits) => {
    const fileSystem = memoryFileSystem()
    const log = await open(fileSystem, { flushMessages: Number.MAX_SAFE_INTEGER, ...limits })
    const expected = new Map<number, string>()
    const add = (text: string) => {
      const { baseOffset } = log.append(record(text), append)
      expect(expected.has(baseOffset)).toBe(false)
      expected.set(baseOffset, text)
    }
    let echoes = 0
    log.onAcknowledged(() => {
      if (echoes < 100) add(`echo ${echoes++}`)
    })
    for (let n = 0; n < 100; n++) {
      add(`record ${n}`)
      if (n % 10 === 9) log.roll()
    }
    while (log.writtenOffset < log.logEndOffset) log.flushNow()
    expect(log.logEndOffset).toBe(expected.size)
    expect(echoes).toBeGreaterThan(20)
    const inOrder = new Map([...expected].sort(([a], [b]) => a - b))
    expect(await readAll(log)).toEqual(inOrder)
    await directory.close()
    expect(await readAll(await open(fileSystem))).toEqual(inOrder)
  },
)

test('an append that is refused leaves nothing behind', async () => {
  const log = await open(memoryFileSystem())
  log.append(record('kept'), append)
  const broken = Buffer.concat([record('good'), Buffer.alloc(50, 1)])
  expect(() => log.append(broken, append)).toThrow('append at byte')
  expect(log.logEndOffset).toBe(1)
  log.append(record('next'), append)
  await log.whenAcknowledged(2)
  expect([...(await readAll(log)).values()]).toEqual(['kept', 'next'])
})

test('a log that is written again and again in one turn is queued once', async () => {
  const log = await open(memoryFileSystem(), { flushMessages: Number.MAX_SAFE_INTEGER })
  const immediates = jest.spyOn(globalThis, 'setImmediate')
  try {
    for (let n = 0; n < 100; n++) {
      log.append(record(`record ${n}`), append)
      log.flushNow()
    }
    expect(immediates.mock.calls).toHaveLength(1)
  } finally {
    immediates.mockRestore()
  }
  await log.whenAcknowledged(100)
})

test.each([1, Number.MAX_SAFE_INTEGER])(
  'an append that rolls is synced with its segment, not after it (flushMessages %d)',
  async (flushMessages) => {
    const log = await open(memoryFileSystem(), { segmentBytes: 400, flushMessages })
    for (let n = 0; n < 40; n++) {
      const { syncs } = log.stats()
      const { segments } = log.stats()
      log.append(record(`record ${n}`), { leaderEpoch: 1 })
      await log.whenAcknowledged(n + 1)
      await settle()
      const rolled = log.stats().segments > segments
      expect(log.stats().syncs - syncs).toBe(rolled || flushMessages === 1 ? 1 : 0)
    }
    expect(log.stats().segments).toBeGreaterThan(4)
    const { syncs } = log.stats()
    log.roll()
    await settle()
    expect(log.stats().syncs).toBe(syncs + 1)
  },
)

test('a deletion waits for the sync that is under way', async () => {
  const memory = memoryFileSystem()
  const held: (() => void)[] = []
  let holding = true
  const log = await open({
    ...memory,
    open(path, mode) {
      const handle = memory.open(path, mode)
      const syncData = handle.syncData.bind(handle)
      handle.syncData = (done) => {
        if (holding && path.endsWith('.log')) held.push(() => syncData(done))
        else syncData(done)
      }
      return handle
    },
  })
  const other = await directory.open('b-0')
  log.append(record('one'), append)
  log.roll()
  await settle()
  let deleted = false
  const deletion = directory.delete('a-0').then(() => (deleted = true))
  await settle()
  expect(deleted).toBe(false)
  holding = false
  for (const end of held) end()
  await deletion
  // The sync had the indexes of the first segment to write, to a directory that was still there.
  expect(directory.poisoned).toBeUndefined()
  other.append(record('two'), append)
  await other.whenAcknowledged(1)
})

test('an epoch that goes back is refused: recovery would take it for damage', async () => {
  const fileSystem = faultyFileSystem()
  const directory = await openLogDirectory('/data', { fileSystem })
  const log = await directory.open('a-0')
  const frames = (...epochs: number[]) =>
    Buffer.concat(
      epochs.map((leaderEpoch, n) => {
        const frame = frameFormat.encode(`${leaderEpoch}`)
        frameFormat.stamp(frame, 0, { baseOffset: log.logEndOffset + n, leaderEpoch })
        return frame
      }),
    )
  const refused = expect.objectContaining({ code: 'KFK_STORE_INVALID_ARGUMENT' })
  log.appendReplicated(frames(3, 5))
  expect(() => log.appendReplicated(frames(5, 4))).toThrow(refused)
  expect(() => log.appendReplicated(frames(-1))).toThrow(refused)
  expect(() => log.append(frames(0), { leaderEpoch: 4 })).toThrow(refused)
  log.append(frames(0), { leaderEpoch: 5 })
  // Nothing was written with it.
  log.assignEpoch(9)
  log.appendReplicated(frames(6))
  log.append(frames(0), { leaderEpoch: 6 })
  expect(log.logEndOffset).toBe(5)
  expect([log.epochAt(3), log.latestEpoch]).toEqual([6, 6])
  await log.flush()
  fileSystem.crash('lose-unsynced')
  await using again = await openLogDirectory('/data', { fileSystem })
  expect((await again.open('a-0')).logEndOffset).toBe(5)
})
