// Property: a volume that fills up refuses appends with a clear error, keeps what it acknowledged
// readable, also for who opens it when it is full, and takes appends again when there is room, as often
// as that happens.
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { faultyFileSystem, frameFormat, openLogDirectory, StoreError } from '../src/index'
import type { FaultyFileSystem, LogDirectoryOptions, StoreReport } from '../src/index'
import type { LogHost } from '../src/log-host'
import type { SegmentList } from '../src/segment-list'
import { ManualClock } from './support/manual-clock'
import { MountedVolume } from './support/mounted-volume'
import { readAll, record, settle } from './support/records'

const noSpace = { code: 'KFK_STORE_NO_SPACE' }

/** Nothing new fits any more. */
function fill(fileSystem: FaultyFileSystem): void {
  fileSystem.inject({
    operation: ['write', 'create', 'makeDirectory'],
    at: 1,
    times: Number.MAX_SAFE_INTEGER,
    error: 'ENOSPC',
  })
}

const cycles = 20

test('a volume of 2 MB, filled and emptied again and again', async () => {
  const volume = MountedVolume.make('tmpfs', 'size=2m')
  if (typeof volume === 'string') {
    process.stdout.write(`${volume}\n`)
    return
  }
  try {
    const defaults = { segmentBytes: 200_000, fileDeleteDelayMs: 0, retentionMs: -1 }
    const directory = await openLogDirectory(join(volume.path, 'store'), { defaults })
    const log = await directory.open('a-0')
    const texts = new Map<number, string>()
    for (let cycle = 1; cycle <= cycles; cycle++) {
      let refused: unknown
      for (let n = 0; n < 2_000 && refused === undefined; n++) {
        const text = `${cycle} ${n} `.padEnd(8_000, 'x')
        try {
          const { baseOffset } = log.append(frameFormat.encode(Buffer.from(text)), {
            leaderEpoch: 1,
          })
          await log.whenAcknowledged(baseOffset + 1)
          texts.set(baseOffset, text)
        } catch (error) {
          refused = error
        }
      }
      expect(refused).toBeInstanceOf(StoreError)
      expect(refused).toMatchObject({ code: 'KFK_STORE_NO_SPACE', retriable: true })
      expect(directory.poisoned).toBeUndefined()
      const found = await readAll(log, 100_000)
      expect(found.size).toBe(log.logEndOffset - log.logStartOffset)
      for (const [offset, text] of found) expect(texts.get(offset) === text).toBe(true)
      if (cycle % 2 === 0) {
        const start = log.logEndOffset - 60
        await log.advanceLogStart(start)
        expect(log.logStartOffset).toBe(start)
        continue
      }
      log.configure({ retentionBytes: 500_000, fileDeleteDelayMs: 0 })
      expect((await directory.applyRetention()).deletedSegments).toBeGreaterThan(0)
      log.configure({ retentionBytes: -1, fileDeleteDelayMs: 60_000 })
    }
    await directory.close()
    const again = await openLogDirectory(join(volume.path, 'store'), { defaults })
    const found = await readAll(await again.open('a-0'), 100_000)
    for (const [offset, text] of found) expect(texts.get(offset) === text).toBe(true)
    await again.close()
  } finally {
    volume.dispose()
  }
})

