import type { LogHost } from './log-host.js'
import type { Segment } from './segment.js'
import type { SegmentDamage } from './segment-damage.js'
import type { FileHandle } from './fs/file-system.js'
import { scanBatches } from './segment-scan.js'

export interface VerifyRequest {
  /** Where the next segment begins; undefined for the last one. */
  readonly nextBaseOffset: number | undefined
  /** Offsets may be missing between batches below this. */
  readonly gapsBelow: number
  readonly signal?: AbortSignal | undefined
  /** Reads through this instead of the segment's own handle. */
  readonly handle?: FileHandle
  /** Called after each piece that was read; the next one waits for it. */
  readonly onPiece?: (bytes: number) => Promise<void> | undefined
  readonly pieceBytes?: number
}

/**
 * Reads a whole segment and judges it: checksums, order, and that it ends where the next one
 * begins. Answers the first place that is wrong, notes nothing. Rejects with the signal's reason,
 * or with the system's error when the file cannot be read.
 */
export async function verifySegment(
  host: LogHost,
  segment: Segment,
  request: VerifyRequest,
): Promise<SegmentDamage | undefined> {
  const { gapsBelow, nextBaseOffset, signal } = request
  const own = request.handle === undefined
  const handle = request.handle ?? host.files.pin(segment.data)
  try {
    const scanned = await scanBatches({
      format: host.format,
      handle,
      from: 0,
      to: segment.sizeBytes,
      expectedOffset: segment.baseOffset,
      gapsBelow,
      verify: true,
      pieceBytes: request.pieceBytes,
      onPiece: (bytes) => {
        signal?.throwIfAborted()
        return request.onPiece?.(bytes)
      },
    })
    const { position, nextOffset } = scanned
    const reason = scanned.problem ?? wrongEnd(nextOffset, nextBaseOffset, gapsBelow)
    if (reason === undefined) return undefined
    const { baseOffset } = segment
    return { baseOffset, position, offset: nextOffset, reason, foundMs: host.clock.now() }
  } finally {
    if (own) host.files.unpin(segment.data)
  }
}

/** Why a segment cannot end at `nextOffset`, if so. */
export function wrongEnd(
  nextOffset: number,
  nextBaseOffset: number | undefined,
  gapsBelow: number,
): string | undefined {
  if (nextBaseOffset === undefined || nextOffset === nextBaseOffset) return undefined
  if (nextOffset < nextBaseOffset && nextBaseOffset <= gapsBelow) return undefined
  return `ends before offset ${nextOffset}, but the next segment begins at ${nextBaseOffset}`
}
