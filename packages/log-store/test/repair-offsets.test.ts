// The offset of a batch is not under its checksum. Where the batch before it is damaged, too, repair
// has to tell from what follows where it belongs, and keeps no record at an offset not its own.
import { frameFormat, memoryFileSystem, openLogDirectory, openLogIn, repairLog } from '../src/index'
import type { FileSystem, Log } from '../src/index'
import { rounds } from './support/proofs'
import { record } from './support/records'
import { seededRandom } from './support/seeded-random'
import { diskOf, pathsOf, storedFiles, type StoredFiles } from './support/stored-files'

const text = (n: number) => `record ${String(n).padStart(3, '0')}`
const seeds = rounds(1000, 150)

interface Place {
  readonly path: string
  readonly position: number
  readonly size: number
  readonly baseOffset: number
}

function openDirectory(fileSystem: FileSystem) {
  const defaults = { segmentBytes: 800, indexIntervalBytes: 100, retentionMs: -1 }
  return openLogDirectory('/data', { fileSystem, defaults, checkpointMs: 0 })
}

function appendTo(log: Log, count: number): void {
  const first = log.logEndOffset
  const values = Array.from({ length: count }, (_, n) => ({ value: text(first + n) }))
  const batch = count === 1 ? record(text(first)) : frameFormat.encodeAll(values, 1000)
  log.append(batch, { leaderEpoch: 1 })
}

/** Some sixty records in batches of one, or of up to three, in several segments; closed. */
async function closedLog(random: () => number): Promise<StoredFiles> {
  const fileSystem = memoryFileSystem()
  const directory = await openDirectory(fileSystem)
  const log = await directory.open('a-0')
  const most = random() < 0.5 ? 1 : 3
  while (log.logEndOffset < 60) appendTo(log, 1 + Math.floor(random() * most))
  await directory.close()
  return storedFiles(fileSystem)
}

function batchesIn(files: StoredFiles): Place[] {
  const places: Place[] = []
  for (const path of pathsOf(files, '.log')) {
    const bytes = files.get(path)!
    for (let position = 0; position < bytes.length;) {
      const size = frameFormat.sizeOf(bytes, position)
      const { baseOffset } = frameFormat.describe(bytes, position)
      places.push({ path, position, size, baseOffset })
      position += size
    }
  }
  return places
}

function endOf(files: StoredFiles): number {
  const { path, position } = batchesIn(files).at(-1)!
  return frameFormat.describe(files.get(path)!, position).lastOffset + 1
}

/** Damages one or two batches, and the offset of one close behind them. Answers what was done. */
function spoil(files: StoredFiles, random: () => number): string {
  const below = (n: number) => Math.floor(random() * n)
  const batches = batchesIn(files)
  const at = below(batches.length)
  const damaged = 1 + below(2)
  const place = (n: number) => batches[Math.min(batches.length - 1, n)]!
  for (let n = 0; n < damaged; n++) {
    const { path, position, size } = place(at + n)
    // A length that cannot be, or a payload that does not match.
    if (below(3) === 0) files.get(path)![position + 8] = 0xff
    else files.get(path)![position + 30 + below(size - 30)]! ^= 0x55
  }
  const { path, position, baseOffset } = place(at + damaged + (below(3) === 0 ? below(4) : 0))
  const moved = Math.max(0, baseOffset + (below(2) === 0 ? 1 + below(12) : -1 - below(6)))
  const bytes = Buffer.from(files.get(path)!.buffer)
  bytes.writeBigInt64BE(BigInt(moved), position)
  return `${damaged} from ${batches[at]!.baseOffset}, ${baseOffset} moved to ${moved}`
}

test('no record is kept at an offset that is not its own, nor one beyond the end', async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seededRandom(seed)
    const files = await closedLog(random)
    const endOffset = endOf(files)
    expect(endOffset).toBeGreaterThanOrEqual(60)
    const done = `seed ${seed}: ${spoil(files, random)}`
    const fileSystem = await diskOf(files, { crashed: false })
    await repairLog('/data/a-0', { fileSystem })
    const directory = await openDirectory(fileSystem)
    const log = await openLogIn(directory, 'a-0')
    const wrong: string[] = []
    for await (const { offset, value } of log.records()) {
      const found = Buffer.from(value).toString()
      if (found !== text(offset)) wrong.push(`${offset} is ${found}`)
    }
    expect([done, wrong, log.endOffset]).toEqual([done, [], endOffset])
    await directory.close()
  }
})
