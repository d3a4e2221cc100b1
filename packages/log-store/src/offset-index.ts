import { writeInt32 } from './big-endian.js'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import { type EntryKey, IndexEntries, type IndexSource } from './index-entries.js'

// Format, as Kafka writes it: 8-byte entries, big-endian: int32 offset relative to the segment's
// base,
// int32 position. The offset is the last one of the batch that starts at that position. Strictly
// increasing in both. A file may be preallocated: a tail of zeros is not entries. There is no
// checksum; after an unclean stop an index past the recovery point is rebuilt, and every lookup
// compares the entry with the batch it points at.

export const offsetIndexEntryBytes = 8

/** Entries that lie in a file. */
export interface StoredOffsets {
  readonly source: IndexSource
  readonly count: number
  /** The last entry, when it is known. */
  readonly last?: { readonly relativeOffset: number; readonly position: number } | undefined
}

export function offsetIndexName(baseOffset: number): string {
  return segmentFileName(baseOffset, segmentSuffixes.offsetIndex)
}

const offsetKey: EntryKey = (bytes, at) => bytes.readInt32BE(at)
const positionKey: EntryKey = (bytes, at) => bytes.readInt32BE(at + 4)

/** Sparse map from relative offset to file position. */
export class OffsetIndex extends IndexEntries {
  #lastRelativeOffset = -1
  #lastPosition = -1

  /** Of a file, or empty. Throws as `IndexSource.read` does. */
  constructor(stored?: StoredOffsets) {
    super(offsetIndexEntryBytes, stored)
    if (stored?.last === undefined) this.#readLast()
    else {
      this.#lastRelativeOffset = stored.last.relativeOffset
      this.#lastPosition = stored.last.position
    }
  }

  get lastRelativeOffset(): number {
    return this.#lastRelativeOffset
  }

  get lastPosition(): number {
    return this.#lastPosition
  }

  relativeOffsetAt(entry: number): number {
    return this.read(entry, offsetKey)
  }

  positionAt(entry: number): number {
    return this.read(entry, positionKey)
  }

  append(relativeOffset: number, position: number): void {
    const { bytes, at } = this.push()
    writeInt32(bytes, at, relativeOffset)
    writeInt32(bytes, at + 4, position)
    this.#lastRelativeOffset = relativeOffset
    this.#lastPosition = position
  }

  /** Last entry whose offset is <= `relativeOffset`, or -1. */
  floor(relativeOffset: number): number {
    if (relativeOffset >= this.#lastRelativeOffset) return this.count - 1
    return this.search(relativeOffset, offsetKey)
  }

  /** Last entry whose position is <= `position`, or -1. */
  floorPosition(position: number): number {
    return this.search(position, positionKey)
  }

  /** Drops entries that point at `position` or beyond. */
  truncateToPosition(position: number): void {
    this.truncate(this.floorPosition(position - 1) + 1)
    this.#readLast()
  }

  encode(fromEntry = 0): Uint8Array {
    return this.bytes(fromEntry)
  }

  #readLast(): void {
    const last = this.count - 1
    this.#lastRelativeOffset = last === -1 ? -1 : this.relativeOffsetAt(last)
    this.#lastPosition = last === -1 ? -1 : this.positionAt(last)
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
