// A damaged place of a compacted log: the offsets before it may be missing.
import { frameFormat, memoryFileSystem, openLog } from '../src/index'
import type { StoreReport } from '../src/index'
import { collect } from './support/records'
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
