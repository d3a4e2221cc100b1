import type { BatchSummary } from './batch-format.js'
import type { LogHost } from './log-host.js'
import type { LogTracker } from './log-tracker.js'
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
export type ReplayProblem = Pick<StoreReport, 'message' | 'details'>

/** Whose state it is, and what there is of it on the disk. */
export interface Tracked {
  readonly tracker: LogTracker
  readonly files: TrackerFiles
  /** Ascending; those up to `to` of which the log has what follows can be used. */
  readonly snapshots: readonly number[]
  readonly to: number
}

/** Where a tracker's state came from. */
export interface Restored {
  /** Offset of the snapshot; undefined: there was none that could be used. */
  readonly snapshot: number | undefined
  /** Snapshots that could not be read. */
  readonly damaged: readonly number[]
  /** Bytes of segments that were read behind the snapshot. */
  readonly replayedBytes: number
}

/** Takes the newest of the `snapshots` up to `to` that can be used; else all is forgotten. */
export async function restoreSnapshot(
  log: ReplayedLog,
  how: Tracked,
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

/** Tells the directory's owner of them. */
export function reportProblems(host: LogHost, problems: readonly ReplayProblem[]): void {
  for (const { message, details } of problems) {
    host.report({ kind: 'tracker-restored', message, details })
  }
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
