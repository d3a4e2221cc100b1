import type { LogHost } from './log-host.js'
import type { SegmentList } from './segment-list.js'
import { findLargestTimestamp } from './segment-repair.js'
import type { LargestTimestamp } from './segment.js'

/** Largest timestamp of a segment: from the list, or found now and noted there. */
export async function largestTimestampAt(
  host: LogHost,
  log: { readonly segments: SegmentList; readonly indexIntervalBytes: number },
  index: number,
): Promise<LargestTimestamp> {
  const { segments } = log
  const known = segments.largestAt(index)
  if (known !== undefined) return known
  const found = await findLargestTimestamp(host, segments.at(index), log.indexIntervalBytes)
  segments.noteLargest(index, found)
  return found
}
