import type { LogHost } from './log-host.js'
import { pastDamage, type Quarantine } from './quarantine.js'
import type { SegmentList } from './segment-list.js'
import { findLargestTimestamp } from './segment-repair.js'
import type { LargestTimestamp } from './segment.js'

/** Largest timestamp of a segment: from the list, or found now and noted there. */
export async function largestTimestampAt(
  host: LogHost,
  of: {
    readonly view: { readonly indexIntervalBytes: number; readonly quarantine: Quarantine }
    readonly segments: SegmentList
  },
  index: number,
): Promise<LargestTimestamp> {
  const { segments, view } = of
  const known = segments.largestAt(index)
  if (known !== undefined) return known
  const segment = segments.at(index)
  const found = await pastDamage(view, segment, () =>
    findLargestTimestamp(host, segment, view.indexIntervalBytes),
  )
  segments.noteLargest(index, found)
  return found
}
