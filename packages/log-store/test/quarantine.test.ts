// A damaged place of a compacted log: the offsets before it may be missing.
import {
  faultyFileSystem,
  frameFormat,
  memoryFileSystem,
  openLog,
  openLogDirectory,
} from '../src/index'
import type { StoreReport } from '../src/index'
import { collect, record } from './support/records'
import { flipped, pathsOf, storedFiles, writeFile } from './support/stored-files'

const kinds = (reports: readonly StoreReport[]) => reports.map(({ kind }) => kind)

test('after a gap, too, a place that was put back from a copy is read again', async () => {
  const fileSystem = memoryFileSystem()
  const open = async () => {
    const reports: StoreReport[] = []
    const log = await openLog('/data', {
      fileSystem,
      segmentBytes: 2_000,
      cleanupPolicy: 'compact',
      minCleanableDirtyRatio: 0,
      cleaner: { intervalMs: 0 },
      onReport: (report) => reports.push(report),
    })
    return { log, reports }
  }
  const { log } = await open()
  for (let n = 0; n < 100; n++) {
    await log.append(`value ${n}`, { key: n % 7 === 0 ? `${n}` : 'often' })
  }
  await log.compact()
  const wanted = await collect(log.records())
  await log.close()
  const files = await storedFiles(fileSystem)
  const [path] = pathsOf(files, '.log')
  const whole = files.get(path!)!
  const second = frameFormat.sizeOf(whole, 0)
  expect(frameFormat.describe(whole, second).baseOffset).toBe(7)

  writeFile(fileSystem, path!, flipped(whole, second + 40))
  const damaged = await open()
  const lost = { code: 'KFK_STORE_CORRUPT', details: { position: second, offset: 1 } }
  await expect(collect(damaged.log.records())).rejects.toMatchObject(lost)
  await damaged.log.close()

  const known = await open()
  expect(kinds(known.reports)).toEqual(['damage-known'])
  await known.log.close()

  writeFile(fileSystem, path!, whole)
  const again = await open()
  expect(again.reports).toEqual([])
  expect(await collect(again.log.records())).toEqual(wanted)
  await again.log.close()
})

describe('on a disk that fails', () => {
  let disk: ReturnType<typeof faultyFileSystem>
  let path: string
  let whole: Uint8Array

  const open = async () => {
    const reports: StoreReport[] = []
    const onReport = (report: StoreReport) => reports.push(report)
    const log = await openLog('/data', { fileSystem: disk, segmentBytes: 400, onReport })
    return { log, reports }
  }
  const damaged = { code: 'KFK_STORE_CORRUPT', details: { position: expect.any(Number) } }
  const always = { at: 1, times: Number.MAX_SAFE_INTEGER }

  beforeEach(async () => {
    disk = faultyFileSystem()
    const { log } = await open()
    for (let n = 0; n < 40; n++) await log.append(`value ${n}`)
    await log.close()
    const files = await storedFiles(disk)
    path = pathsOf(files, '.log')[0]!
    whole = files.get(path)!
    writeFile(disk, path, flipped(whole, 50))
  })

  async function note(): Promise<void> {
    const { log } = await open()
    await expect(collect(log.records())).rejects.toMatchObject(damaged)
    await log.close()
  }

  test('a place that cannot be read any more is no less damaged, and keeps no log closed', async () => {
    await note()
    disk.inject({ operation: 'read', path, error: 'EIO', ...always })
    const { log, reports } = await open()
    expect(kinds(reports)).toEqual(['damage-known'])
    disk.clearFaults()
    await expect(collect(log.records())).rejects.toMatchObject(damaged)
    await log.close()
  })

  test('a place that reads well again is read without room to strike it off', async () => {
    await note()
    writeFile(disk, path, whole)
    disk.inject({ operation: 'create', path: 'quarantine', error: 'ENOSPC', ...always })
    const { log, reports } = await open()
    expect(kinds(reports)).toEqual(['background-failure'])
    expect(await collect(log.records())).toHaveLength(40)
    await log.close()
    disk.clearFaults()
    const again = await open()
    expect(again.reports).toEqual([])
    await again.log.close()
    expect(kinds((await open()).reports)).toEqual([])
  })

  test.each(['write', 'sync', 'rename', 'syncDirectory'] as const)(
    'a note that fails in its %s is told, and ends the appends',
    async (operation) => {
      const { log, reports } = await open()
      const where = operation === 'syncDirectory' ? '/data/' : 'quarantine'
      disk.inject({ operation, path: where, error: 'EIO', at: 1 })
      await expect(collect(log.records())).rejects.toMatchObject(damaged)
      expect(kinds(reports)).toEqual(['quarantined', 'poisoned'])
      await expect(log.append('more')).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
      await log.close().catch(() => undefined)
      await note()
    },
  )
})

test.each([['close'], ['delete']] as const)(
  'what is found across %s of its log is not written into a directory that others may have',
  async (end) => {
    const disk = faultyFileSystem()
    const open = () =>
      openLogDirectory('/data', {
        fileSystem: disk,
        defaults: { segmentBytes: 400, fileDeleteDelayMs: 0 },
        hotTailBytes: 0,
      })
    const first = await open()
    const filled = await first.open('a-0')
    for (let n = 0; n < 40; n++) filled.append(record(`value ${n}`), { leaderEpoch: 0 })
    await first.close()
    const files = await storedFiles(disk)
    const path = pathsOf(files, '.log')[0]!
    writeFile(disk, path, flipped(files.get(path)!, 30))

    const directory = await open()
    const log = await directory.open('a-0')
    let goOn = () => {}
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const openFile = disk.open
    disk.open = (name, mode) => {
      const handle = openFile.call(disk, name, mode)
      const read = handle.read.bind(handle)
      if (name === path) handle.read = (into, position) => held.then(() => read(into, position))
      return handle
    }
    const verifying = log.verify(0)
    await (end === 'close' ? directory.close() : directory.delete('a-0'))
    disk.open = openFile
    const before = await storedFiles(disk)
    goOn()
    expect(await verifying).toMatchObject({ offset: 0 })
    expect(pathsOf(await storedFiles(disk), 'quarantine')).toEqual(pathsOf(before, 'quarantine'))
    await directory.close()
  },
)
