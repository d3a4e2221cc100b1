// Repair keeps every valid batch and destroys nothing: what it takes out it has set aside before.
import {
  describeRepair,
  faultyFileSystem,
  frameFormat,
  openLogDirectory,
  repairLog,
  repairPath,
  repairSegment,
  StoreError,
} from '../src/index'
import type { CrashOutcome, FileSystem, Log, RepairReport, StoreReport } from '../src/index'
import { isFull } from './support/proofs'
import { readVerified, record } from './support/records'
import {
  diskOf,
  flipped,
  pathsOf,
  type StoredFiles,
  storedFiles,
  writeFile,
} from './support/stored-files'

const logPath = '/data/a-0'
const text = (n: number) => `record ${String(n).padStart(5, '0')}`
const recordBytes = record(text(0)).length
const perSegment = 20
const count = 4 * perSegment
const options = {
  defaults: { segmentBytes: perSegment * recordBytes, indexIntervalBytes: 200 },
  checkpointMs: 0,
}

/** Four segments of 20 records, closed. */
async function sound(): Promise<StoredFiles> {
  const fileSystem = await diskOf(new Map(), { crashed: true })
  const directory = await openLogDirectory('/data', { fileSystem, ...options })
  const log = await directory.open('a-0')
  while (log.logEndOffset < count) {
    log.append(record(text(log.logEndOffset), 1000 + log.logEndOffset), { leaderEpoch: 1 })
    log.flushNow()
  }
  await log.whenAcknowledged(count)
  await directory.close()
  return storedFiles(fileSystem)
}

const segment = (at: number) => `${logPath}/${String(at * perSegment).padStart(20, '0')}.log`
const at = (n: number) => n * recordBytes
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

interface Case {
  readonly spoil: (files: StoredFiles) => void
  /** Offsets that are gone. */
  readonly lost: readonly number[]
  /** What must have been set aside: name and bytes. */
  readonly aside: (before: StoredFiles) => Record<string, Uint8Array>
}

const change = (path: string, edit: (bytes: Uint8Array) => Uint8Array) => (files: StoredFiles) =>
  void files.set(path, edit(Uint8Array.from(files.get(path)!)))
const asideName = (position: number, path: string) =>
  `${path.replace('a-0/', `a-0/kfk.quarantine.${position}.`)}.cut`
const part = (path: string, from: number, to?: number) => (files: StoredFiles) => ({
  [asideName(at(from), path)]: files.get(path)!.subarray(at(from), to === undefined ? to : at(to)),
})

