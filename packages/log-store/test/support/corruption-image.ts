import { frameFormat, openLogDirectory } from '../../src/index'
import type { Clock, FileSystem, Frame } from '../../src/index'
import {
  MemoryFile,
  memoryFileSystemOver,
  MemoryTree,
  nameOf,
  parentOf,
} from '../../src/fs/memory-file-system'
import { storedFiles } from './stored-files'
import { ManualClock } from './manual-clock'

// A log of 64 KiB in three segments, as a disk that can be had again for next to nothing: files
// share their bytes with the image until something writes to them.

export const root = '/data'
export const logName = 'a-0'
export const logPath = `${root}/${logName}`
export const totalBytes = 64 * 1024
export const defaults = {
  segmentBytes: 22_000,
  indexIntervalBytes: 900,
  retentionMs: -1,
  segmentMs: Number.MAX_SAFE_INTEGER,
}
/** Records below this offset have leader epoch 1, the others 2. */
export const epochBorder = 30

/** One frame of a segment's file. */
export interface StoredFrame {
  readonly position: number
  readonly size: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly epoch: number
}

export interface StoredSegment {
  readonly path: string
  readonly bytes: Uint8Array
  readonly firstOffset: number
  readonly endOffset: number
  readonly frames: readonly StoredFrame[]
}

/** What lies on the disk, and what has to be read from it. */
export interface Image {
  readonly files: ReadonlyMap<string, MemoryFile>
  readonly segments: readonly StoredSegment[]
  readonly records: readonly Frame[]
  /** All below was synced, and the disk says so. */
  readonly recoveryPoint: number
}

/** Nothing happens by itself: a directory that is left open costs nothing. */
export const stillClock: Clock = {
  now: () => 1_800_000_000_000,
  monotonicMs: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
}

const noise = (seed: number, length: number) =>
  Uint8Array.from({ length }, (_, at) => Math.imul(seed * 977 + at + 1, 0x9e3779b1) >>> 24)

/** Mostly rising; now and then one that is older than those before it. */
const timestampOf = (n: number) => 1_000_000 + 10 * n - (n % 7 === 6 ? 35 : 0)

function makeFrame(n: number, valueBytes: number): Uint8Array {
  const timestamp = timestampOf(n)
  const key = n % 3 === 0 ? `key ${n % 5}` : null
  if (n % 11 === 5) return frameFormat.encode(null, { timestamp, key: `key ${n}` })
  if (n % 8 !== 2) return frameFormat.encode(noise(n, valueBytes), { timestamp, key })
  const several = [0, 1, 2].map((more) => {
    return { value: noise(n + more, valueBytes / 8), timestamp: timestamp + more, key }
  })
  return frameFormat.encodeAll(several, timestamp)
}

/**
 * `closed` cleanly, or left behind by a crash in the last segment: some of it behind the recovery
 * checkpoint but noted as synced, some of it not known to be.
 */
export async function makeImage(options: { readonly closed: boolean }): Promise<Image> {
  const tree = new MemoryTree()
  const fileSystem = memoryFileSystemOver(tree)
  const clock = new ManualClock()
  const directory = await openLogDirectory(root, { fileSystem, defaults, clock })
  const log = await directory.open(logName)
  let written = 0
  let recoveryPoint = 0
  while (written < totalBytes) {
    const n = log.logEndOffset
    const left = totalBytes - written
    const sized = 100 + ((n * 631) % 2100)
    // The last frame fills the 64 KiB.
    const last = left < 2400
    const batch = last
      ? frameFormat.encode(noise(n, left - 34), { timestamp: timestampOf(n) })
      : makeFrame(n, sized)
    log.append(batch, { leaderEpoch: n < epochBorder ? 1 : 2 })
    await log.whenAcknowledged(log.logEndOffset)
    written += batch.length
    if (written > 54_000 && recoveryPoint === 0) {
      await directory.checkpoint()
      recoveryPoint = 1
    } else if (written > 58_000 && recoveryPoint === 1) {
      clock.advance(1000)
      recoveryPoint = log.logEndOffset
    }
  }
  const records = frameFormat.decode(await wholeLog(fileSystem))
  if (options.closed) {
    await directory.close()
    recoveryPoint = log.logEndOffset
  }
  const files = frozen(tree)
  await directory.close()
  if (!options.closed) {
    // The page cache may write an index at any time; with it recovery begins at the point.
    const later = frozen(tree)
    for (const [path, file] of later) if (path.endsWith('index')) files.set(path, file)
  }
  return { files, segments: segmentsOf(files), records, recoveryPoint }
}

async function wholeLog(fileSystem: FileSystem): Promise<Uint8Array> {
  const files = await storedFiles(fileSystem, root)
  const logs = [...files.keys()].filter((path) => path.endsWith('.log')).sort()
  return Buffer.concat(logs.map((path) => files.get(path)!))
}

/** The files of a tree as they are now, for good. */
export function frozen(tree: MemoryTree): Map<string, MemoryFile> {
  const files = new Map<string, MemoryFile>()
  for (const [directory, entries] of tree.directories) {
    for (const [name, file] of entries) {
      if (file === 'directory') continue
      const kept = new MemoryFile(file.bytes.slice(0, file.sizeBytes))
      kept.sizeBytes = file.sizeBytes
      kept.modifiedMs = file.modifiedMs
      files.set(`${directory}/${name}`, kept)
    }
  }
  return files
}

function segmentsOf(files: ReadonlyMap<string, MemoryFile>): StoredSegment[] {
  const paths = [...files.keys()].filter((path) => path.endsWith('.log')).sort()
  return paths.map((path) => {
    const { bytes } = files.get(path)!
    const frames: StoredFrame[] = []
    for (let position = 0; position < bytes.length;) {
      const { sizeInBytes: size, baseOffset, ...rest } = frameFormat.describe(bytes, position)
      const { lastOffset, leaderEpoch: epoch } = rest
      frames.push({ position, size, firstOffset: baseOffset, lastOffset, epoch })
      position += size
    }
    const endOffset = frames.at(-1)!.lastOffset + 1
    return { path, bytes, firstOffset: frames[0]!.firstOffset, endOffset, frames }
  })
}

/** A file like that one with other bytes, of which the first `sizeBytes` count. */
export function fileWith(like: MemoryFile, bytes: Uint8Array, sizeBytes = bytes.length) {
  const file = new MemoryFile(bytes)
  file.sizeBytes = sizeBytes
  file.modifiedMs = like.modifiedMs
  return file
}

/** The image on a disk, with one file replaced, or missing (undefined). */
export function diskWith(
  files: ReadonlyMap<string, MemoryFile>,
  path?: string,
  replacement?: MemoryFile,
): MemoryTree {
  const tree = new MemoryTree()
  for (const [at, original] of files) {
    const file = at === path ? replacement : original
    tree.makeDirectory(parentOf(at))
    if (file !== undefined) tree.directory(parentOf(at)).set(nameOf(at), file.copy())
  }
  return tree
}

export function readFileNow(tree: MemoryTree, path: string): Uint8Array | undefined {
  const file = tree.file(path)
  return file?.bytes.subarray(0, file.sizeBytes)
}
