// After a crash: what is read again, what is believed, and what is noted of damage.
import { faultyFileSystem, openLogDirectory, openLogIn, StoreError } from '../src/index'
import type { FileSystem, Log, LogDirectory, LogOptions, StoreReport } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, readVerified, record } from './support/records'
import { diskOf, flipped, pathsOf, storedFiles, writeFile } from './support/stored-files'

const logPath = '/data/a-0'
const recordBytes = record('record 00000').length

async function open(
  fileSystem: FileSystem,
  options: Partial<LogOptions> = {},
  clock = new ManualClock(),
): Promise<{ directory: LogDirectory; reports: StoreReport[] }> {
  const reports: StoreReport[] = []
  const directory = await openLogDirectory('/data', {
    fileSystem,
    clock,
    defaults: { segmentBytes: 20_000, indexIntervalBytes: 200, ...options },
    onReport: (report) => reports.push(report),
  })
  return { directory, reports }
}

const text = (n: number) => `record ${String(n).padStart(5, '0')}`

async function fill(log: Log, count: number): Promise<void> {
  const to = log.logEndOffset + count
  while (log.logEndOffset < to) {
    log.append(record(text(log.logEndOffset), 1000 + log.logEndOffset), { leaderEpoch: 1 })
    log.flushNow()
  }
  await log.whenAcknowledged(to)
}

const texts = (from: number, to: number) =>
  new Map(Array.from({ length: to - from }, (_, n) => [from + n, text(from + n)]))

const empty = () => diskOf(new Map(), { crashed: true })

/** A log that was closed cleanly and one whose process died; `extra` records came after a note. */
async function crashed(options: { synced: number; noted: number; extra: number }) {
  const clock = new ManualClock()
  const fileSystem = await empty()
  const { directory } = await open(fileSystem, {}, clock)
  const log = await directory.open('a-0')
  await fill(log, options.synced)
  await directory.checkpoint()
  if (options.noted > 0) {
    await fill(log, options.noted)
    clock.advance(1000)
  }
  if (options.extra > 0) await fill(log, options.extra)
  return storedFiles(fileSystem)
}

const scannedBytes = (reports: readonly StoreReport[]) =>
  reports.find(({ kind }) => kind === 'recovered')!.details['scannedBytes'] as number