const cases: Record<string, Case> = {
  'a bad batch in a sealed segment': {
    spoil: change(segment(1), (bytes) => flipped(bytes, at(10) + 40)),
    lost: [30],
    aside: part(segment(1), 10, 11),
  },
  'the first batch of all': {
    spoil: change(segment(0), (bytes) => flipped(bytes, 40)),
    lost: [0],
    aside: part(segment(0), 0, 1),
  },
  'the last batch of a sealed segment': {
    spoil: change(segment(1), (bytes) => flipped(bytes, at(19) + 40)),
    lost: [39],
    aside: part(segment(1), 19),
  },
  'a bad batch in the active segment': {
    spoil: change(segment(3), (bytes) => flipped(bytes, at(5) + 40)),
    lost: [65],
    aside: part(segment(3), 5, 6),
  },
  'the last batch of the log': {
    spoil: change(segment(3), (bytes) => flipped(bytes, at(19) + 40)),
    lost: [79],
    aside: part(segment(3), 19),
  },
  'a destroyed length': {
    spoil: change(segment(1), (bytes) => flipped(bytes, at(10) + 9, 3)),
    lost: [30],
    aside: part(segment(1), 10, 11),
  },
  'an offset too high': {
    spoil: change(segment(1), (bytes) => flipped(bytes, at(10) + 7, 0)),
    lost: [30],
    aside: part(segment(1), 10, 11),
  },
  'an offset too low': {
    spoil: change(segment(1), (bytes) => flipped(bytes, at(10) + 7, 4)),
    lost: [30],
    aside: part(segment(1), 10, 11),
  },
  'the offset of the last batch of all': {
    spoil: change(segment(3), (bytes) => flipped(bytes, at(19) + 7, 5)),
    lost: [79],
    aside: part(segment(3), 19),
  },
  'a leader epoch too high': {
    spoil: change(segment(1), (bytes) => flipped(bytes, at(10) + 13, 0)),
    lost: [30],
    aside: part(segment(1), 10, 11),
  },
  'a zero-filled hole': {
    spoil: change(segment(1), (bytes) => bytes.fill(0, at(5) + 7, at(12) - 3)),
    lost: range(25, 32),
    aside: part(segment(1), 5, 12),
  },
  'a hole in the active segment up to its end': {
    spoil: change(segment(3), (bytes) => bytes.fill(0, at(12) + 7)),
    lost: range(72, 80),
    aside: part(segment(3), 12),
  },
  'a sealed file that is too short': {
    spoil: change(segment(1), (bytes) => bytes.subarray(0, at(10) + 7)),
    lost: range(30, 40),
    aside: (files) => ({
      [asideName(at(10), segment(1))]: files.get(segment(1))!.subarray(at(10)),
    }),
  },
  'a sealed file cut at a boundary': {
    spoil: change(segment(1), (bytes) => bytes.subarray(0, at(10))),
    lost: range(30, 40),
    aside: () => ({}),
  },
  'the last file too short': {
    spoil: change(segment(3), (bytes) => bytes.subarray(0, at(10) + 7)),
    lost: range(70, 80),
    aside: (files) => ({
      [asideName(at(10), segment(3))]: files.get(segment(3))!.subarray(at(10)),
    }),
  },
  'a missing segment in the middle': {
    spoil: (files) => void files.delete(segment(1)),
    lost: range(20, 40),
    aside: () => ({}),
  },
  'the last segment missing': {
    spoil: (files) => void files.delete(segment(3)),
    lost: range(60, 80),
    aside: () => ({}),
  },
  'a segment full of garbage': {
    spoil: change(segment(1), (bytes) => bytes.map((_, n) => (n * 31) & 255)),
    lost: range(20, 40),
    aside: part(segment(1), 0),
  },
  'garbage between two segments': {
    spoil: change(segment(1), (bytes) => Buffer.concat([bytes, Buffer.alloc(333, 0x5a)])),
    lost: [],
    aside: part(segment(1), 20),
  },
  'several places': {
    spoil(files) {
      for (const n of [0, 7, 8, 19]) change(segment(1), (b) => flipped(b, at(n) + 40))(files)
      change(segment(2), (bytes) => flipped(bytes, at(3) + 40, 2))(files)
    },
    lost: [20, 27, 28, 39, 43],
    aside: (files) => ({
      ...part(segment(1), 0, 1)(files),
      ...part(segment(1), 7, 9)(files),
      ...part(segment(1), 19)(files),
      ...part(segment(2), 3, 4)(files),
    }),
  },
}

async function spoilt(name: string): Promise<StoredFiles> {
  const files = await sound()
  cases[name]!.spoil(files)
  return files
}

/** Offsets of the records that can be read; what lies behind the last one may be gone. */
async function offsetsIn(log: Log): Promise<number[]> {
  const found: number[] = []
  for (let from = log.logStartOffset; from < log.logEndOffset;) {
    const slice = await log.read({ from, maxBytes: 100 })
    const frames = frameFormat.decode(slice.bytes)
    for (const { offset, value } of frames) {
      expect(Buffer.from(value).toString()).toBe(text(offset))
      if (offset >= from) found.push(offset)
    }
    if (frames.length === 0) return found
    from = slice.nextOffset
  }
  return found
}

