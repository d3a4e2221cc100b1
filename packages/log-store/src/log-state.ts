import type { EpochIndex } from './epoch-index.js'
import type { LogDates } from './listed-log.js'
import type { LogTracking } from './log-tracking.js'
import type { OffsetGaps } from './offset-gaps.js'
import type { LogOptions } from './options.js'
import type { SegmentList } from './segment-list.js'
import type { Segment } from './segment.js'

/** What opening found, or made. The active segment's indexes are loaded. */
export interface LogState {
  readonly name: string
  readonly path: string
  readonly options: LogOptions
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly recoveryPoint: number
  readonly epochs: EpochIndex
  /** The epoch checkpoint says the same as `epochs`. */
  readonly epochsSaved: boolean
  readonly offsetGaps: OffsetGaps
  /** Segments with a place that cannot be read. */
  readonly damaged?: readonly Segment[]
  readonly tracking: LogTracking | undefined
  /** It was opened from the list of a clean close. */
  readonly dates?: LogDates
}
