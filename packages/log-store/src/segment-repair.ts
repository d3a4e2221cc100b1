import { StoreError } from './errors.js'
import { IndexMismatch } from './index-entries.js'
import type { LogHost } from './log-host.js'
import { gapsEverywhere } from './offset-gaps.js'
import { persistIndexes } from './segment-files.js'
import type { LargestTimestamp, Segment } from './segment.js'
import { IndexBuilder, scanBatches } from './segment-scan.js'

/** Loads both indexes, or rebuilds them from the data when they cannot be right. */
export async function ensureIndexes(
  host: LogHost,
  segment: Segment,
  indexIntervalBytes: number,
): Promise<void> {
  if (segment.loadIndexes()) return
  await rebuildIndexes(host, segment, { indexIntervalBytes, reason: 'missing or impossible' })
}

/**
 * Builds the indexes of a sound segment anew. Appends may go on meanwhile: the swap happens only
 * when
 * the scan has caught up. Answers the largest timestamp. Throws KFK_STORE_CORRUPT when the data
 * cannot be walked.
 */
export async function rebuildIndexes(
  host: LogHost,
  segment: Segment,
  options: { indexIntervalBytes: number; reason: string },
): Promise<LargestTimestamp> {
  const builder = new IndexBuilder(segment.baseOffset, options.indexIntervalBytes)
  const handle = host.files.pin(segment.data)
  try {
    let position = 0
    let expectedOffset = segment.baseOffset
    while (position < segment.readableBytes) {
      const scanned = await scanBatches({
        format: host.format,
        handle,
        from: position,
        to: segment.readableBytes,
        expectedOffset,
        // Whether a gap is damage is for recovery to say; an index can be built over it.
        gapsBelow: gapsEverywhere,
        verify: false,
        onBatch: (batch, at) => builder.add(batch, at),
      })
      if (scanned.problem !== undefined) throw corruptSegment(segment, scanned)
      position = scanned.position
      expectedOffset = scanned.nextOffset
    }
  } finally {
    host.files.unpin(segment.data)
  }
  builder.install(segment, segment.sealed)
  host.report({
    kind: 'index-rebuilt',
    message: `rebuilt the indexes of ${segment.path}: ${options.reason}`,
    details: { path: segment.path, reason: options.reason },
  })
  // Beyond damage the old files may still tell repair where batches begin.
  if (segment.sealed && segment.damage === undefined) await persistIndexes(host, segment)
  return builder.largest ?? { timestamp: -1, offset: segment.baseOffset }
}

/**
 * Largest timestamp of a segment. The last time index entry is only where to start: the batches
 * after
 * it are looked at too, so a shortened index cannot hide records. Normally that is one batch.
 */
export async function findLargestTimestamp(
  host: LogHost,
  segment: Segment,
  indexIntervalBytes: number,
): Promise<LargestTimestamp> {
  if (segment.largest !== undefined) return segment.largest
  await ensureIndexes(host, segment, indexIntervalBytes)
  // Now that they are sound they are in the files: a reader may have had them closed again.
  const found = segment.lastIndexedTimestamp()
  if (found === undefined) {
    return rebuildIndexes(host, segment, { indexIntervalBytes, reason: 'missing or impossible' })
  }
  const state = { largest: found, sound: found.timestamp === -1 }
  try {
    const { position, lastOffset } = segment.floorPosition(found.offset)
    await walk(host, segment, position, (batch, at) => {
      if (at === position && lastOffset !== undefined && batch.lastOffset !== lastOffset) {
        throw new IndexMismatch()
      }
      if (batch.lastOffset === found.offset && batch.maxTimestamp === found.timestamp) {
        state.sound = true
      }
      if (batch.maxTimestamp > state.largest.timestamp) {
        state.largest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset }
      }
      return true
    })
  } catch (error) {
    // A wrong position is the index's fault; if it is the data's, the rebuild says so.
    if (!isIndexFault(error)) throw error
    state.sound = false
  }
  if (state.sound) return segment.settleLargest(state.largest)
  const reason = 'the last timestamp does not match the data'
  return rebuildIndexes(host, segment, { indexIntervalBytes, reason })
}

/** The batch that holds `offset`: where it starts in the file, and its first offset. */
export async function locateOffset(
  host: LogHost,
  segment: Segment,
  wanted: { offset: number; reads: IndexRepair },
): Promise<{ position: number; offset: number; keptEnd: number }> {
  await wanted.reads.indexed(segment)
  const locate = async () => {
    const state = {
      position: segment.readableBytes,
      offset: wanted.offset,
      keptEnd: segment.baseOffset,
      found: false,
    }
    // The batch before `offset` at the latest: where it ends is asked for, too.
    const { position, lastOffset } = segment.floorPosition(wanted.offset - 1)
    await walk(host, segment, position, (batch, at) => {
      if (at === position && lastOffset !== undefined && batch.lastOffset !== lastOffset) {
        throw new IndexMismatch()
      }
      if (batch.lastOffset < wanted.offset) {
        state.keptEnd = batch.lastOffset + 1
        return true
      }
      state.position = at
      // It begins behind `offset` when that one is missing: whoever replicates appends from there.
      state.offset = Math.min(batch.baseOffset, wanted.offset)
      state.found = true
      return false
    })
    if (!state.found && segment.damage !== undefined) throw corruptSegment(segment, segment.damage)
    return state
  }
  try {
    return await locate()
  } catch (error) {
    if (!isIndexFault(error)) throw error
    await wanted.reads.reindex(segment)
    return locate()
  }
}

/** Loads the indexes of a segment, or builds them anew; concurrent callers share the work. */
export interface IndexRepair {
  indexed(segment: Segment): Promise<void>
  reindex(segment: Segment): Promise<void>
}

/** The index is wrong, or it led to where no batch begins: a rebuild tells which. */
export function isIndexFault(error: unknown): boolean {
  if (error instanceof IndexMismatch) return true
  return error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT'
}

/** Walks the headers of a sound segment from a batch boundary on. Throws KFK_STORE_CORRUPT. */
export async function walk(
  host: LogHost,
  segment: Segment,
  position: number,
  onBatch: NonNullable<Parameters<typeof scanBatches>[0]['onBatch']>,
): Promise<void> {
  const handle = host.files.pin(segment.data)
  try {
    const scanned = await scanBatches({
      format: host.format,
      handle,
      from: position,
      to: segment.readableBytes,
      expectedOffset: segment.baseOffset,
      // The first batch of the walk need not be the segment's first.
      gapsBelow: gapsEverywhere,
      verify: false,
      onBatch,
    })
    if (scanned.problem !== undefined) throw corruptSegment(segment, scanned)
  } finally {
    host.files.unpin(segment.data)
  }
}

export function corruptSegment(
  segment: Segment,
  found: { position: number; nextOffset?: number; problem?: string; reason?: string },
): StoreError {
  const { path } = segment
  const { position, nextOffset: offset } = found
  const reason = found.problem ?? found.reason ?? 'cannot be read'
  return new StoreError('KFK_STORE_CORRUPT', `${path} at byte ${position}: ${reason}`, {
    details: { path, position, reason, ...(offset !== undefined && { offset }) },
  })
}