/** All that a log must be after repair, opened after a clean stop and after a crash. */
async function verify(fileSystem: FileSystem, lost: readonly number[]): Promise<void> {
  const kept = range(0, count).filter((n) => !lost.includes(n))
  for (const how of ['clean', 'crashed', 'epochs unknown'] as const) {
    const files = await storedFiles(fileSystem)
    if (how === 'epochs unknown') files.delete(`${logPath}/leader-epoch-checkpoint`)
    if (how === 'epochs unknown') files.delete(`${logPath}/kfk.leader-epoch-checkpoint.crc`)
    const disk = await diskOf(files, { crashed: how !== 'clean' })
    const reports: StoreReport[] = []
    const onReport = (report: StoreReport) => reports.push(report)
    const directory = await openLogDirectory('/data', { fileSystem: disk, ...options, onReport })
    const log = await directory.open('a-0')
    expect(await offsetsIn(log)).toEqual(kept)
    expect(await log.verify(0)).toBeUndefined()
    // No offset is given out twice.
    expect(log.logEndOffset).toBe(count)
    expect(log.append(record(text(count)), { leaderEpoch: 1 }).baseOffset).toBe(count)
    await log.whenAcknowledged(count + 1)
    for (const n of kept) {
      expect((await log.read({ from: n, maxBytes: 1 })).nextOffset).toBe(n + 1)
      expect(await log.offsetForTimestamp(1000 + n)).toMatchObject({ offset: n })
    }
    expect(reports.map(({ kind }) => kind)).not.toContain('index-rebuilt')
    expect(reports.map(({ kind }) => kind)).not.toContain('quarantined')
    await directory.close()
  }
}

const offsetsOf = (report: RepairReport) =>
  report.lost.flatMap(({ from, to }) => range(from, to + 1))

describe.each(Object.keys(cases))('%s', (name) => {
  const { lost, aside } = cases[name]!

  test('is repaired: what is lost is said, what is cut is kept, the rest is there', async () => {
    const before = await spoilt(name)
    const fileSystem = await diskOf(before, { crashed: false })
    const planned = await repairLog(logPath, { fileSystem, dryRun: true, indexIntervalBytes: 200 })
    expect(await storedFiles(fileSystem)).toEqual(before)
    const report = await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 })
    expect({ ...planned, dryRun: false }).toEqual(report)
    expect(report.sound).toBe(false)
    expect(offsetsOf(report)).toEqual(lost)
    const after = await storedFiles(fileSystem)
    const kept = pathsOf(after, '.cut')
    expect(Object.fromEntries(kept.map((path) => [path, Buffer.from(after.get(path)!)]))).toEqual(
      Object.fromEntries(
        Object.entries(aside(before)).map(([path, bytes]) => [path, Buffer.from(bytes)]),
      ),
    )
    expect(report.cuts.map(({ setAside }) => setAside).sort()).toEqual(kept)
    await verify(fileSystem, lost)
    const again = await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 })
    expect(again).toMatchObject({ sound: true, lost: [], cuts: [] })
  })
})

test('the list of the last clean close is gone, whatever the dates of the files say', async () => {
  const before = await sound()
  expect(before.has('/data/kfk.logs')).toBe(true)
  const bad = flipped(before.get(segment(1))!, at(10) + 40)
  const fileSystem = await diskOf(new Map(before).set(segment(1), bad), { crashed: true })
  expect(await repairLog(logPath, { fileSystem })).toMatchObject({ sound: false })
  expect((await storedFiles(fileSystem)).has('/data/kfk.logs')).toBe(false)
})

test('what was set aside before is not written over by what is cut from the same place later', async () => {
  const fileSystem = await diskOf(await sound(), { crashed: true })
  const cut: Buffer[] = []
  const spoilAndRepair = async () => {
    const path = segment(1)
    const bytes = flipped((await storedFiles(fileSystem)).get(path)!, at(10) + 40)
    writeFile(fileSystem, path, bytes)
    const bad = Buffer.from(bytes.subarray(at(10), at(11)))
    const [{ setAside } = { setAside: '' }] = (await repairLog(logPath, { fileSystem })).cuts
    cut.push(bad)
    return setAside
  }
  const paths = [await spoilAndRepair(), await spoilAndRepair(), await spoilAndRepair()]
  const name = asideName(at(10), segment(1))
  expect(paths).toEqual([name, name.replace('.cut', '.2.cut'), name.replace('.cut', '.3.cut')])
  const kept = await storedFiles(fileSystem)
  expect(paths.map((path) => Buffer.from(kept.get(path)!))).toEqual(cut)
  expect(await repairLog(logPath, { fileSystem })).toMatchObject({ sound: true })
})

