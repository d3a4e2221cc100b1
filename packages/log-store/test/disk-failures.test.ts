// Property: a failing disk is never reported as success; a full one passes.
import { faultyFileSystem, openLogDirectory } from '../src/index'
import type { FaultyFileSystem, LogDirectory, Rollback, StoreReport } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'

let fileSystem: FaultyFileSystem
let reports: StoreReport[]
let clock: ManualClock

beforeEach(() => {
  fileSystem = faultyFileSystem()
  reports = []
  clock = new ManualClock()
})

function open(defaults = {}): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem,
    clock,
    defaults: { segmentBytes: 400, indexIntervalBytes: 100, ...defaults },
    onReport: (report) => reports.push(report),
  })
}

test('a failed fdatasync poisons the directory: no retry, no acknowledgement, reads go on', async () => {
  const directory = await open()
  const a = await directory.open('a-0')
  const b = await directory.open('b-0')
  a.append(record('kept'), { leaderEpoch: 1 })
  await a.whenAcknowledged(1)
  fileSystem.inject({ operation: 'sync', at: 1, error: 'EIO' })
  const told: string[] = []
  b.onPoisoned((error) => told.push(error.code))
  a.append(record('lost'), { leaderEpoch: 1 })
  const waiting = a.whenAcknowledged(2)
  await expect(waiting).rejects.toMatchObject({ code: 'KFK_STORE_IO', retriable: false })
  expect(directory.poisoned).toMatchObject({ code: 'KFK_STORE_IO', details: { errno: 'EIO' } })
  expect(told).toEqual(['KFK_STORE_IO'])
  expect(a.acknowledgedOffset).toBe(1)
  expect(() => a.append(record('more'), { leaderEpoch: 1 })).toThrow('takes no more appends')
  expect(() => b.append(record('more'), { leaderEpoch: 1 })).toThrow('takes no more appends')
  await expect(b.whenAcknowledged(1)).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  expect((await readAll(a)).get(0)).toBe('kept')
  expect(reports.map((report) => report.kind)).toContain('poisoned')
  await directory.close()
  // Not a clean stop.
  expect((await open()).cleanStart).toBe(false)
})

test.each(['ENOSPC', 'EDQUOT'])(
  '%s on write: retriable, cut back, readable, then works',
  async (errno) => {
    const directory = await open()
    const log = await directory.open('a-0')
    log.append(record('before'), { leaderEpoch: 1 })
    await log.whenAcknowledged(1)
    const rollbacks: Rollback[] = []
    log.onRollback((rollback) => rollbacks.push(rollback))
    fileSystem.inject({ operation: 'write', path: '.log', at: 1, error: errno, partialWrite: 0.5 })
    log.append(record('full 1'), { leaderEpoch: 2 })
    log.append(record('full 2'), { leaderEpoch: 2 })
    expect(log.logEndOffset).toBe(3)
    await expect(log.whenAcknowledged(3)).rejects.toMatchObject({
      code: 'KFK_STORE_NO_SPACE',
      retriable: true,
      details: { errno },
    })
    expect(rollbacks).toMatchObject([{ endOffset: 1, error: { code: 'KFK_STORE_NO_SPACE' } }])
    expect([log.logEndOffset, log.writtenOffset, log.latestEpoch]).toEqual([1, 1, 1])
    expect([...(await readAll(log)).values()]).toEqual(['before'])
    log.append(record('after'), { leaderEpoch: 3 })
    await log.whenAcknowledged(2)
    expect([...(await readAll(log)).values()]).toEqual(['before', 'after'])
    await directory.close()
    const again = await (await open()).open('a-0')
    expect([...(await readAll(again)).values()]).toEqual(['before', 'after'])
    expect(reports.filter((report) => report.kind === 'tail-cut')).toEqual([])
  },
)

test('EIO on write poisons', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  fileSystem.inject({ operation: 'write', path: '.log', at: 1, error: 'EIO', partialWrite: 0.5 })
  log.append(record('lost'), { leaderEpoch: 1 })
  await expect(log.whenAcknowledged(1)).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  expect(directory.poisoned).toBeDefined()
  await directory.close()
})

test('no room for a new segment: the append fails, earlier ones hold, later ones work', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  while (log.stats().segments === 1) {
    const before = log.logEndOffset
    if (log.stats().sizeInBytes + 2 * 60 > 400) break
    log.append(record(`record ${before}`), { leaderEpoch: 1 })
    await log.whenAcknowledged(before + 1)
  }
  const end = log.logEndOffset
  fileSystem.inject({ operation: 'create', at: 1, error: 'ENOSPC' })
  expect(() => log.append(record('x'.repeat(200)), { leaderEpoch: 1 })).toThrow('ENOSPC')
  expect(log.logEndOffset).toBe(end)
  expect(log.append(record('x'.repeat(200)), { leaderEpoch: 1 }).baseOffset).toBe(end)
  await log.whenAcknowledged(end + 1)
  expect(log.stats().segments).toBe(2)
  await directory.close()
})

