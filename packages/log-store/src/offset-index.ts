import { segmentFileName, segmentSuffixes } from './file-names.js'

// Format, as Kafka writes it: 8-byte entries, big-endian: int32 offset relative to the segment's
// base,
// int32 position. The offset is the last one of the batch that starts at that position. Strictly
// increasing in both. A file may be preallocated: a tail of zeros is not entries. There is no
// checksum; after an unclean stop an index past the recovery point is rebuilt, and every lookup
// compares the entry with the batch it points at.

export const offsetIndexEntryBytes = 8

export function offsetIndexName(baseOffset: number): string {
  return segmentFileName(baseOffset, segmentSuffixes.offsetIndex)
}

/** Sparse map from relative offset to file position, in memory. */
export class OffsetIndex {
  #entries = new Int32Array(128)
  #count = 0

  get count(): number {
    return this.#count
  }

  get lastRelativeOffset(): number {
    return this.#count === 0 ? -1 : this.#entries[this.#count * 2 - 2]!
  }

  get lastPosition(): number {
    return this.#count === 0 ? -1 : this.#entries[this.#count * 2 - 1]!
  }

  relativeOffsetAt(entry: number): number {
    return this.#entries[entry * 2]!
  }

  positionAt(entry: number): number {
    return this.#entries[entry * 2 + 1]!
  }

  append(relativeOffset: number, position: number): void {
    if (this.#count * 2 === this.#entries.length) {
      const grown = new Int32Array(this.#entries.length * 2)
      grown.set(this.#entries)
      this.#entries = grown
    }
    this.#entries[this.#count * 2] = relativeOffset
    this.#entries[this.#count * 2 + 1] = position
    this.#count++
  }

  /** Last entry whose offset is <= `relativeOffset`, or -1. */
  floor(relativeOffset: number): number {
    return this.#floor(relativeOffset, 0)
  }

  /** Last entry whose position is <= `position`, or -1. */
  floorPosition(position: number): number {
    return this.#floor(position, 1)
  }

  /** Drops entries that point at `position` or beyond. */
  truncateToPosition(position: number): void {
    this.#count = this.#floor(position - 1, 1) + 1
  }

  encode(fromEntry = 0): Uint8Array {
    const bytes = Buffer.allocUnsafe((this.#count - fromEntry) * offsetIndexEntryBytes)
    for (let slot = fromEntry * 2; slot < this.#count * 2; slot++) {
      bytes.writeInt32BE(this.#entries[slot]!, slot * 4 - fromEntry * offsetIndexEntryBytes)
    }
    return bytes
  }

  #floor(value: number, field: 0 | 1): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle * 2 + field]! <= value) low = middle + 1
      else high = middle - 1
    }
    return high
  }
}

/** Undefined when the bytes cannot be an index of a file of `logSizeBytes`. */
export function decodeOffsetIndex(
  bytes: Uint8Array,
  logSizeBytes: number,
): OffsetIndex | undefined {
  if (bytes.length % offsetIndexEntryBytes !== 0) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const index = new OffsetIndex()
  for (let at = 0; at < bytes.length; at += offsetIndexEntryBytes) {
    const relativeOffset = view.getInt32(at)
    const position = view.getInt32(at + 4)
    // The first entry never points at the first batch, so a zero entry is always padding.
    if (relativeOffset === 0 && position === 0) return isZero(bytes, at) ? index : undefined
    if (relativeOffset <= index.lastRelativeOffset || position <= index.lastPosition)
      return undefined
    if (position >= logSizeBytes) return undefined
    index.append(relativeOffset, position)
  }
  return index
}

/** All bytes from `start` on are zero. */
export function isZero(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}
