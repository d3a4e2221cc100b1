import type { LogHost } from './log-host.js'
import type { LogOptions } from './options.js'
import { countExpired, type SegmentFacts } from './retention.js'
import type { SegmentList } from './segment-list.js'
import { findLargestTimestamp } from './segment-repair.js'

/** What retention needs of a log at one moment. */
interface RetainedLog {
  readonly options: LogOptions
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly writtenOffset: number
  readonly acknowledgedOffset: number
}

/** How many of the oldest segments may go. `nowMs` undefined leaves age out. */
export async function countDeletable(
  host: LogHost,
  log: RetainedLog,
  nowMs: number | undefined,
): Promise<number> {
  const { segments, options } = log
  const byAge = nowMs !== undefined && options.retentionMs >= 0
  const facts: SegmentFacts[] = []
  let totalBytes = 0
  // From the first young segment on age decides nothing, so no more indexes are read.
  let old = byAge
  for (const [at, segment] of segments.all.entries()) {
    let largestTimestamp = -1
    if (old) {
      const found = await findLargestTimestamp(host, segment, options.indexIntervalBytes)
      largestTimestamp = found.timestamp
      old = byAge && nowMs - largestTimestamp > options.retentionMs
    }
    const { sizeBytes } = segment
    totalBytes += sizeBytes
    facts.push({
      sizeBytes,
      largestTimestamp,
      endOffset: segments.endOffset(at, log.writtenOffset),
    })
  }
  return countExpired(facts, totalBytes, {
    options,
    logStartOffset: log.logStartOffset,
    nowMs,
    limitOffset: log.acknowledgedOffset,
  })
}
