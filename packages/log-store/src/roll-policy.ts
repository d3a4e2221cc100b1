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

/** Whether the active segment must end before `next`: Kafka's rule (LogSegment.shouldRoll). */
export function mustRoll(
  segment: Segment,
  next: NextAppend,
  state: {
    readonly options: LogOptions
    readonly clock: Clock
    /** Bytes, and batches in them, that are queued for the segment. */
    readonly queuedBytes: number
    readonly queuedBatches: number
    /** Timestamp of the first queued batch, -1 when there is none. */
    readonly queuedTimestamp: number
  },
): boolean {
  const { segmentBytes, segmentIndexBytes } = state.options
  const occupied = segment.sizeBytes + state.queuedBytes
  if (!segment.reaches(next.lastOffset)) return true
  if (occupied === 0) return false
  const firstTimestamp = segment.firstTimestamp ?? state.queuedTimestamp
  const ageMs =
    firstTimestamp >= 0 ? next.maxTimestamp - firstTimestamp : state.clock.now() - segment.createdMs
  return (
    occupied > segmentBytes - next.sizeInBytes ||
    ageMs > longestMs(state.options) ||
    // What is queued has no index entries yet: near the bound they have to be counted.
    segment.indexIsFull(segmentIndexBytes, state.queuedBatches)
  )
}
