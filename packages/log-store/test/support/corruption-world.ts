// A directory that has every file that the store writes: transactions and snapshots in `a-0`, which has
// lost its first records; `c-0`, which is compacted; `d-0`, whose damage was found; a scrubbing pass
// that is under way. Small, so that every bit of it can be flipped.
import { frameFormat, openLogDirectory } from '../../src/index'
import type { Log, LogDirectory, LogDirectoryOptions } from '../../src/index'
import { memoryFileSystemOver, MemoryTree } from '../../src/fs/memory-file-system'
import type { MemoryFile } from '../../src/fs/memory-file-system'
import { frozen, root } from './corruption-image'
import { ManualClock } from './manual-clock'
import { Producer, producerFrames } from './producer-frames'
import { settle } from './records'

export type Files = ReadonlyMap<string, MemoryFile>

export const worldOptions: LogDirectoryOptions = {
  format: producerFrames,
  maxOpenFiles: 512,
  maxConcurrentSyncs: 3,
  defaults: {
    segmentBytes: 420,
    indexIntervalBytes: 100,
    retentionMs: -1,
    fileDeleteDelayMs: 0,
    segmentMs: Number.MAX_SAFE_INTEGER,
  },
  optionsFor: (name) => (name === 'c-0' ? { cleanupPolicy: 'compact' } : {}),
}

/** `closed` cleanly, or left behind by a crash behind the last checkpoint. */
export async function makeWorld(options: { readonly closed: boolean }): Promise<Files> {
  const tree = new MemoryTree()
  const fileSystem = memoryFileSystemOver(tree)
  const clock = new ManualClock()
  const world = { ...worldOptions, fileSystem, clock, scrub: { intervalMs: 60_000 } }
  const directory = await openLogDirectory(root, world)
  const damaged = await directory.open('d-0')
  for (let n = 0; n < 12; n++) await append(damaged, plain(n))
  flipPayload(tree, `${root}/d-0/00000000000000000000.log`)
  await directory.scrub('d-0')
  await compacted(directory)
  const log = await directory.open('a-0')
  await transactions(log)
  await log.advanceLogStart(4)
  await directory.checkpoint()
  for (let n = 0; n < 40 && tree.file(`${root}/kfk.scrub`) === undefined; n++) {
    clock.advance(60_001)
    await settle(20)
  }
  // Behind the checkpoint, some of it noted as synced.
  await append(log, new Producer(4).data({ timestamp: 9000 }))
  clock.advance(1000)
  await append(log, plain(90))
  if (options.closed) await directory.close()
  const files = frozen(tree)
  if (!options.closed) {
    await directory.close()
    // The page cache may write an index, a snapshot at any time.
    for (const [path, file] of frozen(tree))
      if (/\.(time|txn)?index$/.test(path)) files.set(path, file)
  }
  return files
}

const plain = (n: number) =>
  frameFormat.encode(Buffer.from(`value ${n}`), {
    timestamp: 1000 + 10 * n - (n % 5 === 4 ? 25 : 0),
  })

async function append(log: Log, batch: Uint8Array): Promise<void> {
  log.append(batch, { leaderEpoch: log.logEndOffset < 5 ? 1 : 2 })
  await log.whenAcknowledged(log.logEndOffset)
}

/** Two that overlap, one aborted, with others in between. */
async function transactions(log: Log): Promise<void> {
  const [a, b, c] = [1, 2, 3].map((id) => new Producer(id)) as [Producer, Producer, Producer]
  for (let round = 0; round < 2; round++) {
    const timestamp = 2000 + 1000 * round
    const open = { transactional: true, timestamp }
    await append(log, a.data(open))
    await append(log, b.data({ ...open, timestamp: timestamp + 5 }))
    await append(log, c.data({ timestamp: timestamp - 3 }))
    await append(log, a.marker('abort', timestamp + 9))
    await append(log, b.marker('commit', timestamp + 9))
  }
}

/** Keys are those of producers, which the format wants; the same ones come again and again. */
async function compacted(directory: LogDirectory): Promise<void> {
  const log = await directory.open('c-0')
  const put = (n: number, timestamp: number) => append(log, new Producer(n).data({ timestamp }))
  for (let n = 0; n < 9; n++) await put(10 + (n % 3), 1000 + n)
  log.roll()
  await log.flush()
  await directory.checkpoint()
  await directory.compact('c-0')
  for (let n = 0; n < 3; n++) await put(10 + n, 1100 + n)
}

function flipPayload(tree: MemoryTree, path: string): void {
  const file = tree.file(path)!
  const second = frameFormat.describe(file.bytes, 0).sizeInBytes
  const last = second + frameFormat.describe(file.bytes, second).sizeInBytes - 1
  file.write(Uint8Array.of(file.bytes[last]! ^ 1), last)
}