test('EMFILE at the sync is tried again later, for nothing was synced', async () => {
  const directory = await openLogDirectory('/data', {
    fileSystem,
    clock,
    maxOpenFiles: 1,
    checkpointMs: 0,
  })
  const a = await directory.open('a-0')
  const b = await directory.open('b-0')
  a.append(record('one'), { leaderEpoch: 1 })
  a.flushNow()
  // The cache holds one file: reading b closes a's, so that the sync has to open it.
  b.append(record('two'), { leaderEpoch: 1 })
  fileSystem.inject({ operation: 'open', path: '.log', at: 1, error: 'EMFILE', times: 4 })
  await settle()
  fileSystem.clearFaults()
  clock.advance(200)
  await settle()
  for (const log of [a, b]) if (log.logEndOffset === 1) await log.whenAcknowledged(1)
  expect(directory.poisoned).toBeUndefined()
  expect([...(await readAll(a)).values()]).toEqual(['one'])
  await directory.close()
})

test('names whose sync found no handle are synced before their records are acknowledged', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  log.append(record('one'), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  log.roll()
  log.append(record('two'), { leaderEpoch: 1 })
  fileSystem.inject({ operation: 'syncDirectory', path: 'a-0', at: 1, error: 'EMFILE' })
  const acknowledged = log.whenAcknowledged(2)
  await settle()
  clock.advance(200)
  await acknowledged
  fileSystem.crash('lose-unsynced')
  const again = await (await open()).open('a-0')
  expect([...(await readAll(again)).values()]).toEqual(['one', 'two'])
})

test('an index that cannot be written for lack of room does no harm', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  fileSystem.inject({
    operation: 'write',
    path: 'index',
    at: 1,
    error: 'ENOSPC',
    partialWrite: 0.5,
  })
  for (let n = 0; n < 12; n++) {
    log.append(record(`record ${n}`, 1000 + n), { leaderEpoch: 1 })
    await log.whenAcknowledged(n + 1)
  }
  expect(reports.map((report) => report.kind)).toContain('background-failure')
  await directory.close()
  const again = await (await open()).open('a-0')
  expect((await readAll(again)).size).toBe(12)
  for (let n = 0; n < 12; n++) {
    expect(await again.offsetForTimestamp(1000 + n)).toMatchObject({ offset: n })
  }
})

test('a checkpoint that cannot be written does no harm', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  log.append(record('one'), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  fileSystem.inject({ operation: 'write', path: 'checkpoint', at: 1, error: 'ENOSPC' })
  await expect(directory.checkpoint()).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  await directory.checkpoint()
  await directory.close()
})

