import { largestTimestampAt } from './largest-timestamp.js'
import type { LogHost } from './log-host.js'
import type { LogOptions } from './options.js'
import { countExpired, type SegmentFacts } from './retention.js'
import type { Quarantine } from './quarantine.js'
import type { SegmentList } from './segment-list.js'

/** What retention needs of a log at one moment. */
interface RetainedLog {
  readonly options: LogOptions
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly writtenOffset: number
  readonly acknowledgedOffset: number
  readonly indexIntervalBytes: number
  readonly quarantine: Quarantine
}

/** How many of the oldest segments may go. `nowMs` undefined leaves age out. */
export async function countDeletable(
  host: LogHost,
  log: RetainedLog,
  nowMs: number | undefined,
): Promise<number> {
  const { segments, options } = log
  const deletes = options.cleanupPolicy !== 'compact'
  const rules = {
    // What is compacted alone goes when it is below the log start, not for its age or size.
    options: deletes ? options : { retentionMs: -1, retentionBytes: -1 },
    logStartOffset: log.logStartOffset,
    nowMs,
    limitOffset: log.acknowledgedOffset,
  }
  const byAge = deletes && nowMs !== undefined && options.retentionMs >= 0
  let totalBytes = segments.sizeBytes
  let count = 0
  // Ends at the first one that stays, as a rule the very first: the others are not looked at.
  for (let index = 0; index < segments.count; index++) {
    const sizeBytes = segments.sizeAt(index)
    const endOffset = segments.endOffset(index, log.writtenOffset)
    const mayGo = ({ timestamp }: { timestamp: number }) => {
      const facts: SegmentFacts = { sizeBytes, largestTimestamp: timestamp, endOffset }
      return countExpired([facts], totalBytes, rules) === 1
    }
    const goes =
      mayGo({ timestamp: -1 }) ||
      (byAge && mayGo(await largestTimestampAt(host, { view: log, segments }, index)))
    // What compaction has emptied has no age: it goes with what comes after it.
    const emptied = sizeBytes === 0 && index < segments.sealedCount
    if (goes) count = index + 1
    else if (!emptied) return count
    totalBytes -= sizeBytes
  }
  return count
}
