import type { LogOptions } from './options.js'

/** What retention looks at in a segment. */
export interface SegmentFacts {
  readonly sizeBytes: number
  /** Largest record timestamp, -1 when unknown. */
  readonly largestTimestamp: number
  /** Base offset of the next segment: all records here are below it. */
  readonly endOffset: number
}

export interface RetentionRules {
  readonly options: Pick<LogOptions, 'retentionMs' | 'retentionBytes'>
  readonly logStartOffset: number
  /** Wall clock in ms; undefined leaves age out. */
  readonly nowMs: number | undefined
  /** Records from here on may not go yet (not acknowledged). */
  readonly limitOffset: number
}

/**
 * How many of the oldest segments may go: below the log start, too old, or beyond the size. Facts
 * come
 * oldest first, lazily, so that only as many segments are looked at as can go. A segment without a
 * timestamp never goes for its age. Kafka: UnifiedLog.deleteOldSegments.
 */
export function countExpired(
  segments: Iterable<SegmentFacts>,
  totalBytes: number,
  rules: RetentionRules,
): number {
  const { retentionMs, retentionBytes } = rules.options
  let surplus = retentionBytes < 0 ? -1 : totalBytes - retentionBytes
  let count = 0
  for (const segment of segments) {
    if (segment.endOffset > rules.limitOffset) return count
    const belowStart = segment.endOffset <= rules.logStartOffset
    const tooOld =
      retentionMs >= 0 &&
      rules.nowMs !== undefined &&
      segment.largestTimestamp >= 0 &&
      rules.nowMs - segment.largestTimestamp > retentionMs
    const tooMuch = surplus >= 0 && surplus - segment.sizeBytes >= 0
    if (!belowStart && !tooOld && !tooMuch) return count
    surplus -= segment.sizeBytes
    count++
  }
  return count
}

/**
 * Notices that the wall clock moved much further than the monotonic one. Until it has stayed there
 * for
 * as long as it jumped (at most a day), age deletes nothing: a wrong clock would delete everything.
 */
export class ClockJumpGuard {
  readonly #toleranceMs: number
  #lastWallMs: number | undefined
  #lastMonotonicMs = 0
  #distrustUntilMs = 0

  constructor(toleranceMs: number) {
    this.#toleranceMs = toleranceMs
  }

  /** True: do not delete by age now. */
  check(wallMs: number, monotonicMs: number): boolean {
    if (this.#lastWallMs !== undefined) {
      const jumpMs = wallMs - this.#lastWallMs - (monotonicMs - this.#lastMonotonicMs)
      if (jumpMs > this.#toleranceMs) {
        this.#distrustUntilMs = monotonicMs + Math.min(jumpMs, 24 * 3_600_000)
      } else if (jumpMs < -this.#toleranceMs) this.#distrustUntilMs = 0
    }
    this.#lastWallMs = wallMs
    this.#lastMonotonicMs = monotonicMs
    return monotonicMs < this.#distrustUntilMs
  }
}
