import type { EpochIndex } from './epoch-index.js'
import type { LogHost } from './log-host.js'
import { gapsEverywhere } from './offset-gaps.js'
import { readRange } from './fs/file-system.js'
import { type BatchSummary, tryDescribe } from './batch-format.js'
import { IndexMismatch } from './index-entries.js'
import type { TrackerFeed } from './tracker-feed.js'
import { IndexBuilder, scanBatches, type ScanRequest, type ScanResult } from './segment-scan.js'
import type { LargestTimestamp, Segment } from './segment.js'

/** How recovery reads one segment. */
export interface RecoveryScan {
  /** All below was on the medium. */
  readonly recoveryPoint: number
  /** The segment may be read from the recovery point on: what lies below is known. */
  readonly resume: boolean
  readonly gapsBelow: number
  readonly indexIntervalBytes: number
  /** Receives the epochs of the scanned batches. */
  readonly epochs: EpochIndex
  /** Receives the batches themselves. */
  readonly feed: TrackerFeed | undefined
  /** Another segment follows. */
  readonly sealed: boolean
}

export type RecoveredSegment = ScanResult & { readonly scannedBytes: number }

/**
 * So many index entries before the recovery point are followed from one to the next: a single wrong
 * one could point into a payload that looks like batches.
 */
const chainedEntries = 4

/**
 * Reads a segment with its checksums and builds its indexes: from the recovery point on where the
 * index leads there and everything adds up, else from its start.
 */
export async function recoverSegment(
  host: LogHost,
  segment: Segment,
  scan: RecoveryScan,
): Promise<RecoveredSegment> {
  if (scan.resume && scan.recoveryPoint > segment.baseOffset) {
    const resumed = await resumeScan(host, segment, scan)
    if (resumed !== undefined) return resumed
  }
  const builder = new IndexBuilder(segment.baseOffset, scan.indexIntervalBytes)
  const result = await run(host, segment, scan, {
    from: 0,
    expectedOffset: segment.baseOffset,
    onBatch: (batch, position) => builder.add(batch, position),
  })
  install(segment, builder, scan, result)
  return { ...result, scannedBytes: segment.sizeBytes }
}

function install(
  segment: Segment,
  builder: IndexBuilder,
  scan: RecoveryScan,
  result: ScanResult,
): void {
  if (scan.sealed && result.problem === undefined) segment.markSealed()
  builder.install(segment, segment.sealed)
}

async function run(
  host: LogHost,
  segment: Segment,
  scan: RecoveryScan,
  part: Pick<ScanRequest, 'from' | 'expectedOffset'> & {
    readonly onBatch: (batch: BatchSummary, position: number) => boolean
  },
): Promise<ScanResult> {
  const { feed } = scan
  if (feed !== undefined) {
    const problems = await feed.begin(part.expectedOffset)
    if (problems.length > 0) feed.discard()
  }
  const handle = host.files.pin(segment.data)
  try {
    return await scanBatches({
      format: host.format,
      handle,
      from: part.from,
      to: segment.sizeBytes,
      expectedOffset: part.expectedOffset,
      gapsBelow: scan.gapsBelow,
      verify: true,
      onBatch(batch, position, bytes, at) {
        if (!part.onBatch(batch, position)) return false
        scan.epochs.found(batch.leaderEpoch, batch.baseOffset)
        feed?.apply(batch, bytes, at, segment.baseOffset)
        return true
      },
    })
  } finally {
    host.files.unpin(segment.data)
  }
}

/** Undefined: the index does not lead to the recovery point, or what it leads to is not sound. */
async function resumeScan(
  host: LogHost,
  segment: Segment,
  scan: RecoveryScan,
): Promise<RecoveredSegment | undefined> {
  let found: RecoveredSegment | undefined
  try {
    if (segment.loadIndexes()) found = await scanFromEntry(host, segment, scan)
  } catch (error) {
    if (!(error instanceof IndexMismatch)) throw error
  }
  if (found === undefined) {
    segment.forgetIndexes()
    scan.feed?.discard()
  }
  return found
}

async function scanFromEntry(
  host: LogHost,
  segment: Segment,
  scan: RecoveryScan,
): Promise<RecoveredSegment | undefined> {
  const { offsets, times } = segment.indexes!
  const last = offsets.floor(scan.recoveryPoint - 1 - segment.baseOffset)
  if (last <= 0) return undefined
  let entry = Math.max(0, last - chainedEntries)
  const from = offsets.positionAt(entry)
  const expectedOffset = await baseOffsetAt(host, segment, from)
  if (expectedOffset === undefined) return undefined
  const end = { position: offsets.positionAt(last), offset: offsets.relativeOffsetAt(last) }
  const largest = await largestUpTo(host, segment, end)
  if (largest === undefined) return undefined
  let builder: IndexBuilder | undefined
  const result = await run(host, segment, scan, {
    from,
    expectedOffset,
    onBatch(batch, position) {
      if (builder !== undefined) return builder.add(batch, position)
      if (position < offsets.positionAt(entry)) return true
      const named = segment.baseOffset + offsets.relativeOffsetAt(entry)
      if (position !== offsets.positionAt(entry) || batch.lastOffset !== named) return false
      if (entry++ < last) return true
      offsets.truncateToPosition(end.position + 1)
      if (offsets.count !== last + 1) throw new IndexMismatch()
      builder = new IndexBuilder(segment.baseOffset, scan.indexIntervalBytes, {
        indexes: { offsets, times },
        largest,
      })
      return builder.noteOnly(batch)
    },
  })
  if (builder === undefined || result.stopped === true) return undefined
  if (result.nextOffset < scan.recoveryPoint) return undefined
  install(segment, builder, scan, result)
  return { ...result, scannedBytes: segment.sizeBytes - from }
}

async function baseOffsetAt(
  host: LogHost,
  segment: Segment,
  position: number,
): Promise<number | undefined> {
  const { format, files } = host
  if (position < 0 || position >= segment.sizeBytes) return undefined
  const handle = files.pin(segment.data)
  try {
    const header = await readRange(handle, position, format.headerBytes)
    if (format.sizeOf(header, 0) <= 0) return undefined
    return tryDescribe(format, header, 0)?.baseOffset
  } finally {
    files.unpin(segment.data)
  }
}

/**
 * Largest timestamp of the batches up to the one at `end`. The last time index entry there is
 * compared with the batch that it names, and those behind it are looked at, for the file may be too
 * short. Undefined when it does not match.
 */
async function largestUpTo(
  host: LogHost,
  segment: Segment,
  end: { readonly position: number; readonly offset: number },
): Promise<LargestTimestamp | undefined> {
  segment.indexes!.times.truncateToOffset(end.offset + 1)
  const named = segment.lastIndexedTimestamp()
  if (named === undefined) return undefined
  const known = named.timestamp >= 0
  const from = segment.floorPosition(known ? named.offset : segment.baseOffset).position
  const state = { largest: named, sound: !known }
  const handle = host.files.pin(segment.data)
  try {
    const scanned = await scanBatches({
      format: host.format,
      handle,
      from,
      to: segment.sizeBytes,
      expectedOffset: segment.baseOffset,
      gapsBelow: gapsEverywhere,
      verify: false,
      onBatch(batch, at) {
        if (at > end.position) return false
        if (batch.lastOffset === named.offset && batch.maxTimestamp === named.timestamp) {
          state.sound = true
        }
        if (batch.maxTimestamp > state.largest.timestamp) {
          state.largest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset }
        }
        return true
      },
    })
    return scanned.problem === undefined && state.sound ? state.largest : undefined
  } finally {
    host.files.unpin(segment.data)
  }
}
