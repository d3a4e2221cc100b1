import { segmentFileName, segmentSuffixes } from './file-names.js'
import { isZero } from './offset-index.js'

// Format, as Kafka writes it: 12-byte entries, big-endian: int64 timestamp (ms), int32 relative
// offset.
// An entry says: the largest timestamp up to here is that of the batch whose last offset is this
// one.
// Timestamps strictly increase. A zero tail of a preallocated file is not entries.

export const timeIndexEntryBytes = 12

export function timeIndexName(baseOffset: number): string {
  return segmentFileName(baseOffset, segmentSuffixes.timeIndex)
}

/** Sparse map from largest timestamp so far to relative offset, in memory. */
export class TimeIndex {
  #timestamps = new Float64Array(64)
  #offsets = new Int32Array(64)
  #count = 0

  get count(): number {
    return this.#count
  }

  get lastTimestamp(): number {
    return this.#count === 0 ? -1 : this.#timestamps[this.#count - 1]!
  }

  get lastRelativeOffset(): number {
    return this.#count === 0 ? -1 : this.#offsets[this.#count - 1]!
  }

  timestampAt(entry: number): number {
    return this.#timestamps[entry]!
  }

  relativeOffsetAt(entry: number): number {
    return this.#offsets[entry]!
  }

  /** Ignored unless the timestamp is larger than the last entry's. */
  maybeAppend(timestampMs: number, relativeOffset: number): void {
    if (timestampMs <= this.lastTimestamp) return
    if (this.#count === this.#offsets.length) this.#grow()
    this.#timestamps[this.#count] = timestampMs
    this.#offsets[this.#count] = relativeOffset
    this.#count++
  }

  /** Last entry whose timestamp is <= `timestampMs`, or -1. */
  floor(timestampMs: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (this.#timestamps[middle]! <= timestampMs) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  /** Drops entries of `relativeOffset` or beyond. */
  truncateToOffset(relativeOffset: number): void {
    while (this.#count > 0 && this.lastRelativeOffset >= relativeOffset) this.#count--
  }

  encode(fromEntry = 0): Uint8Array {
    const bytes = Buffer.allocUnsafe((this.#count - fromEntry) * timeIndexEntryBytes)
    for (let entry = fromEntry; entry < this.#count; entry++) {
      const at = (entry - fromEntry) * timeIndexEntryBytes
      bytes.writeBigInt64BE(BigInt(this.#timestamps[entry]!), at)
      bytes.writeInt32BE(this.#offsets[entry]!, at + 8)
    }
    return bytes
  }

  #grow(): void {
    const timestamps = new Float64Array(this.#count * 2)
    timestamps.set(this.#timestamps)
    this.#timestamps = timestamps
    const offsets = new Int32Array(this.#count * 2)
    offsets.set(this.#offsets)
    this.#offsets = offsets
  }
}

/** Undefined when the bytes cannot be a time index. */
export function decodeTimeIndex(bytes: Uint8Array): TimeIndex | undefined {
  if (bytes.length % timeIndexEntryBytes !== 0) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const index = new TimeIndex()
  for (let at = 0; at < bytes.length; at += timeIndexEntryBytes) {
    const timestamp = Number(view.getBigInt64(at))
    const relativeOffset = view.getInt32(at + 8)
    // A lone zero entry is a batch of the first ms of 1970; more zeros are preallocated space.
    const padding = timestamp === 0 && relativeOffset === 0 && bytes.length > timeIndexEntryBytes
    if (padding) return isZero(bytes, at) ? index : undefined
    if (!Number.isSafeInteger(timestamp) || timestamp <= index.lastTimestamp) return undefined
    if (relativeOffset < index.lastRelativeOffset || relativeOffset < 0) return undefined
    index.maybeAppend(timestamp, relativeOffset)
  }
  return index
}
