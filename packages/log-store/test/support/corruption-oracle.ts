import { frameFormat, openLogDirectory, StoreError } from '../../src/index'
import type {
  BatchFormat,
  EmbeddedRecord,
  FileSystem,
  Frame,
  Log,
  StoreReport,
} from '../../src/index'
import { EmbeddedLog } from '../../src/embedded-log'
import { memoryFileSystemOver, type MemoryTree } from '../../src/fs/memory-file-system'
import { defaults, type Image, logName, root, stillClock } from './corruption-image'

/** What whoever opens and reads a directory gets to see. */
export interface Sight {
  /** Undefined: it would not open. */
  readonly log: Log | undefined
  readonly embedded: EmbeddedLog | undefined
  readonly refused: StoreError | undefined
  readonly reports: readonly StoreReport[]
}

/** A place that an error named. */
export interface NamedPlace {
  readonly path: unknown
  readonly position: unknown
  readonly offset: unknown
  readonly nextSoundOffset: unknown
}

/** The directory is not closed: nothing of it is left but memory. */
export function openDisk(tree: MemoryTree): Promise<Sight> {
  return openDiskOf(memoryFileSystemOver(tree))
}

export async function openDiskOf(
  fileSystem: FileSystem,
  format: BatchFormat = frameFormat,
): Promise<Sight> {
  const reports: StoreReport[] = []
  const directory = await openLogDirectory(root, {
    fileSystem,
    format,
    defaults,
    clock: stillClock,
    maxOpenFiles: 512,
    maxConcurrentSyncs: 3,
    onReport: (report) => reports.push(report),
  })
  try {
    const log = await directory.open(logName)
    const embedded = new EmbeddedLog(directory, log, { ownsDirectory: false })
    return { log, embedded, refused: undefined, reports }
  } catch (error) {
    return { log: undefined, embedded: undefined, refused: corruption(error), reports }
  }
}

function corruption(error: unknown): StoreError {
  if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return error
  throw error
}

export function placeOf(error: StoreError): NamedPlace {
  const { path, position, offset, nextSoundOffset } = error.details
  return { path, position, offset, nextSoundOffset }
}

/**
 * The records of a range (all, when nothing is said) with their checksums verified; behind damage
 * from where an error says it goes on.
 */
export async function readOut(
  log: EmbeddedLog,
  range: { readonly from: number; readonly to: number } = { from: 0, to: Infinity },
): Promise<{ records: EmbeddedRecord[]; places: NamedPlace[] }> {
  const records: EmbeddedRecord[] = []
  const places: NamedPlace[] = []
  const end = Math.min(log.endOffset, range.to)
  let from = range.from
  while (from < end) {
    try {
      const page = await log.read({ from })
      for (const record of page.records) records.push(record)
      if (!(page.nextOffset > from)) throw new Error(`no way on from offset ${from}`)
      from = page.nextOffset
    } catch (error) {
      const place = placeOf(corruption(error))
      places.push(place)
      const next = place.nextSoundOffset
      if (typeof next !== 'number') break
      if (!(next > from)) throw new Error(`no way on from offset ${from}: ${String(error)}`)
      from = next
    }
  }
  return { records, places }
}

function same(record: EmbeddedRecord, original: Frame): boolean {
  const { value, key } = original
  return (
    record.offset === original.offset &&
    record.timestamp === original.timestamp &&
    equalBytes(record.value, value) &&
    (key === null ? record.key === null : record.key !== null && equalBytes(record.key, key))
  )
}

const equalBytes = (left: Uint8Array | null, right: Uint8Array | null) =>
  left === null || right === null ? left === right : Buffer.compare(left, right) === 0

/** Offset ranges, `to` excluded. */
export type Ranges = readonly (readonly [from: number, to: number])[]

/** Exactly the records of these ranges, each as it was appended; says what is wrong, if anything. */
export function compareRecords(
  found: readonly EmbeddedRecord[],
  image: Image,
  ranges: Ranges,
): string | undefined {
  let at = 0
  for (const [from, to] of ranges) {
    for (let offset = from; offset < to; offset++) {
      const record = found[at++]
      if (record === undefined) return `offset ${offset} is missing`
      if (!same(record, image.records[offset]!)) {
        return `offset ${record.offset} where ${offset} was due, or other content`
      }
    }
  }
  return at === found.length ? undefined : `offset ${found[at]!.offset} should not be there`
}
