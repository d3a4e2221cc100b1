import { segmentFileName, segmentSuffixes } from './file-names.js'
import { type EntryKey, IndexEntries, type IndexSource } from './index-entries.js'
import { isZero } from './offset-index.js'

// Format, as Kafka writes it: 12-byte entries, big-endian: int64 timestamp (ms), int32 relative
// offset.
// An entry says: the largest timestamp up to here is that of the batch whose last offset is this
// one.
// Timestamps strictly increase. A zero tail of a preallocated file is not entries.

export const timeIndexEntryBytes = 12

/** Entries that lie in a file. */
export interface StoredTimes {
  readonly source: IndexSource
  readonly count: number
  /** The last entry, when it is known. */
  readonly last?: { readonly timestamp: number; readonly relativeOffset: number } | undefined
}

export function timeIndexName(baseOffset: number): string {
  return segmentFileName(baseOffset, segmentSuffixes.timeIndex)
}

const timestampKey: EntryKey = (bytes, at) =>
  bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
const offsetKey: EntryKey = (bytes, at) => bytes.readInt32BE(at + 8)

/** Sparse map from largest timestamp so far to relative offset. */
export class TimeIndex extends IndexEntries {
  #lastTimestamp = -1
  #lastRelativeOffset = -1

  /** Of a file, or empty. Throws as `IndexSource.read` does. */
  constructor(stored?: StoredTimes) {
    super(timeIndexEntryBytes, stored)
    if (stored?.last === undefined) this.#readLast()
    else {
      this.#lastTimestamp = stored.last.timestamp
      this.#lastRelativeOffset = stored.last.relativeOffset
    }
  }

  get lastTimestamp(): number {
    return this.#lastTimestamp
  }

  get lastRelativeOffset(): number {
    return this.#lastRelativeOffset
  }

  timestampAt(entry: number): number {
    return this.read(entry, timestampKey)
  }

  relativeOffsetAt(entry: number): number {
    return this.read(entry, offsetKey)
  }

  /** Ignored unless the timestamp is larger than the last entry's. */
  maybeAppend(timestampMs: number, relativeOffset: number): void {
    if (timestampMs <= this.#lastTimestamp) return
    const { bytes, at } = this.push()
    bytes.writeInt32BE(Math.floor(timestampMs / 2 ** 32), at)
    bytes.writeUInt32BE(timestampMs % 2 ** 32, at + 4)
    bytes.writeInt32BE(relativeOffset, at + 8)
    this.#lastTimestamp = timestampMs
    this.#lastRelativeOffset = relativeOffset
  }

  /** Last entry whose timestamp is <= `timestampMs`, or -1. */
  floor(timestampMs: number): number {
    if (timestampMs >= this.#lastTimestamp) return this.count - 1
    return this.search(timestampMs, timestampKey)
  }

  /** Drops entries of `relativeOffset` or beyond. */
  truncateToOffset(relativeOffset: number): void {
    this.truncate(this.search(relativeOffset - 1, offsetKey) + 1)
    this.#readLast()
  }

  encode(fromEntry = 0): Uint8Array {
    return this.bytes(fromEntry)
  }

  #readLast(): void {
    const last = this.count - 1
    this.#lastTimestamp = last === -1 ? -1 : this.timestampAt(last)
    this.#lastRelativeOffset = last === -1 ? -1 : this.relativeOffsetAt(last)
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
    // The first may be a batch of the first ms of 1970; zeros to the end are preallocated space.
    const zero = timestamp === 0 && relativeOffset === 0 && bytes.length > timeIndexEntryBytes
    if (zero && isZero(bytes, at)) return index
    if (!Number.isSafeInteger(timestamp) || timestamp <= index.lastTimestamp) return undefined
    if (relativeOffset < index.lastRelativeOffset || relativeOffset < 0) return undefined
    index.maybeAppend(timestamp, relativeOffset)
  }
  return index
}
