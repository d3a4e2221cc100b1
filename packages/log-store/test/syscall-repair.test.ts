// Property: whichever call fails while a log is repaired, once or for good, and whether the power goes then
// or not: no sound record is lost, what is taken out is kept aside, and the next repair finishes the work.
import { faultyFileSystem, openLogDirectory, repairLog, StoreError } from '../src/index'
import type { FaultyFileSystem, FileOperation } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { rounds } from './support/proofs'
import { readAll, record } from './support/records'
import { diskOf, flipped, type StoredFiles, storedFiles } from './support/stored-files'
import { watchedFileSystem } from './support/watched-file-system'

const perSegment = 6
const count = 4 * perSegment
const text = (n: number) => `record ${String(n).padStart(3, '0')}`
const recordBytes = record(text(0)).length
const segment = (at: number) => `/data/a-0/${String(at * perSegment).padStart(20, '0')}.log`
const cutPath = (at: number, position: number) =>
  segment(at).replace('a-0/', `a-0/kfk.quarantine.${position}.`) + '.cut'
/** In the middle of a sealed segment, and at the end of the log. */
const lost = [8, 9, 22, 23]

let spoilt: StoredFiles
/** What must be kept aside, by path. */
let aside: Map<string, Uint8Array>

beforeAll(async () => {
  const fileSystem = await diskOf(new Map(), { crashed: true })
  const directory = await openLogDirectory('/data', {
    fileSystem,
    defaults: { segmentBytes: perSegment * recordBytes, indexIntervalBytes: 80 },
    checkpointMs: 0,
  })
  const log = await directory.open('a-0')
  while (log.logEndOffset < count) {
    log.append(record(text(log.logEndOffset)), { leaderEpoch: 1 })
    log.flushNow()
  }
  await log.whenAcknowledged(count)
  await directory.close()
  spoilt = await storedFiles(fileSystem)
  for (const n of lost) {
    const path = segment(Math.floor(n / perSegment))
    spoilt.set(path, flipped(spoilt.get(path)!, (n % perSegment) * recordBytes + 40))
  }
  spoilt.delete(segment(2).replace('.log', '.index'))
  const [from, to] = [2 * recordBytes, 4 * recordBytes]
  aside = new Map([
    [cutPath(1, from), spoilt.get(segment(1))!.slice(from, to)],
    [cutPath(3, to), spoilt.get(segment(3))!.slice(to)],
  ])
})

const failures: [operation: FileOperation, errors: readonly string[]][] = [
  ['write', ['EIO', 'ENOSPC', 'EFBIG', 'EDQUOT', 'EROFS']],
  ['sync', ['EIO', 'ENOSPC', 'EDQUOT']],
  ['syncDirectory', ['EIO', 'EMFILE', 'ENOSPC']],
  ['create', ['ENOSPC', 'EMFILE', 'EIO', 'EROFS']],
  ['open', ['EMFILE', 'EIO', 'ENFILE']],
  ['rename', ['EIO', 'ENOSPC', 'EROFS']],
  ['truncate', ['EIO', 'EROFS']],
  ['remove', ['EIO', 'EROFS']],
  ['read', ['EIO']],
  ['stat', ['EIO']],
  ['list', ['EIO', 'EMFILE']],
  ['lock', ['ENOSPC', 'EIO']],
  ['close', ['EIO', 'ENOSPC']],
]

/** What is left of the disk must be repaired, and opened, as if nothing had failed. */
async function finish(disk: FaultyFileSystem): Promise<void> {
  await repairLog('/data/a-0', { fileSystem: disk })
  const again = await repairLog('/data/a-0', { fileSystem: disk })
  expect([again.sound, again.logEndOffset]).toEqual([true, count])
  const files = await storedFiles(disk)
  for (const [path, bytes] of aside) {
    expect(Buffer.compare(files.get(path) ?? Buffer.alloc(0), bytes)).toBe(0)
  }
  const directory = await openLogDirectory('/data', {
    fileSystem: disk,
    clock: new ManualClock(),
  })
  const log = await directory.open('a-0')
  log.append(record(text(count)), { leaderEpoch: 1 })
  await log.whenAcknowledged(count + 1)
  const found = await readAll(log, 100)
  const kept = Array.from({ length: count + 1 }, (_, n) => n).filter((n) => !lost.includes(n))
  expect([...found]).toEqual(kept.map((n) => [n, text(n)]))
  await directory.close()
}

/** Whether the fault struck. */
async function strike(
  operation: FileOperation,
  error: string,
  how: { readonly at: number; readonly times: number; readonly crash: boolean },
): Promise<boolean> {
  const disk = faultyFileSystem()
  await diskOf(spoilt, { crashed: false, fileSystem: disk })
  for (const path of ['/', '/data', '/data/a-0']) await disk.syncDirectory(path)
  for (const path of spoilt.keys()) {
    const handle = disk.open(path, 'write')
    await new Promise((resolve) => handle.syncData(resolve))
    handle.close()
  }
  const partialWrite = operation === 'write' && how.at % 2 === 0 ? { partialWrite: 0.5 } : {}
  disk.inject({ operation, error, at: how.at, times: how.times, ...partialWrite })
  const watched = watchedFileSystem(disk)
  const failure: unknown = await repairLog('/data/a-0', { fileSystem: watched }).catch(
    (thrown: unknown) => thrown,
  )
  if (failure instanceof Error) {
    if (!(failure instanceof StoreError)) throw failure
    expect(['KFK_STORE_IO', 'KFK_STORE_NO_SPACE']).toContain(failure.code)
  }
  expect([...watched.openPaths]).toEqual([])
  const { struck } = disk
  disk.clearFaults()
  if (how.crash) disk.crash('lose-unsynced')
  await finish(disk)
  return struck > 0
}

test.each(failures)('%s: %s, at every one', async (operation, errors) => {
  let at = 1
  for (let struck = true; struck; at += rounds(1, 7)) {
    const error = errors[at % errors.length]!
    const times = at % 2 === 0 ? 1 : Number.MAX_SAFE_INTEGER
    struck = false
    for (const crash of [false, true]) {
      try {
        if (await strike(operation, error, { at, times, crash })) struck = true
      } catch (failure) {
        const where = `${operation} ${at} (${times} times): ${error}, ${crash ? 'no power' : 'on'}`
        throw new Error(`${where}: ${(failure as Error).stack}`, { cause: failure })
      }
    }
  }
  expect(at).toBeGreaterThan(2)
})
