// Property by property: the directory around the logs.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { nodeFileSystem, openLogDirectory } from '../src/index'
import type { LogDirectory, StoreReport } from '../src/index'
import { readAll, record } from './support/records'

let path: string
let reports: StoreReport[]
const opened: LogDirectory[] = []

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'kfk-directory-'))
  reports = []
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((directory) => directory.close()))
  rmSync(path, { recursive: true })
})

async function open(options = {}): Promise<LogDirectory> {
  const defaults = { segmentBytes: 300, indexIntervalBytes: 80, fileDeleteDelayMs: 0 }
  const onReport = (report: StoreReport) => reports.push(report)
  const directory = await openLogDirectory(path, { defaults, onReport, ...options })
  opened.push(directory)
  return directory
}

async function fill(directory: LogDirectory, name: string, count = 20): Promise<void> {
  const log = await directory.open(name)
  for (let n = 0; n < count; n++) log.append(record(`record ${n}`, 1000 + n), { leaderEpoch: 1 })
  await log.whenAcknowledged(log.logEndOffset)
}

test('the clean marker is there exactly while the directory is closed, with the content of Kafka', async () => {
  const marker = join(path, '.kafka_cleanshutdown')
  const directory = await open()
  expect(directory.cleanStart).toBe(false)
  await fill(directory, 'a-0')
  expect(existsSync(marker)).toBe(false)
  await directory.close()
  expect(readFileSync(marker, 'utf8')).toBe('{"version":0,"brokerEpoch":-1}')
  expect(existsSync(join(path, 'kfk.lock'))).toBe(false)
  expect((await open()).cleanStart).toBe(true)
  expect(existsSync(marker)).toBe(false)
})

test('the same name is the same log; other names are refused', async () => {
  const directory = await open()
  const [one, two] = await Promise.all([directory.open('a-0'), directory.open('a-0')])
  expect(one).toBe(two)
  expect(directory.get('a-0')).toBe(one)
  expect(directory.get('b-0')).toBeUndefined()
  for (const name of ['a', '../a-0', 'a-0-delete', '']) {
    await expect(directory.open(name)).rejects.toMatchObject({ code: 'KFK_STORE_INVALID_ARGUMENT' })
  }
  await expect(directory.delete('b-0')).rejects.toMatchObject({ code: 'KFK_STORE_NOT_FOUND' })
})

test('a deleted log is gone at once, its name free, its readers undisturbed', async () => {
  const directory = await open()
  await fill(directory, 'a-0')
  const log = await directory.open('a-0')
  const reading = log.read({ from: 0, maxBytes: 100 })
  await directory.delete('a-0')
  expect((await reading).bytes.length).toBeGreaterThan(0)
  expect(() => log.append(record('x'), { leaderEpoch: 1 })).toThrow('is closed')
  expect(directory.names()).toEqual([])
  const again = await directory.open('a-0')
  expect(again.logEndOffset).toBe(0)
  await directory.close()
  expect(readdirSync(path).filter((name) => name.endsWith('-delete'))).toEqual([])
  expect(readFileSync(join(path, 'recovery-point-offset-checkpoint'), 'utf8')).toBe('0\n1\na 0 0\n')
})

test('what interrupted work left is removed, and foreign files are not', async () => {
  const first = await open()
  await fill(first, 'a-0')
  await first.close()
  const log = join(path, 'a-0')
  for (const name of [
    '00000000000000000000.log.deleted',
    'leader-epoch-checkpoint.tmp',
    '00000000000000000999.index',
    '00000000000000000005.timeindex.cleaned',
    'partition.metadata',
    'notes.txt',
  ]) {
    writeFileSync(join(log, name), 'x')
  }
  const second = await open()
  await fill(second, 'a-0', 1)
  expect(
    readdirSync(log)
      .sort()
      .filter((name) => !/^0+\d*\.(log|index|timeindex)$/.test(name)),
  ).toEqual([
    'kfk.leader-epoch-checkpoint.crc',
    'leader-epoch-checkpoint',
    'notes.txt',
    'partition.metadata',
  ])
  expect(reports.filter((report) => report.kind === 'leftover-removed')).toHaveLength(4)
})

