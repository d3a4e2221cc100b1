/**
 * Which offsets a load copies, divided so that partitions and large ranges run side by side. Pure.
 */

/** What is known of a partition before a load. */
export interface PartitionState {
  readonly topic: string
  readonly partition: number
  readonly logStartOffset: number
  readonly highWatermark: number
  /** End of the committed chain; undefined when nothing was ever loaded. */
  readonly committed: number | undefined
}

/** Offsets [from, to) of one partition, copied and committed as one. */
export interface Split {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
  /** The log no longer has these offsets: they are committed as missing. */
  readonly missing?: boolean
}

/** Offsets that are not in the log any more. */
export interface Gap extends Split {
  readonly missing: true
}

export interface LoadPlan {
  /**
   * In the order in which they are begun: first splits of all partitions, then the second ones, and
   * so on.
   */
  readonly splits: readonly Split[]
  /** Offsets that were deleted from the log after an earlier load had ended before them. */
  readonly gaps: readonly Gap[]
  /**
   * Of partitions that are loaded for the first time: what was deleted before anybody asked for it.
   */
  readonly beginnings: readonly Gap[]
  /** Offsets to copy; records, when the log has no holes. */
  readonly offsets: number
}

/** Divides what is new into splits of nearly equal size, none above `splitRecords`. */
export function planSplits(states: readonly PartitionState[], splitRecords: number): LoadPlan {
  const gaps: Gap[] = []
  const beginnings: Gap[] = []
  const rounds: Split[][] = []
  for (const { topic, partition, logStartOffset, highWatermark, committed } of states) {
    const from = Math.max(committed ?? logStartOffset, logStartOffset)
    if ((committed ?? 0) < from) {
      const deleted = { topic, partition, from: committed ?? 0, to: from, missing: true } as const
      ;(committed === undefined ? beginnings : gaps).push(deleted)
    }
    const parts = Math.ceil(Math.max(0, highWatermark - from) / splitRecords)
    for (let part = 0; part < parts; part++) {
      const size = highWatermark - from
      const start = from + Math.floor((size * part) / parts)
      const end = from + Math.floor((size * (part + 1)) / parts)
      ;(rounds[part] ??= []).push({ topic, partition, from: start, to: end })
    }
  }
  const splits = rounds.flat()
  const offsets = splits.reduce((sum, { from, to }) => sum + to - from, 0)
  return { splits, gaps, beginnings, offsets }
}