async function failure(act: () => Promise<unknown>): Promise<StoreError> {
  try {
    await act()
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('what is scanned', () => {
  test('only what lies past the recovery point, and the indexes are those of a whole scan', async () => {
    const files = await crashed({ synced: 10, noted: 390, extra: 20 })
    const whole = new Map(files)
    for (const path of [...pathsOf(files, '.index'), ...pathsOf(files, '.timeindex')]) {
      whole.delete(path)
    }
    const outcomes = []
    for (const content of [files, whole]) {
      const fileSystem = await diskOf(content, { crashed: true })
      const { directory, reports } = await open(fileSystem)
      const log = await directory.open('a-0')
      expect(await readAll(log)).toEqual(texts(0, 420))
      await directory.close()
      outcomes.push({ bytes: scannedBytes(reports), files: await storedFiles(fileSystem) })
    }
    const [resumed, full] = outcomes
    expect(full!.bytes).toBe(420 * recordBytes)
    // The records behind the note, a few index intervals, and what was not worth an index write.
    expect(resumed!.bytes).toBeLessThan(20 * recordBytes + 5 * 300 + 64 * 300)
    expect(resumed!.bytes).toBeLessThan(full!.bytes)
    for (const suffix of ['.index', '.timeindex']) {
      for (const path of pathsOf(full!.files, suffix)) {
        expect(resumed!.files.get(path)).toEqual(full!.files.get(path))
      }
    }
  })

  test.each(['.index', '.timeindex'])('no byte of the %s can mislead it', async (suffix) => {
    const files = await crashed({ synced: 10, noted: 390, extra: 20 })
    const [path] = pathsOf(files, suffix)
    const bytes = files.get(path!)!
    expect(bytes.length).toBeGreaterThan(300)
    for (let at = 0; at < bytes.length; at += 5) {
      const damaged = new Map(files).set(path!, flipped(bytes, at, at & 7))
      const { directory } = await open(await diskOf(damaged, { crashed: true }))
      const log = await directory.open('a-0')
      expect(log.logEndOffset).toBe(420)
      for (const n of [0, 1, 100, 399, 400, 419]) {
        expect((await log.read({ from: n, maxBytes: 1 })).nextOffset).toBe(n + 1)
        expect(await log.offsetForTimestamp(1000 + n)).toMatchObject({ offset: n })
      }
      expect(await log.maxTimestampOffset()).toMatchObject({ offset: 419 })
    }
  })
})

describe('how far the log is known to be synced', () => {
  test('rot behind the checkpoint, before the last note: an error, and nothing is cut', async () => {
    const files = await crashed({ synced: 10, noted: 30, extra: 5 })
    const [path] = pathsOf(files, '.log')
    const damaged = flipped(files.get(path!)!, 20 * recordBytes + 40)
    const fileSystem = await diskOf(new Map(files).set(path!, damaged), { crashed: true })
    const { directory } = await open(fileSystem)
    expect(await failure(() => directory.open('a-0'))).toMatchObject({
      code: 'KFK_STORE_CORRUPT',
      details: { path, position: 20 * recordBytes, offset: 20 },
    })
    await directory.close()
    expect((await storedFiles(fileSystem)).get(path!)).toEqual(damaged)
    // It stays so: what was known is not forgotten by having tried.
    const again = await open(fileSystem)
    await failure(() => again.directory.open('a-0'))
  })

  test('behind the last note it cannot be told from a torn write: cut, and set aside', async () => {
    const files = await crashed({ synced: 10, noted: 30, extra: 5 })
    const [path] = pathsOf(files, '.log')
    const damaged = flipped(files.get(path!)!, 42 * recordBytes + 40)
    const fileSystem = await diskOf(new Map(files).set(path!, damaged), { crashed: true })
    const { directory, reports } = await open(fileSystem)
    expect(await readAll(await directory.open('a-0'))).toEqual(texts(0, 42))
    expect(reports.map(({ kind }) => kind)).toContain('quarantined')
    const aside = `${logPath}/kfk.quarantine.${42 * recordBytes}.00000000000000000000.log.cut`
    expect((await storedFiles(fileSystem)).get(aside)).toEqual(damaged.subarray(42 * recordBytes))
  })

  test('a log of another format is not destroyed', async () => {
    const files = await crashed({ synced: 30, noted: 0, extra: 0 })
    const [path] = pathsOf(files, '.log')
    const bytes = files.get(path!)!.map((byte, at) => (at % recordBytes === 16 ? 2 : byte))
    const strange = new Map(files).set(path!, bytes)
    strange.delete('/data/recovery-point-offset-checkpoint')
    strange.delete('/data/kfk.recovery-point-offset-checkpoint.crc')
    const fileSystem = await diskOf(strange, { crashed: true })
    const { directory, reports } = await open(fileSystem)
    expect((await directory.open('a-0')).logEndOffset).toBe(0)
    expect(reports.map(({ kind }) => kind)).toContain('quarantined')
    const aside = `${logPath}/kfk.quarantine.0.00000000000000000000.log.cut`
    expect((await storedFiles(fileSystem)).get(aside)).toEqual(bytes)
  })

  test('what is noted is taken back before a log is cut', async () => {
    for (const to of [10, 25]) {
      const clock = new ManualClock()
      const fileSystem = await empty()
      const { directory } = await open(fileSystem, {}, clock)
      const log = await directory.open('a-0')
      await fill(log, 10)
      await directory.checkpoint()
      await fill(log, 30)
      clock.advance(1000)
      await log.truncateTo(to)
      const left = await open(await diskOf(await storedFiles(fileSystem), { crashed: true }))
      expect((await left.directory.open('a-0')).logEndOffset).toBe(to)
    }
  })

  test('a deleted log is not missed', async () => {
    const clock = new ManualClock()
    const fileSystem = await empty()
    const { directory } = await open(fileSystem, {}, clock)
    await fill(await directory.open('a-0'), 30)
    clock.advance(1000)
    await directory.delete('a-0')
    await fill(await directory.open('a-0'), 5)
    const left = await open(await diskOf(await storedFiles(fileSystem), { crashed: true }))
    expect((await left.directory.open('a-0')).logEndOffset).toBe(5)
  })

  test('a log that no checkpoint knew is not missed either, if none could be taken', async () => {
    const clock = new ManualClock()
    const fileSystem = faultyFileSystem()
    const { directory } = await open(fileSystem, {}, clock)
    const log = await directory.open('a-0')
    await fill(log, 10)
    await fill(await directory.open('b-0'), 10)
    const path = 'b-0/leader-epoch-checkpoint'
    fileSystem.inject({ operation: 'create', path, at: 1, error: 'ENOSPC', times: 2 })
    const noRoom = { code: 'KFK_STORE_NO_SPACE' }
    await expect(directory.checkpoint()).rejects.toMatchObject(noRoom)
    await fill(log, 20)
    clock.advance(1000)
    await directory.delete('a-0')
    fileSystem.clearFaults()
    await fill(await directory.open('a-0'), 5)
    const left = await open(await diskOf(await storedFiles(fileSystem), { crashed: true }))
    expect((await left.directory.open('a-0')).logEndOffset).toBe(5)
  })

  test('notes of another checkpoint say nothing', async () => {
    const files = await crashed({ synced: 10, noted: 30, extra: 5 })
    const path = '/data/recovery-point-offset-checkpoint'
    files.set(path, Buffer.from('0\n1\na 0 9\n'))
    files.delete('/data/kfk.recovery-point-offset-checkpoint.crc')
    const [log] = pathsOf(files, '.log')
    files.set(log!, files.get(log!)!.subarray(0, 20 * recordBytes))
    const { directory } = await open(await diskOf(files, { crashed: true }))
    expect((await directory.open('a-0')).logEndOffset).toBe(20)
  })

  test('cut at every byte and flipped at every bit the notes mislead nobody', async () => {
    const files = await crashed({ synced: 10, noted: 30, extra: 5 })
    const path = '/data/kfk.recovery-points'
    const bytes = files.get(path)!
    const damages = [...bytes.keys()].flatMap((at) => [
      bytes.subarray(0, at),
      ...Array.from({ length: 8 }, (_, bit) => flipped(bytes, at, bit)),
    ])
    for (const damaged of damages) {
      const { directory } = await open(
        await diskOf(new Map(files).set(path, damaged), { crashed: true }),
      )
      expect((await directory.open('a-0')).logEndOffset).toBe(45)
      await directory.close()
    }
  })
})

describe('damage in a sealed segment', () => {
  const segmentBytes = 20 * recordBytes

  /** Four segments of 20 records, closed; `spoil` changes the second. */
  async function spoiled(
    spoil: (bytes: Uint8Array) => Uint8Array | undefined,
    options: { crashed: boolean; epochs?: boolean } = { crashed: false },
  ) {
    const fileSystem = await empty()
    const { directory } = await open(fileSystem, { segmentBytes })
    await fill(await directory.open('a-0'), 80)
    await directory.close()
    const files = await storedFiles(fileSystem)
    const path = pathsOf(files, '.log')[1]!
    const bytes = spoil(files.get(path)!)
    if (bytes === undefined) files.delete(path)
    else files.set(path, bytes)
    if (options.epochs === false) {
      files.delete(`${logPath}/leader-epoch-checkpoint`)
      files.delete(`${logPath}/kfk.leader-epoch-checkpoint.crc`)
    }
    const disk = await diskOf(files, options)
    return { disk, path, ...(await open(disk, { segmentBytes })) }
  }

  async function walk(log: Log): Promise<{ found: Map<number, string>; error: StoreError }> {
    const { found, error } = await readVerified(log, 3 * recordBytes)
    expect(error).toBeInstanceOf(StoreError)
    return { found, error: error as StoreError }
  }

  const structural: [string, (bytes: Uint8Array) => Uint8Array, number][] = [
    ['a length', (bytes) => flipped(bytes, 10 * recordBytes + 11), 30],
    ['a magic byte', (bytes) => flipped(bytes, 10 * recordBytes + 16, 7), 30],
    ['an offset', (bytes) => flipped(bytes, 10 * recordBytes + 7, 5), 30],
    ['a zero-filled hole', (bytes) => bytes.fill(0, 10 * recordBytes, 15 * recordBytes), 30],
    ['its second half gone', (bytes) => bytes.subarray(0, 10 * recordBytes + 7), 30],
    ['its end gone at a boundary', (bytes) => bytes.subarray(0, 10 * recordBytes), 30],
    ['all of it gone', () => new Uint8Array(0), 20],
  ]

  test.each(structural)(
    '%s: a read stops there, tells where, notes it',
    async (_name, spoil, at) => {
      const { disk, directory, path, reports } = await spoiled(spoil)
      const log = await directory.open('a-0')
      const { found, error } = await walk(log)
      expect(found).toEqual(texts(0, at))
      const where = { path, position: (at - 20) * recordBytes, offset: at, nextSoundOffset: 40 }
      expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: where })
      expect(error.message).toContain(`${path} at byte ${where.position}`)
      expect(reports.filter(({ kind }) => kind === 'quarantined')).toMatchObject([
        { details: where },
      ])
      // Where the error says, it goes on.
      expect((await log.read({ from: 40, maxBytes: 1 })).nextOffset).toBe(41)
      expect(await log.offsetForTimestamp(1000 + 60)).toMatchObject({ offset: 60 })
      await fill(log, 1)
      await directory.close()
      // The next opening knows, without a read, and says so.
      const again = await open(disk, { segmentBytes })
      const reopened = await again.directory.open('a-0')
      expect(again.reports).toMatchObject([{ kind: 'damage-known', details: where }])
      expect(again.reports[0]!.details['foundMs']).toBeGreaterThan(0)
      expect((await failure(() => reopened.read({ from: at, maxBytes: 1 }))).details).toMatchObject(
        where,
      )
      expect((await reopened.read({ from: at - 1, maxBytes: 1000 })).nextOffset).toBe(at)
      expect((await reopened.read({ from: 80, maxBytes: 1 })).nextOffset).toBe(81)
    },
  )

  test('a segment that is missing: the offsets are not skipped in silence', async () => {
    const { directory } = await spoiled(() => undefined)
    const log = await directory.open('a-0')
    const { found, error } = await walk(log)
    expect(found).toEqual(texts(0, 20))
    expect(error.details).toMatchObject({ offset: 20, nextSoundOffset: 40 })
  })

  test('a checksum: found by verify, and from then on reads stop there', async () => {
    const { directory, path } = await spoiled((bytes) => flipped(bytes, 10 * recordBytes + 40))
    const log = await directory.open('a-0')
    expect(await log.verify(0)).toBeUndefined()
    expect(await log.verify(79)).toBeUndefined()
    const where = { path, position: 10 * recordBytes, offset: 30, nextSoundOffset: 40 }
    expect(await log.verify(25)).toMatchObject(where)
    const { found, error } = await walk(log)
    expect(found).toEqual(texts(0, 30))
    expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: where })
  })

  test('recovery that has to read it all notes it and opens the log', async () => {
    const { directory, reports } = await spoiled((bytes) => flipped(bytes, 10 * recordBytes + 40), {
      crashed: true,
      epochs: false,
    })
    const log = await directory.open('a-0')
    expect(log.logEndOffset).toBe(80)
    expect(reports.map(({ kind }) => kind)).toContain('quarantined')
    expect((await walk(log)).found).toEqual(texts(0, 30))
    expect(log.epochEnd(1)).toEqual({ leaderEpoch: 1, endOffset: 80 })
  })

  test('put back from a copy it is read again', async () => {
    const { disk, directory, path } = await spoiled((bytes) => flipped(bytes, 400))
    const log = await directory.open('a-0')
    await log.verify(20)
    await directory.close()
    const bytes = (await storedFiles(disk)).get(path)!
    writeFile(disk, path, flipped(bytes, 400))
    const again = await open(disk, { segmentBytes })
    expect(await readAll(await again.directory.open('a-0'))).toEqual(texts(0, 80))
    expect((await storedFiles(disk)).get(`${logPath}/kfk.quarantine`)).toEqual(Buffer.from('[]\n'))
  })

  test('a garbled note is reported; the damage is found once more', async () => {
    const { disk, directory } = await spoiled((bytes) => flipped(bytes, 10 * recordBytes + 11))
    await walk(await directory.open('a-0'))
    await directory.close()
    writeFile(disk, `${logPath}/kfk.quarantine`, Buffer.from('[{"baseOffset":20}]'))
    const again = await open(disk, { segmentBytes })
    const log = await again.directory.open('a-0')
    expect(again.reports.map(({ kind }) => kind)).toEqual(['checkpoint-unreadable'])
    expect((await walk(log)).found).toEqual(texts(0, 30))
  })

  test.each([
    ['sealed', 1, 40],
    ['active', 3, undefined],
  ])('an embedded log reads up to a wrong checksum in a %s segment', async (_state, at, next) => {
    const { disk, directory } = await spoiled((bytes) => bytes)
    await directory.close()
    const files = await storedFiles(disk)
    const path = pathsOf(files, '.log')[at]!
    writeFile(disk, path, flipped(files.get(path)!, 10 * recordBytes + 40))
    const again = await open(disk, { segmentBytes })
    const log = await openLogIn(again.directory, 'a-0')
    const found: number[] = []
    const error = await failure(async () => {
      for await (const { offset } of log.records()) found.push(offset)
    })
    const offset = at * 20 + 10
    expect(found).toEqual(Array.from({ length: offset }, (_, n) => n))
    const where = { path, position: 10 * recordBytes, offset, nextSoundOffset: next }
    expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: where })
    expect(again.reports.some(({ kind }) => kind === 'quarantined')).toBe(next !== undefined)
  })

  test('retention may delete it, truncation may cut it off', async () => {
    const { directory } = await spoiled((bytes) => flipped(bytes, 10 * recordBytes + 11))
    const log = await directory.open('a-0')
    await walk(log)
    // Into the damage: what lies there cannot be told.
    expect(await failure(() => log.truncateTo(35))).toMatchObject({ code: 'KFK_STORE_CORRUPT' })
    await log.truncateTo(25)
    expect(await readAll(log)).toEqual(texts(0, 25))
    await fill(log, 10)
    expect(await readAll(log)).toEqual(texts(0, 35))
    await log.advanceLogStart(30)
    expect(await readAll(log)).toEqual(texts(30, 35))
  })
})
