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
  const rules = {
    options,
    logStartOffset: log.logStartOffset,
    nowMs,
    limitOffset: log.acknowledgedOffset,
  }
  const byAge = nowMs !== undefined && options.retentionMs >= 0
  let totalBytes = segments.sizeBytes
  let count = 0
  // Ends at the first one that stays, as a rule the very first: the others are not looked at.
  for (; count < segments.count; count++) {
    const sizeBytes = segments.sizeAt(count)
    const endOffset = segments.endOffset(count, log.writtenOffset)
    const mayGo = ({ timestamp }: { timestamp: number }) => {
      const facts: SegmentFacts = { sizeBytes, largestTimestamp: timestamp, endOffset }
      return countExpired([facts], totalBytes, rules) === 1
    }
    const goes =
      mayGo({ timestamp: -1 }) ||
      (byAge && mayGo(await largestTimestampAt(host, { view: log, segments }, count)))
    if (!goes) return count
    totalBytes -= sizeBytes
  }
  return count
}