test.each([
  'several places',
  'the last batch of the log',
  'the last segment missing',
  'a zero-filled hole',
  'a segment full of garbage',
])('%s: a crash in the middle of the repair does no harm', async (name) => {
  const { lost, aside } = cases[name]!
  const before = await spoilt(name)
  const outcomes: CrashOutcome[] = ['lose-unsynced', 'keep-unsynced', 'tear-last-write']
  for (let point = 1; ; point++) {
    let finished = false
    // The sample has every second point, with one outcome after another.
    if (!isFull && point % 2 === 0) continue
    for (const outcome of isFull ? outcomes : [outcomes[point % outcomes.length]!]) {
      const fileSystem = faultyFileSystem()
      await diskOf(before, { crashed: false, fileSystem })
      fileSystem.crash('keep-unsynced')
      fileSystem.crashAt(point)
      finished = await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 }).then(
        () => !fileSystem.stopped,
        () => false,
      )
      fileSystem.crash(outcome)
      await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 })
      const directory = await openLogDirectory('/data', { fileSystem, ...options })
      const log = await directory.open('a-0')
      const kept = range(0, count).filter((n) => !lost.includes(n))
      expect(await offsetsIn(log)).toEqual(kept)
      expect(log.logEndOffset).toBe(count)
      await directory.close()
      const files = await storedFiles(fileSystem)
      for (const [path, bytes] of Object.entries(aside(before))) {
        expect(files.get(path)).toEqual(Uint8Array.from(bytes))
      }
    }
    if (finished) return
    expect(point).toBeLessThan(200)
  }
})

test('a sound log is left alone', async () => {
  const before = await sound()
  const fileSystem = await diskOf(before, { crashed: false })
  const report = await repairLog(logPath, { fileSystem })
  expect(report).toMatchObject({ sound: true, segments: 4, batches: 80, logEndOffset: 80 })
  expect(await storedFiles(fileSystem)).toEqual(before)
  expect(describeRepair(report)).toEqual([
    `${logPath}: 4 segments, 80 valid batches, nothing to repair`,
  ])
})

test('what had not been synced is cut, and nothing counts as lost', async () => {
  const files = await sound()
  change(segment(3), (bytes) => Buffer.concat([bytes, record('torn').subarray(0, 30)]))(files)
  const fileSystem = await diskOf(files, { crashed: true })
  const report = await repairLog(logPath, { fileSystem })
  expect(report).toMatchObject({ lost: [], cuts: [{ position: at(20), bytes: 30 }] })
  await verify(fileSystem, [])
})

test('wrong indexes are built anew', async () => {
  const before = await sound()
  for (const suffix of ['.index', '.timeindex']) {
    for (const path of pathsOf(before, suffix)) {
      for (const bytes of [undefined, flipped(before.get(path)!, 7), new Uint8Array(5)]) {
        const files = new Map(before)
        if (bytes === undefined) files.delete(path)
        else files.set(path, bytes)
        const fileSystem = await diskOf(files, { crashed: false })
        const report = await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 })
        expect(report.reindexed).toEqual([path.replace(suffix, '.log')])
        expect(await storedFiles(fileSystem)).toEqual(before)
      }
    }
  }
})

test('a note of damage is struck off', async () => {
  const files = await spoilt('a bad batch in a sealed segment')
  const fileSystem = await diskOf(files, { crashed: false })
  {
    await using directory = await openLogDirectory('/data', { fileSystem, ...options })
    await readVerified(await directory.open('a-0'))
  }
  expect((await storedFiles(fileSystem)).has(`${logPath}/kfk.quarantine`)).toBe(true)
  await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 })
  await verify(fileSystem, [30])
})

