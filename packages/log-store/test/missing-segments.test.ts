// What somebody has taken away while the directory was closed is told, and its offsets are not given
// out again.
import { memoryFileSystem, openLogDirectory, StoreError } from '../src/index'
import type { FileSystem, LogDirectory, StoreReport } from '../src/index'
import { readAll, record } from './support/records'

const recordBytes = record('record 00').length
const segment = (base: number) => `/data/a-0/${String(base).padStart(20, '0')}.log`

let fileSystem: FileSystem
let reports: StoreReport[]

function open(): Promise<LogDirectory> {
  reports = []
  return openLogDirectory('/data', {
    fileSystem,
    defaults: { segmentBytes: 10 * recordBytes, retentionMs: -1 },
    onReport: (report) => reports.push(report),
  })
}

const missing = () => reports.filter(({ kind }) => kind.endsWith('-missing'))

/** Segments at 0, 10, 20, 30 and an active one of five records, cleanly closed. */
beforeEach(async () => {
  fileSystem = memoryFileSystem()
  const directory = await open()
  const log = await directory.open('a-0')
  for (let n = 0; n < 45; n++) {
    log.append(record(`record ${String(n).padStart(2, '0')}`), { leaderEpoch: 1 })
  }
  await log.flush()
  await (await directory.open('b-0')).flush()
  await directory.close()
})

test('the first segments: the log begins where its files do, and what is lost is told', async () => {
  await fileSystem.remove(segment(0))
  await fileSystem.remove(segment(10))
  const directory = await open()
  const log = await directory.open('a-0')
  const files = [segment(0), segment(10)].map((path) => path.slice('/data/a-0/'.length))
  expect(missing()).toMatchObject([
    { kind: 'segments-missing', details: { log: 'a-0', files, from: 0, to: 19 } },
  ])
  expect(missing()[0]!.message).toContain('offsets 0 to 19 are lost')
  expect([...(await readAll(log)).keys()]).toEqual(Array.from({ length: 25 }, (_, n) => 20 + n))
  await directory.close()
  await (await open()).open('a-0')
  expect(missing()).toEqual([])
})

test('a segment in the middle', async () => {
  await fileSystem.remove(segment(20))
  await (await open()).open('a-0')
  expect(missing()).toMatchObject([{ details: { files: [segment(20).slice(-24)] } }])
  expect(missing()[0]!.details).not.toHaveProperty('from')
})

test('the start of the log that Kafka has noted at a clean close tells, too', async () => {
  const directory = await open()
  await (await directory.open('a-0')).advanceLogStart(5)
  await directory.close()
  await fileSystem.remove('/data/kfk.logs')
  await fileSystem.remove(segment(0))
  await (await open()).open('a-0')
  expect(missing()).toMatchObject([{ details: { files: [], from: 5, to: 9 } }])
})

test('after an unclean stop nobody knows: retention may have been there', async () => {
  const directory = await open()
  await (await directory.open('a-0')).advanceLogStart(5)
  await directory.close()
  await fileSystem.remove('/data/kfk.logs')
  await fileSystem.remove('/data/.kafka_cleanshutdown')
  await fileSystem.remove(segment(0))
  const log = await (await open()).open('a-0')
  expect([log.logStartOffset, missing()]).toEqual([10, []])
})

test.each([['after a clean close'], ['after a crash']])(
  'all segments, %s: the log does not begin anew, and what is left stays for a restore',
  async (when) => {
    if (when === 'after a crash') await fileSystem.remove('/data/.kafka_cleanshutdown')
    for (const base of [0, 10, 20, 30, 40]) await fileSystem.remove(segment(base))
    const left = await fileSystem.list('/data/a-0')
    expect(left.length).toBeGreaterThan(4)
    const directory = await open()
    const error = await directory.open('a-0').catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: { path: '/data/a-0' } })
    expect((error as StoreError).message).toContain('had been synced up to offset 45')
    expect(await fileSystem.list('/data/a-0')).toEqual(left)
    // Others open, and who wants a new one says so.
    await directory.open('b-0')
    await directory.delete('a-0')
    expect((await directory.open('a-0')).logEndOffset).toBe(0)
    await directory.close()
    expect((await open()).cleanStart).toBe(true)
  },
)

test('a whole directory: told once', async () => {
  await fileSystem.removeDirectory('/data/a-0')
  const directory = await open()
  expect(missing()).toMatchObject([{ kind: 'log-missing', details: { log: 'a-0' } }])
  expect((await directory.open('a-0')).logEndOffset).toBe(0)
  await directory.close()
  await (await open()).open('a-0')
  expect(missing()).toEqual([])
})