test.each([
  ['write', 'recovery-point-offset-checkpoint'],
  ['sync', 'recovery-point-offset-checkpoint'],
  ['rename', 'kfk.recovery-point-offset-checkpoint'],
  ['sync', 'leader-epoch-checkpoint'],
  ['syncDirectory', 'a-0'],
  ['sync', 'kfk.recovery-points'],
] as const)('EIO on a %s of a checkpoint (%s) poisons: no retry', async (operation, path) => {
  const directory = await open()
  const log = await directory.open('a-0')
  log.append(record('one'), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  const times = Number.MAX_SAFE_INTEGER
  fileSystem.inject({ operation, path, at: 1, times, error: 'EIO' })
  clock.advance(60_000)
  await settle(50)
  expect(directory.poisoned).toMatchObject({ code: 'KFK_STORE_IO', details: { errno: 'EIO' } })
  expect(() => log.append(record('two'), { leaderEpoch: 1 })).toThrow('takes no more appends')
  for (let minutes = 0; minutes < 3; minutes++) {
    clock.advance(60_000)
    await settle(50)
  }
  expect(fileSystem.struck).toBe(1)
  expect(reports.map((report) => report.kind)).toEqual(['poisoned'])
  await directory.close()
  fileSystem.clearFaults()
  expect((await open()).cleanStart).toBe(false)
})

test('a checkpoint that cannot be read before it is replaced poisons nothing', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  await directory.checkpoint()
  log.append(record('one'), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  fileSystem.inject({ operation: 'read', path: 'recovery-point', at: 1, error: 'EIO' })
  await expect(directory.checkpoint()).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  expect(directory.poisoned).toBeUndefined()
  await directory.checkpoint()
  await directory.close()
})

test('a search that cannot read says so, and not that records are damaged', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  log.append(record('kept', 1000), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  for (let at = 1; ; at++) {
    const before = fileSystem.struck
    fileSystem.inject({ operation: 'read', path: '.log', at, error: 'EIO' })
    const found = await log.maxTimestampOffset().catch((error: unknown) => error)
    fileSystem.clearFaults()
    if (fileSystem.struck === before) break
    expect(found).toMatchObject({ code: 'KFK_STORE_IO', details: { errno: 'EIO' } })
  }
  expect(fileSystem.struck).toBeGreaterThan(1)
  expect(await log.maxTimestampOffset()).toMatchObject({ offset: 0 })
  await directory.close()
})

test('a cut that fails before anything is cut leaves what is durable where it was', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  for (let n = 0; n < 3; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
  await log.whenAcknowledged(3)
  await log.advanceLogStart(2)
  fileSystem.inject({ operation: 'write', path: 'checkpoint', at: 1, error: 'ENOSPC' })
  await expect(log.truncateTo(1)).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  expect([log.logStartOffset, log.recoveryPoint, log.logEndOffset]).toEqual([2, 3, 3])
  await directory.close()
})

test('a log in the place of one whose deletion could not be noted does not inherit its end', async () => {
  const directory = await open()
  const log = await directory.open('a-0')
  log.append(record('old'), { leaderEpoch: 1 })
  await log.whenAcknowledged(1)
  await directory.checkpoint()
  fileSystem.inject({ operation: 'write', path: 'recovery-point', at: 1, error: 'ENOSPC' })
  await directory.delete('a-0')
  expect(reports.at(-1)).toMatchObject({ kind: 'background-failure', details: { name: 'a-0' } })
  await directory.open('a-0')
  fileSystem.crash('lose-unsynced')
  const again = await (await open()).open('a-0')
  expect([again.logStartOffset, again.logEndOffset]).toEqual([0, 0])
})

test.each([
  { operation: 'truncate', path: '.log', at: 1 },
  // Those before are of the epochs and their checksum, when nothing has been cut yet.
  { operation: 'syncDirectory', path: 'a-0', at: 3 },
] as const)(
  'a cut that fails half way ($operation): nothing that was to go is found',
  async (fault) => {
    const directory = await open()
    const log = await directory.open('a-0')
    for (let n = 0; n < 3; n++) {
      log.append(record(`record ${n}`, 1000 + n), { leaderEpoch: 1 })
      if (n === 1) log.roll()
    }
    await log.whenAcknowledged(3)
    fileSystem.inject({ ...fault, error: 'ENOSPC' })
    await expect(log.truncateTo(1)).rejects.toMatchObject({
      code: 'KFK_STORE_IO',
      retriable: false,
      details: { errno: 'ENOSPC' },
    })
    expect(directory.poisoned).toBeDefined()
    expect(log.logEndOffset).toBe(1)
    expect([...(await readAll(log)).values()]).toEqual(['record 0'])
    expect(await log.offsetForTimestamp(1000)).toMatchObject({ offset: 0 })
    expect(await log.offsetForTimestamp(1001)).toBeUndefined()
    expect(await log.maxTimestampOffset()).toMatchObject({ offset: 0, timestamp: 1000 })
    await directory.close()
  },
)

test('a cut below the log start is noted before anything can be appended there', async () => {
  for (let at = 1; ; at++) {
    fileSystem = faultyFileSystem()
    const directory = await open()
    const log = await directory.open('a-0')
    log.append(record('old'), { leaderEpoch: 1 })
    await log.whenAcknowledged(1)
    await log.advanceLogStart(1)
    fileSystem.inject({ operation: 'create', at, error: 'ENOSPC' })
    const failure = await log.truncateTo(0).catch((error: unknown) => error)
    if (failure === 0) break
    fileSystem.clearFaults()
    const acknowledged = directory.poisoned === undefined
    for (let done = !acknowledged; !done; await settle()) {
      try {
        log.append(record('new'), { leaderEpoch: 1 })
        await log.whenAcknowledged(log.logEndOffset)
        done = true
      } catch (error) {
        expect(error).toMatchObject({ code: 'KFK_STORE_IO', retriable: true })
      }
    }
    fileSystem.crash('lose-unsynced')
    const again = await (await open()).open('a-0')
    const found = [...(await readAll(again)).values()]
    expect(found).toEqual(acknowledged ? ['new'] : [])
  }
})

test('a file that the system closes with an error has perhaps lost what was not synced', async () => {
  const directory = await openLogDirectory('/data', {
    fileSystem,
    clock,
    maxOpenFiles: 1,
    defaults: { flushMessages: 1000 },
  })
  const [a, b] = [await directory.open('a-0'), await directory.open('b-0')]
  a.append(record('in the page cache'), { leaderEpoch: 1 })
  await a.whenAcknowledged(1)
  fileSystem.inject({ operation: 'close', path: 'a-0/0', at: 1, error: 'EIO' })
  // Takes the only handle that may be open.
  b.append(record('x'), { leaderEpoch: 1 })
  await b.whenWritten(1)
  await settle(1)
  expect(directory.poisoned).toMatchObject({ code: 'KFK_STORE_IO', details: { action: 'close' } })
  await expect(a.flush()).rejects.toMatchObject({ code: 'KFK_STORE_IO', retriable: false })
  await directory.close()
  expect((await open()).cleanStart).toBe(false)
})