test('one damaged log does not keep the others from opening, nor the directory from being honest', async () => {
  const first = await open()
  await fill(first, 'a-0')
  await fill(first, 'b-0')
  await first.close()
  rmSync(join(path, '.kafka_cleanshutdown'))
  const last = readdirSync(join(path, 'a-0'))
    .filter((name) => name.endsWith('.log'))
    .at(-1)!
  const bytes = readFileSync(join(path, 'a-0', last))
  // The last record: what the log end is found by.
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(join(path, 'a-0', last), bytes)
  for (let attempt = 0; attempt < 2; attempt++) {
    const directory = await open()
    expect(directory.cleanStart).toBe(false)
    expect((await readAll(await directory.open('b-0'))).size).toBe(20)
    await expect(directory.open('a-0')).rejects.toMatchObject({
      code: 'KFK_STORE_CORRUPT',
      details: { path: join(path, 'a-0', last), offset: 19 },
    })
    await directory.close()
    expect(existsSync(join(path, '.kafka_cleanshutdown'))).toBe(false)
  }
  // Deleting it is a decision, and ends the matter.
  const directory = await open()
  await directory.delete('a-0')
  await directory.close()
  expect((await open()).cleanStart).toBe(true)
})

test.each(['', '1'])(
  'within one process the second opening is refused as well',
  async (portable) => {
    process.env['KFK_PORTABLE_LOCK'] = portable
    try {
      const first = await open()
      const refused = { code: 'KFK_STORE_LOCKED', details: { pid: process.pid } }
      await expect(open()).rejects.toMatchObject(refused)
      // Nor has the attempt taken the lock from who has it.
      await expect(open()).rejects.toMatchObject(refused)
      await first.close()
      await open()
    } finally {
      delete process.env['KFK_PORTABLE_LOCK']
    }
  },
)

test('the lock survives garbage in the holder file', async () => {
  writeFileSync(join(path, 'kfk.lock'), '{"pid"')
  await open()
})

test('nested directories are made', async () => {
  const deep = join(path, 'x/y/z')
  const directory = await openLogDirectory(deep, { fileSystem: nodeFileSystem })
  await fill(directory, 'a-0')
  await directory.close()
  expect(existsSync(join(deep, '.kafka_cleanshutdown'))).toBe(true)
})

test('kfk-log-dump prints, checks and says so by its exit status', async () => {
  const directory = await open()
  await fill(directory, 'a-0')
  await directory.close()
  const program = join(path, 'bin.cjs')
  buildSync({
    entryPoints: [join(__dirname, '../src/bin.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
  })
  const files = readdirSync(join(path, 'a-0'))
    .filter((name) => /\.(log|index|timeindex)$/.test(name))
    .map((name) => join(path, 'a-0', name))
  const printed = execFileSync(process.execPath, [program, '--records', ...files]).toString()
  expect(printed).toContain('offset 19 timestamp 1019 key -')
  expect(printed).not.toContain('PROBLEM')
  const bytes = readFileSync(files[0]!)
  bytes[50]! ^= 1
  writeFileSync(join(path, 'a-0', '00000000000000000000.log'), bytes)
  const run = () =>
    execFileSync(process.execPath, [
      program,
      '--quiet',
      join(path, 'a-0', '00000000000000000000.log'),
    ])
  expect(run).toThrow(expect.objectContaining({ status: 1 }))
  expect(() => execFileSync(process.execPath, [program], { stdio: 'pipe' })).toThrow(
    expect.objectContaining({ status: 2 }),
  )
})

test('an offset that is no whole number is refused, and nothing is noted of it', async () => {
  const directory = await open()
  await fill(directory, 'a-0')
  const log = await directory.open('a-0')
  const refused = { code: 'KFK_STORE_INVALID_ARGUMENT' }
  await expect(log.advanceLogStart(1.5)).rejects.toMatchObject(refused)
  await expect(log.read({ from: 1.5, maxBytes: 100 })).rejects.toMatchObject(refused)
  await expect(log.truncateTo(1.5)).rejects.toMatchObject(refused)
  expect(log.logStartOffset).toBe(0)
  expect(reports).toEqual([])
})
