import type { BatchSummary } from './batch-format.js'
import type { LogHost } from './log-host.js'
import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import { gapsEverywhere } from './offset-gaps.js'
import type { StoreReport } from './report.js'
import { ensureIndexes } from './segment-repair.js'
import { scanBatches } from './segment-scan.js'
import type { SegmentList } from './segment-list.js'
import type { Segment } from './segment.js'
import type { TrackerFiles } from './tracker-files.js'

/** A log's batches as far as a replay goes. */
export interface ReplayedLog {
  readonly segments: SegmentList
  readonly indexIntervalBytes: number
}

/** Sees each batch with its bytes, which begin at `at`, and the base offset of its segment. */
export type ReplayObserver = (
  batch: BatchSummary,
  bytes: Uint8Array,
  at: number,
  baseOffset: number,
) => void

/** What a replay had to leave out. */
type ReplayProblem = Pick<StoreReport, 'message' | 'details'>

/** Where a tracker's state came from. */
export interface Restored {
  /** Offset of the snapshot; undefined: there was none that could be used. */
  readonly snapshot: number | undefined
  /** Snapshots that could not be read. */
  readonly damaged: readonly number[]
  /** Bytes of segments that were read behind the snapshot. */
  readonly replayedBytes: number
}

/**
 * Gives `tracker` the state of the log below `to`: from the newest of the `snapshots` that can be
 * used, and from the batches behind it.
 */
export async function restoreTracker(
  host: LogHost,
  log: ReplayedLog,
  how: {
    readonly tracker: LogTracker
    readonly files: TrackerFiles
    /** Ascending; those are left out of which the log does not have what follows. */
    readonly snapshots: readonly number[]
    readonly to: number
    /** Before the replay begins, at that offset. */
    readonly onStart?: (from: number) => Promise<void>
    /** The replay comes to the start of a segment; the tracker knows all before it. */
    readonly onSegment?: (baseOffset: number) => void
    /** A transaction whose marker lies in the segment with that base. */
    readonly onAborted?: (aborted: AbortedTransaction, baseOffset: number) => void
  },
): Promise<Restored> {
  const { tracker, to } = how
  const { snapshot, damaged } = await restoreSnapshot(log, how)
  const range = { from: snapshot ?? log.segments.firstOffset, to }
  await how.onStart?.(range.from)
  let current = -1
  const { bytes: replayedBytes, problems } = await replay(
    host,
    log,
    range,
    (batch, bytes, at, baseOffset) => {
      if (baseOffset !== current && baseOffset >= range.from) how.onSegment?.(baseOffset)
      current = baseOffset
      const aborted = tracker.apply(bytes, at, batch)
      tracker.settle()
      if (aborted !== undefined) how.onAborted?.(aborted, baseOffset)
    },
  )
  for (const { message, details } of problems) {
    host.report({ kind: 'tracker-restored', message, details })
  }
  return { snapshot, damaged, replayedBytes }
}

/** Takes the newest of the `snapshots` up to `to` that can be used; else all is forgotten. */
export async function restoreSnapshot(
  log: ReplayedLog,
  how: {
    readonly tracker: LogTracker
    readonly files: TrackerFiles
    readonly snapshots: readonly number[]
    readonly to: number
  },
): Promise<Pick<Restored, 'snapshot' | 'damaged'>> {
  const { tracker, files, snapshots, to } = how
  const damaged: number[] = []
  for (const offset of [...snapshots].reverse()) {
    if (offset > to || offset < log.segments.firstOffset) continue
    const found = await files.readSnapshot(offset)
    if (found === undefined) continue
    if (tracker.restore(found)) return { snapshot: offset, damaged }
    damaged.push(offset)
  }
  tracker.restore(undefined)
  return { snapshot: undefined, damaged }
}

/**
 * Shows `onBatch` all batches from `from` to below `to`. What is damaged is left out: that a
 * producer may be forgotten is no reason to refuse a log. Answers the bytes that were read, and
 * what there is to report.
 */
export async function replay(
  host: LogHost,
  log: ReplayedLog,
  range: { readonly from: number; readonly to: number },
  onBatch: ReplayObserver,
): Promise<{ bytes: number; problems: ReplayProblem[] }> {
  const { segments } = log
  const { from, to } = range
  const replayed = { bytes: 0, problems: [] as ReplayProblem[] }
  if (from >= to) return replayed
  for (let index = Math.max(0, segments.floor(from)); index < segments.count; index++) {
    const segment = segments.at(index)
    if (segment.baseOffset >= to) break
    const start = await startOf(host, log, segment, from)
    const handle = host.files.pin(segment.data)
    try {
      const scanned = await scanBatches({
        format: host.format,
        handle,
        from: start,
        to: segment.sizeBytes,
        expectedOffset: segment.baseOffset,
        gapsBelow: gapsEverywhere,
        verify: false,
        onBatch(batch, _position, bytes, at) {
          if (batch.baseOffset >= to) return false
          if (batch.lastOffset >= from) onBatch(batch, bytes, at, segment.baseOffset)
          return true
        },
      })
      replayed.bytes += scanned.position - start
      if (scanned.problem === undefined) continue
      replayed.problems.push({
        message: `${segment.path} at byte ${scanned.position}: ${scanned.problem}; producers may be forgotten`,
        details: { path: segment.path, position: scanned.position, reason: scanned.problem },
      })
    } finally {
      host.files.unpin(segment.data)
    }
  }
  return replayed
}

/** A batch boundary at or before `offset`. */
async function startOf(
  host: LogHost,
  log: ReplayedLog,
  segment: Segment,
  offset: number,
): Promise<number> {
  if (offset <= segment.baseOffset) return 0
  await ensureIndexes(host, segment, log.indexIntervalBytes)
  return segment.floorPosition(offset).position
}

/** Whether a segment begins at `offset`. */
export function isBase({ segments }: ReplayedLog, offset: number): boolean {
  const at = segments.floor(offset)
  return at >= 0 && segments.baseAt(at) === offset
}