test('a log that would not open opens after its repair', async () => {
  const files = await spoilt('the last batch of the log')
  const fileSystem = await diskOf(files, { crashed: true })
  {
    await using directory = await openLogDirectory('/data', { fileSystem, ...options })
    await expect(directory.open('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_CORRUPT' })
    // Not while somebody has it.
    await expect(repairLog(logPath, { fileSystem })).rejects.toMatchObject({
      code: 'KFK_STORE_LOCKED',
    })
  }
  const report = await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 })
  expect(describeRepair(report)).toEqual([
    `${logPath}: 4 segments, 79 valid batches`,
    expect.stringMatching(
      /^ {2}0{18}60\.log at byte 874: checksum .*; 46 bytes set aside in kfk\.quarantine\.874\.0{18}60\.log\.cut$/,
    ),
    '  lost: offset 79',
    '  00000000000000000060.log: indexes built anew',
    '  the log goes on at offset 80',
  ])
  await verify(fileSystem, [79])
})

test('one segment alone', async () => {
  const files = await spoilt('several places')
  const fileSystem = await diskOf(files, { crashed: false })
  const report = await repairSegment(segment(2), { fileSystem, indexIntervalBytes: 200 })
  expect(offsetsOf(report)).toEqual([43])
  expect((await storedFiles(fileSystem)).get(segment(1))).toEqual(files.get(segment(1)))
  expect(offsetsOf(await repairLog(logPath, { fileSystem, indexIntervalBytes: 200 }))).toEqual([
    20, 27, 28, 39,
  ])
})

test('after compaction it says what may never have been there', async () => {
  const files = await spoilt('a bad batch in a sealed segment')
  const fileSystem = await diskOf(files, { crashed: false })
  const report = await repairLog(logPath, { fileSystem, offsetGaps: true, dryRun: true })
  expect(report.lost).toEqual([{ from: 30, to: 30, maybe: true }])
  expect(describeRepair(report)).toContain('  lost, unless compacted away before: offset 30')
})

test.each<[string, (files: StoredFiles) => void, string, StoreError['code']]>([
  ['nothing there', () => undefined, '/data/b-0', 'KFK_STORE_NOT_FOUND'],
  ['no log', () => undefined, '/', 'KFK_STORE_NOT_FOUND'],
  ['no segment of that name', () => undefined, `${logPath}/7.log`, 'KFK_STORE_NOT_FOUND'],
  [
    'an interrupted compaction',
    (files) => void files.set(`${segment(1)}.swap`, new Uint8Array(1)),
    logPath,
    'KFK_STORE_INVALID_ARGUMENT',
  ],
  [
    'batches of another format',
    (files) => {
      for (const path of pathsOf(files, '.log')) change(path, (b) => b.fill(2, 16, 17))(files)
      for (const path of pathsOf(files, '.log')) files.set(path, files.get(path)!.subarray(0, 46))
    },
    logPath,
    'KFK_STORE_INVALID_ARGUMENT',
  ],
])('%s: an error, and nothing is changed', async (_name, spoil, path, code) => {
  const files = await sound()
  spoil(files)
  const fileSystem = await diskOf(files, { crashed: false })
  const run = async () => {
    for await (const _ of repairPath(path, { fileSystem, formats: [frameFormat] })) continue
  }
  await expect(run()).rejects.toMatchObject({ code })
  expect(await storedFiles(fileSystem)).toEqual(files)
})

test('all logs of a directory, and the empty ones left out', async () => {
  const files = await spoilt('a bad batch in a sealed segment')
  for (const [path, bytes] of [...files]) {
    if (path.startsWith(logPath)) files.set(path.replace('a-0', 'b-1'), bytes)
  }
  files.set('/data/c-0/00000000000000000000.log', new Uint8Array(0))
  const fileSystem = await diskOf(files, { crashed: false })
  writeFile(fileSystem, '/data/notes.txt', Buffer.from('x'))
  const found: [string, number[]][] = []
  for await (const report of repairPath('/data', { fileSystem, formats: [frameFormat] })) {
    found.push([report.path, offsetsOf(report)])
  }
  expect(found).toEqual([
    ['/data/a-0', [30]],
    ['/data/b-1', [30]],
  ])
})
