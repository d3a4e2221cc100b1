import type { Clock } from './clock.js'
import type { LogOptions } from './options.js'
import type { Segment } from './segment.js'

/** An append that is about to be queued. */
export interface NextAppend {
  readonly sizeInBytes: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestamp: number
}

/** The active segment is never compacted: it must end before compaction of it is due. */
function longestMs({ cleanupPolicy, segmentMs, maxCompactionLagMs }: LogOptions): number {
  return cleanupPolicy === 'delete' ? segmentMs : Math.min(segmentMs, maxCompactionLagMs)
}

/** What is queued for the active segment, ahead of the next append. */
export interface QueuedForRoll {
  bytes: number
  batches: number
  /** Timestamp of the first batch, -1 when there is none. */
  timestamp: number
}

/** The log that may have to roll. */
interface RolledLog {
  readonly options: LogOptions
  readonly segments: { readonly active: Segment }
}

/** Whether the active segment must end before `next`: Kafka's rule (LogSegment.shouldRoll). */
export function mustRoll(
  { options, segments }: RolledLog,
  next: NextAppend,
  queued: QueuedForRoll,
  clock: Clock,
): boolean {
  const segment = segments.active
  const { segmentBytes, segmentIndexBytes } = options
  const occupied = segment.sizeBytes + queued.bytes
  if (!segment.reaches(next.lastOffset)) return true
  if (occupied === 0) return false
  const firstTimestamp = segment.firstTimestamp ?? queued.timestamp
  const ageMs =
    firstTimestamp >= 0 ? next.maxTimestamp - firstTimestamp : clock.now() - segment.createdMs
  return (
    occupied > segmentBytes - next.sizeInBytes ||
    ageMs > longestMs(options) ||
    // What is queued has no index entries yet: near the bound they have to be counted.
    segment.indexIsFull(segmentIndexBytes, queued.batches)
  )
}
