import { tryDescribe } from './batch-format.js'
import { readRange } from './fs/file-system.js'
import { largestTimestampAt } from './largest-timestamp.js'
import type { LogHost } from './log-host.js'
import type { LogOptions } from './options.js'
import type { Quarantine } from './quarantine.js'
import type { SegmentList } from './segment-list.js'

/** What is looked at to say how dirty a log is. */
interface DirtyLog {
  readonly options: LogOptions
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** What is not on the medium yet may still be lost, and must not replace what is. */
  readonly recoveryPoint: number
  readonly indexIntervalBytes: number
  readonly quarantine: Quarantine
  lastStableOffset(highWatermark?: number): number
}

/** Which part of a log can be compacted, and how much of it is dirty. */
export interface Cleanable {
  readonly firstDirtyOffset: number
  /** Base offset of the first segment that must stay as it is. */
  readonly limitOffset: number
  readonly dirtyBytes: number
  /** Share of dirty bytes in all that would be gone through, 0 to 1. */
  readonly dirtyRatio: number
  /** A record is older than `maxCompactionLagMs`. */
  readonly overdue: boolean
}

/** By Kafka's rules (LogCleanerManager.cleanableOffsets), but bounded by the recovery point. */
export async function findCleanable(
  host: LogHost,
  log: DirtyLog,
  state: { cleanedOffset: number | undefined; committedOffset: number; nowMs: number },
): Promise<Cleanable> {
  const { segments } = log
  const known = state.cleanedOffset ?? log.logStartOffset
  const sound = known >= log.logStartOffset && known <= log.logEndOffset
  const firstDirtyOffset = sound ? known : log.logStartOffset
  const firstDirty = Math.max(0, segments.floor(firstDirtyOffset))
  const committed = Math.min(log.recoveryPoint, state.committedOffset)
  const stableOffset = Math.min(log.lastStableOffset(committed), committed)
  const stable = Math.max(0, segments.floor(stableOffset))
  const limit = await firstTooYoung(host, log, { from: firstDirty, to: stable, ...state })
  const limitOffset = segments.baseAt(limit)
  let cleanBytes = 0
  let dirtyBytes = 0
  for (let index = 0; index < limit; index++) {
    const end = segments.endOffset(index, limitOffset)
    if (end <= firstDirtyOffset) cleanBytes += segments.sizeAt(index)
    else dirtyBytes += segments.sizeAt(index)
  }
  const range = { segments, from: firstDirty, to: limit, nowMs: state.nowMs }
  return {
    firstDirtyOffset: Math.min(firstDirtyOffset, limitOffset),
    limitOffset,
    dirtyBytes,
    dirtyRatio: dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes),
    overdue: dirtyBytes > 0 && (await isOverdue(host, log, range)),
  }
}

/** First of the segments [from, to) that has a record younger than the minimum lag; `to`: none. */
async function firstTooYoung(
  host: LogHost,
  log: DirtyLog,
  range: { from: number; to: number; nowMs: number },
): Promise<number> {
  const { minCompactionLagMs } = log.options
  if (minCompactionLagMs === 0) return range.to
  const { segments } = log
  for (let index = range.from; index < range.to; index++) {
    const largest = await largestTimestampAt(host, { view: log, segments }, index)
    if (largest.timestamp > range.nowMs - minCompactionLagMs) return index
  }
  return range.to
}

/**
 * Whether one of the segments [from, to) begins with a record older than the maximum lag. The log
 * may have others by now.
 */
async function isOverdue(
  host: LogHost,
  log: DirtyLog,
  range: { segments: SegmentList; from: number; to: number; nowMs: number },
): Promise<boolean> {
  const { maxCompactionLagMs } = log.options
  if (maxCompactionLagMs === Number.MAX_SAFE_INTEGER) return false
  for (let index = range.from; index < range.to; index++) {
    const segment = range.segments.at(index)
    const handle = host.files.pin(segment.data)
    try {
      const header = await readRange(handle, 0, host.format.headerBytes)
      const first = header.length > 0 ? tryDescribe(host.format, header, 0) : undefined
      const timestamp = first?.maxTimestamp ?? -1
      if (timestamp > 0 && timestamp < range.nowMs - maxCompactionLagMs) return true
    } finally {
      host.files.unpin(segment.data)
    }
  }
  return false
}
