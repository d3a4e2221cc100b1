import type { AbortedTransaction } from './log-tracker.js'

// Kafka's transaction index, `<base offset>.txnindex`: the aborted transactions whose marker lies
// in the segment, in the order of their markers. No file when there is none.
//
//     version int16 = 0 | producer id int64 | first offset int64 | last offset int64
//     last stable offset int64

const entryBytes = 34
const currentVersion = 0

/** The content of an index file. */
export function encodeTransactionIndex(entries: readonly AbortedTransaction[]): Buffer {
  const bytes = Buffer.allocUnsafe(entries.length * entryBytes)
  let at = 0
  for (const entry of entries) {
    at = bytes.writeInt16BE(currentVersion, at)
    at = bytes.writeBigInt64BE(entry.producerId, at)
    at = bytes.writeBigInt64BE(BigInt(entry.firstOffset), at)
    at = bytes.writeBigInt64BE(BigInt(entry.lastOffset), at)
    at = bytes.writeBigInt64BE(BigInt(entry.lastStableOffset), at)
  }
  return bytes
}

/** The entries; undefined when they cannot be those of a segment with these offsets. */
export function decodeTransactionIndex(
  bytes: Uint8Array,
  segment: { readonly baseOffset: number; readonly endOffset: number },
): AbortedTransaction[] | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length % entryBytes !== 0) return undefined
  const entries: AbortedTransaction[] = []
  let previous = segment.baseOffset - 1
  for (let at = 0; at < view.length; at += entryBytes) {
    const entry = {
      producerId: view.readBigInt64BE(at + 2),
      firstOffset: Number(view.readBigInt64BE(at + 10)),
      lastOffset: Number(view.readBigInt64BE(at + 18)),
      lastStableOffset: Number(view.readBigInt64BE(at + 26)),
    }
    const { firstOffset, lastOffset, lastStableOffset } = entry
    const possible =
      view.readInt16BE(at) === currentVersion &&
      entry.producerId >= 0n &&
      firstOffset >= 0 &&
      firstOffset <= lastOffset &&
      lastOffset > previous &&
      lastOffset < segment.endOffset &&
      lastStableOffset >= 0 &&
      lastStableOffset <= lastOffset + 1
    if (!possible) return undefined
    previous = lastOffset
    entries.push(entry)
  }
  return entries
}

/**
 * Adds to `found` those of a segment's transactions that have records or their marker in the
 * offsets from `from` to below `to`. True: later segments have none.
 */
export function collectAborted(
  entries: readonly AbortedTransaction[],
  range: { readonly from: number; readonly to: number },
  found: AbortedTransaction[],
): boolean {
  for (const entry of entries) {
    if (entry.lastOffset >= range.from && entry.firstOffset < range.to) found.push(entry)
    // All that was open when this one ended began there or later, and so did all since.
    if (entry.lastStableOffset >= range.to) return true
  }
  return false
}