describe('on a faulty file system', () => {
  const path = '/data'
  let clock = new ManualClock()
  let fileSystem: FaultyFileSystem
  let reports: StoreReport[]

  const open = (options: LogDirectoryOptions = {}) =>
    openLogDirectory(path, {
      ...{ fileSystem, clock, onReport: (report: StoreReport) => reports.push(report) },
      ...options,
      defaults: { segmentBytes: 300, indexIntervalBytes: 60, ...options.defaults },
    })

  beforeEach(() => {
    fileSystem = faultyFileSystem()
    reports = []
  })

  async function filled(): Promise<void> {
    const log = await (await open()).open('a-0')
    for (let n = 0; n < 12; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
    await log.whenAcknowledged(12)
  }

  test('after a crash it opens and reads; later it works, and the next recovery is short', async () => {
    await filled()
    fileSystem.crash('keep-unsynced')
    // Time stands still for what the crash has ended.
    clock = new ManualClock()
    fill(fileSystem)
    const directory = await open()
    const log = await directory.open('a-0')
    expect((await readAll(log)).size).toBe(12)
    expect(reports.map(({ kind }) => kind)).toContain('background-failure')
    expect(directory.poisoned).toBeUndefined()
    log.append(record('refused'), { leaderEpoch: 1 })
    await expect(log.whenAcknowledged(13)).rejects.toMatchObject({ ...noSpace, retriable: true })
    fileSystem.clearFaults()
    clock.advance(60_000)
    await settle()
    log.append(record('taken'), { leaderEpoch: 1 })
    await log.whenAcknowledged(13)
    fileSystem.crash('keep-unsynced')
    const scanned = () =>
      reports.flatMap(({ kind, details }) => (kind === 'recovered' ? details!['scannedBytes'] : []))
    expect([...(await readAll(await (await open()).open('a-0'))).values()].at(-1)).toBe('taken')
    const [whole, short] = scanned() as [number, number]
    expect(short).toBeLessThan(whole / 2)
  })

  test('a deletion makes room, and the next log of that name begins anew', async () => {
    const directory = await open()
    const log = await directory.open('a-0')
    for (let n = 0; n < 12; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
    await log.whenAcknowledged(12)
    await directory.checkpoint()
    fill(fileSystem)
    await directory.delete('a-0')
    await settle()
    expect((await fileSystem.list(path)).filter(({ isDirectory }) => isDirectory)).toEqual([])
    expect(reports.map(({ kind }) => kind)).toContain('background-failure')
    fileSystem.clearFaults()
    await directory.open('a-0')
    fileSystem.crash('keep-unsynced')
    expect((await (await open()).open('a-0')).logEndOffset).toBe(0)
  })

  /** Until something is removed. */
  function fillUp(): void {
    fill(fileSystem)
    const remove = fileSystem.remove.bind(fileSystem)
    fileSystem.remove = async (removed) => {
      await remove(removed)
      if (removed.includes('.log')) fileSystem.clearFaults()
    }
  }

  test('what is forgotten makes room for the note that it is', async () => {
    const directory = await open()
    const log = await directory.open('a-0')
    for (let n = 0; n < 24; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
    await log.whenAcknowledged(24)
    const before = log.stats().segments
    fillUp()
    // Whoever reads what goes may take as long as it wants.
    const { segments } = log as unknown as { segments: SegmentList }
    const { files } = directory as unknown as LogHost
    files.pin(segments.at(0).data)
    let forgotten = false
    void log.advanceLogStart(20).then(() => (forgotten = true))
    await settle(100)
    expect(forgotten).toBe(true)
    expect(log.stats().segments).toBeLessThan(before)
    expect(reports).toEqual([])
    files.unpin(segments.at(0).data)
    fileSystem.crash('lose-unsynced')
    const again = await (await open()).open('a-0')
    expect([again.logStartOffset, again.logEndOffset]).toEqual([20, 24])
    expect((await readAll(again)).size).toBe(4)
  })

  test('without a file to delete it is not noted, may be asked for again, and nothing is lost', async () => {
    const directory = await open()
    const log = await directory.open('a-0')
    for (let n = 0; n < 3; n++) log.append(record(`record ${n}`), { leaderEpoch: 1 })
    await log.whenAcknowledged(3)
    fill(fileSystem)
    await expect(log.advanceLogStart(1)).rejects.toMatchObject({ ...noSpace, retriable: true })
    fileSystem.clearFaults()
    await log.advanceLogStart(1)
    fileSystem.crash('lose-unsynced')
    const again = await (await open()).open('a-0')
    expect([again.logStartOffset, again.logEndOffset]).toEqual([1, 3])
  })

  test('without room for an index it reads, and looks for it once', async () => {
    await filled()
    fileSystem.crash('keep-unsynced')
    for (const { name } of await fileSystem.list(`${path}/a-0`)) {
      if (name.endsWith('index')) await fileSystem.remove(`${path}/a-0/${name}`)
    }
    fill(fileSystem)
    const directory = await open()
    const log = await directory.open('a-0')
    for (let offset = 0; offset < 12; offset += 3) {
      const { bytes } = await log.read({ from: offset, maxBytes: 1 })
      expect(frameFormat.decode(bytes)[0]!.offset).toBe(offset)
    }
    expect(await log.offsetForTimestamp(1000)).toMatchObject({ offset: 0 })
    const rebuilt = reports.filter(({ kind }) => kind === 'index-rebuilt').length
    for (let offset = 0; offset < 12; offset++) await log.read({ from: offset, maxBytes: 1 })
    expect(reports.filter(({ kind }) => kind === 'index-rebuilt')).toHaveLength(rebuilt)
    fileSystem.clearFaults()
    await directory.close()
    expect((await open()).cleanStart).toBe(true)
  })

  test('without room to note missing offsets nothing is acknowledged, and nothing is lost', async () => {
    const directory = await open({ offsetGaps: true })
    await directory.open('a-0')
    await directory.close()
    const again = await open()
    const log = await again.open('a-0')
    fileSystem.inject({
      operation: 'write',
      path: 'offset-gaps',
      at: 1,
      times: Number.MAX_SAFE_INTEGER,
      error: 'ENOSPC',
    })
    log.appendReplicated(frameAt(5))
    const told = log.whenAcknowledged(6).catch((error: unknown) => error)
    const flushed = log.flush().catch((error: unknown) => error)
    for (let tries = 0; tries < 10; tries++) {
      await settle(8)
      clock.advance(100)
    }
    for (const one of [told, flushed]) {
      const answer = await Promise.race([one, settle().then(() => 'nobody was told')])
      expect(answer).toMatchObject({
        code: 'KFK_STORE_DELAYED',
        retriable: true,
        details: { errno: 'ENOSPC' },
      })
    }
    expect([again.poisoned, log.acknowledgedOffset]).toEqual([undefined, 0])
    fileSystem.clearFaults()
    const acknowledged = log.whenAcknowledged(6)
    await settle()
    clock.advance(100)
    await acknowledged
    fileSystem.crash('lose-unsynced')
    const found = await readAll(await (await open()).open('a-0'))
    expect([...found]).toEqual([[5, 'record 5']])
  })
})

function frameAt(offset: number): Uint8Array {
  const frame = record(`record ${offset}`)
  frameFormat.stamp(frame, 0, { baseOffset: offset, leaderEpoch: 1 })
  return frame
}

test.each(['', '1'])(
  'a volume that is full when it is opened (portable lock: %p)',
  async (lock) => {
    const volume = MountedVolume.make('tmpfs', 'size=2m')
    if (typeof volume === 'string') {
      process.stdout.write(`${volume}\n`)
      return
    }
    process.env['KFK_PORTABLE_LOCK'] = lock
    try {
      const path = join(volume.path, 'store')
      const defaults = { segmentBytes: 200_000, fileDeleteDelayMs: 0, retentionMs: -1 }
      const directory = await openLogDirectory(path, { defaults })
      const log = await directory.open('a-0')
      const encoded = () => frameFormat.encode(Buffer.alloc(8_000, 'x'))
      for (let n = 0; n < 50; n++) log.append(encoded(), { leaderEpoch: 1 })
      await log.whenAcknowledged(50)
      const filler = join(volume.path, 'filler')
      const fillUp = () => {
        const descriptor = openSync(filler, 'a')
        expect(() => {
          for (;;) writeSync(descriptor, Buffer.alloc(4096))
        }).toThrow('ENOSPC')
        closeSync(descriptor)
      }
      fillUp()
      await expect(directory.close()).rejects.toMatchObject({ ...noSpace, retriable: false })
      fillUp()
      if (lock === '1') await expect(openLogDirectory(path)).rejects.toMatchObject(noSpace)
      else {
        const full = await openLogDirectory(path, { defaults })
        expect(full.cleanStart).toBe(false)
        const again = await full.open('a-0')
        expect((await readAll(again, 100_000)).size).toBe(50)
        for (let n = 0; n < 20; n++) again.append(encoded(), { leaderEpoch: 1 })
        await expect(again.whenAcknowledged(70)).rejects.toMatchObject({
          ...noSpace,
          retriable: true,
        })
        rmSync(filler)
        const { baseOffset } = again.append(encoded(), { leaderEpoch: 1 })
        await again.whenAcknowledged(baseOffset + 1)
        await full.close()
      }
      rmSync(filler, { force: true })
      const roomy = await openLogDirectory(path, { defaults })
      expect(JSON.parse(readFileSync(join(path, 'kfk.lock'), 'utf8'))).toMatchObject({
        pid: process.pid,
      })
      const found = await readAll(await roomy.open('a-0'), 100_000)
      expect(found.size).toBeGreaterThanOrEqual(50)
      await roomy.close()
    } finally {
      delete process.env['KFK_PORTABLE_LOCK']
      volume.dispose()
    }
  },
)
