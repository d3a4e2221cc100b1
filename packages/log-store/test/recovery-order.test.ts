// Property: at every step of what is not in the crash explorer's workloads, too, whatever must be
// durable before something else is so: bytes that are set aside, notes of damage, notes of recovery
// points, the list of logs.
import { openLogDirectory, recordingFileSystem } from '../src/index'
import type { DiskChange, FileSystem, LogDirectory, Survival } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record } from './support/records'
import { diskOf, flipped, pathsOf, storedFiles, writeFile } from './support/stored-files'

const logPath = '/data/a-0'
const text = (n: number) => `record ${String(n).padStart(5, '0')}`
const recordBytes = record(text(0)).length

function open(fileSystem: FileSystem, clock = new ManualClock()): Promise<LogDirectory> {
  const defaults = { segmentBytes: 20 * recordBytes, indexIntervalBytes: 100, retentionMs: -1 }
  return openLogDirectory('/data', { fileSystem, clock, defaults })
}

async function fill(directory: LogDirectory, count: number): Promise<void> {
  const log = await directory.open('a-0')
  for (let n = 0; n < count; n++) {
    log.append(record(text(log.logEndOffset), 1000 + log.logEndOffset), { leaderEpoch: 1 })
  }
  await log.flush()
}

/** Two sealed segments and one of five records; closed. */
async function stored(): Promise<Awaited<ReturnType<typeof storedFiles>>> {
  const fileSystem = await diskOf(new Map(), { crashed: true })
  const directory = await open(fileSystem)
  await fill(directory, 45)
  await directory.close()
  return storedFiles(fileSystem)
}

/** The same after a crash, on a disk that records, all of it durable. */
async function recorded(files: Map<string, Uint8Array>) {
  const fileSystem = recordingFileSystem()
  await diskOf(files, { crashed: true, fileSystem })
  for (const path of (await storedFiles(fileSystem)).keys()) {
    await new Promise<void>((resolve) => {
      const handle = fileSystem.open(path, 'write')
      handle.syncData(() => {
        handle.close()
        resolve()
      })
    })
  }
  for (const path of ['/', '/data', logPath]) await fileSystem.syncDirectory(path)
  return fileSystem
}

/** What a power cut leaves after each step from `from` on, when only what is chosen survives. */
async function* powerCuts(
  disk: ReturnType<typeof recordingFileSystem>,
  from: number,
  survives: (change: DiskChange) => Survival,
): AsyncGenerator<FileSystem> {
  for (let count = from; count <= disk.steps.length; count++) {
    yield disk.crashAfter(count).restart(survives).fileSystem
  }
}

test('what recovery cuts is somewhere at any time', async () => {
  const files = await stored()
  for (const name of ['/data/recovery-point-offset-checkpoint', '/data/kfk.recovery-points']) {
    files.delete(name)
  }
  files.delete('/data/kfk.recovery-point-offset-checkpoint.crc')
  const path = pathsOf(files, '.log')[2]!
  const damaged = flipped(files.get(path)!, recordBytes + 40)
  files.set(path, damaged)
  const disk = await recorded(files)
  const from = disk.steps.length
  await open(disk)
  const cut = damaged.subarray(recordBytes)
  const isThere = async (left: FileSystem) =>
    [...(await storedFiles(left)).values()].some((bytes) =>
      Buffer.from(bytes).includes(Buffer.from(cut)),
    )
  expect(pathsOf(await storedFiles(disk), '.cut')).toHaveLength(1)
  const isCut = (change: DiskChange) => change.kind === 'truncate' && change.path === path
  // The cut may reach the medium before anything else that is pending.
  for await (const left of powerCuts(disk, from, (change) => (isCut(change) ? 'kept' : 'lost'))) {
    expect(await isThere(left)).toBe(true)
  }
})

test('a note of damage is durable when the damage is told', async () => {
  const files = await stored()
  const path = pathsOf(files, '.log')[0]!
  files.set(path, flipped(files.get(path)!, 10 * recordBytes + 40))
  const disk = await recorded(files)
  const directory = await open(disk)
  const log = await directory.open('a-0')
  expect(await log.verify(0)).toMatchObject({ offset: 10 })
  const left = disk.crashAfter(disk.steps.length).restart(() => 'lost').fileSystem
  expect(pathsOf(await storedFiles(left), '/kfk.quarantine')).toHaveLength(1)
})

test('a recovery point that was taken back does not come back', async () => {
  const clock = new ManualClock()
  const disk = recordingFileSystem()
  const directory = await open(disk, clock)
  await fill(directory, 5)
  await directory.checkpoint()
  await fill(directory, 5)
  clock.advance(1000)
  const log = await directory.open('a-0')
  await log.truncateTo(5)
  const at = disk.steps.length
  // The note was never synced and may have reached the medium all the same.
  const isNote = ({ kind, path }: DiskChange) =>
    (kind === 'create' || kind === 'write') && path.includes('kfk.recovery-points')
  for await (const left of powerCuts(disk, at, (change) => (isNote(change) ? 'kept' : 'lost'))) {
    expect((await (await open(left)).open('a-0')).logEndOffset).toBe(5)
  }
})

test('the list of logs is there exactly while the directory is closed', async () => {
  const fileSystem = await diskOf(await stored(), { crashed: false })
  expect(await fileSystem.stat('/data/kfk.logs')).toBeDefined()
  const directory = await open(fileSystem)
  expect(await fileSystem.stat('/data/kfk.logs')).toBeUndefined()
  await directory.close()
  expect(await fileSystem.stat('/data/kfk.logs')).toBeDefined()
})

test('a log that has changed since is not opened from the list', async () => {
  const fileSystem = await diskOf(new Map(), { crashed: true })
  const first = await open(fileSystem)
  await fill(first, 45)
  await first.close()
  const files = await storedFiles(fileSystem)
  const path = pathsOf(files, '.log')[2]!
  writeFile(fileSystem, path, files.get(path)!.subarray(0, 3 * recordBytes))
  await fileSystem.remove('/data/recovery-point-offset-checkpoint')
  await fileSystem.remove('/data/kfk.recovery-point-offset-checkpoint.crc')
  const log = await (await open(fileSystem)).open('a-0')
  expect(log.logEndOffset).toBe(43)
  expect((await readAll(log)).size).toBe(43)
})

test('a sealed segment has its largest timestamp at the end of its time index', async () => {
  const files = await stored()
  for (const [at, path] of pathsOf(files, '.timeindex').slice(0, 2).entries()) {
    const bytes = Buffer.from(files.get(path)!)
    expect(bytes.readBigInt64BE(bytes.length - 12)).toBe(BigInt(1000 + at * 20 + 19))
  }
})
