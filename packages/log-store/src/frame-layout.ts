import { StoreError } from './errors.js'

// A frame holds one record (magic 0x66) or several that stand and fall together (0x67). Offset,
// length, epoch and magic sit where Kafka's record batch has them, so that a tool can tell them
// apart by byte 16. All integers are big-endian; FORMAT.md has examples.
//
//    0  int64   offset          stamped at append, not covered by the checksum
//    8  int32   length          bytes that follow this field
//   12  int32   leader epoch    stamped at append, not covered by the checksum
//   16  int8    magic           0x66 or 0x67
//   17  uint32  crc-32 (IEEE) of bytes 21 to the end
//   21  int8    attributes      bit 0: no value (0x66 only); bit 1: delete horizon; others: refused
//
//  one record (0x66)                          several (0x67)
//   22  int64   timestamp, ms since 1970       22  uint48  largest timestamp
//   30  int32   key length, -1: no key         28  uint24  number of records
//   34          key, value                     31  uint24  last offset, relative
//                                              34          records, see frame-batch.ts
//
// With a delete horizon, which compaction gives to tombstones, int64 ms since 1970 stand at byte
// 34: the time from which they may go. What else is there begins at byte 42.

export const lengthAt = 8
export const epochAt = 12
export const magicAt = 16
export const crcAt = 17
/** The checksum covers the frame from here on. */
export const coveredAt = 21
export const attributesAt = 21
/** Of a frame of one record. */
export const keyLengthAt = 30
export const headerBytes = 34
export const noValueBit = 1
export const horizonBit = 2
export const horizonBytes = 8
/** Byte 16 of a frame of one record; Kafka's record batches have 0, 1 or 2 there. */
export const frameMagic = 0x66
/** Byte 16 of a frame of several records. */
export const batchFrameMagic = 0x67
/** Bound before any allocation: file positions are int32. */
export const maxFrameBytes = 2 ** 31 - 1

/** Where the key, or the first record, of the frame at `position` is. */
export function bodyOf(bytes: Uint8Array, position: number): number {
  const horizon = (bytes[position + attributesAt]! & horizonBit) === 0 ? 0 : horizonBytes
  return position + headerBytes + horizon
}

/** What a user puts into a frame. Strings are written as UTF-8. */
export interface FrameRecord {
  /** Null: a tombstone, which deletes its key when the log is compacted. */
  readonly value: Uint8Array | string | null
  readonly key?: Uint8Array | string | null | undefined
  /** Ms since 1970, at most 2^48 - 1 (the year 10889); default: now. */
  readonly timestamp?: number | undefined
}

export interface Frame {
  readonly offset: number
  readonly timestamp: number
  /** View on the frame's bytes, as `value` is. */
  readonly key: Uint8Array | null
  /** Empty for a tombstone. */
  readonly value: Uint8Array
  /** The record has no value: it deletes its key when the log is compacted. */
  readonly tombstone: boolean
}

export function sizeOfText(text: Uint8Array | string | null | undefined): number {
  if (typeof text === 'string') return Buffer.byteLength(text)
  if (text === null || text === undefined) return 0
  if (text instanceof Uint8Array) return text.length
  throw new StoreError('KFK_STORE_INVALID_ARGUMENT', 'keys and values are strings or Uint8Arrays')
}

/** Answers the bytes written. */
export function writeText(
  frame: Buffer,
  at: number,
  text: Uint8Array | string | null | undefined,
): number {
  if (typeof text === 'string') return frame.write(text, at)
  if (text === null || text === undefined) return 0
  frame.set(text, at)
  return text.length
}

export function requireTimestamp(timestamp: number): number {
  if (Number.isSafeInteger(timestamp) && timestamp >= 0 && timestamp < 2 ** 48) return timestamp
  throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `timestamp cannot be ${timestamp}`)
}

export function requireFrameSize(sizeInBytes: number): number {
  if (sizeInBytes <= maxFrameBytes) return sizeInBytes
  throw new StoreError('KFK_STORE_TOO_LARGE', `a frame of ${sizeInBytes} bytes exceeds 2 GiB`, {
    details: { limitBytes: maxFrameBytes },
  })
}
