import type { RecordView } from './batch-format.js'
import {
  readInt32,
  readInt64,
  readUint24,
  readUint48,
  writeInt32,
  writeInt64,
  writeUint24,
  writeUint48,
} from './big-endian.js'
import { crc32 } from './crc32.js'
import { StoreError } from './errors.js'
import {
  attributesAt,
  batchFrameMagic,
  bodyOf,
  coveredAt,
  crcAt,
  epochAt,
  type Frame,
  type FrameRecord,
  headerBytes,
  horizonBit,
  horizonBytes,
  lengthAt,
  magicAt,
  requireFrameSize,
  requireTimestamp,
  sizeOfText,
  writeText,
} from './frame-layout.js'

// The records of a frame of several, one after the other from byte 34 on:
//
//    0  int32   offset, relative to the frame's; ascending
//    4  int64   timestamp, ms since 1970
//   12  int32   key length, -1: no key
//   16  int32   value length, -1: no value
//   20          key, value

const largestTimestampAt = 22
const countAt = 28
const lastOffsetAt = 31
const recordHeaderBytes = 20
const maxCount = 2 ** 24 - 1

/** One frame of all records, which are there together or not at all, whatever happens. */
export function encodeBatchFrame(records: readonly FrameRecord[], nowMs: number): Buffer {
  if (records.length === 0) {
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', 'there is nothing to append')
  }
  if (records.length > maxCount) {
    throw new StoreError('KFK_STORE_TOO_LARGE', `${records.length} records exceed ${maxCount}`)
  }
  let size = headerBytes
  for (const { key, value } of records) {
    size += recordHeaderBytes + sizeOfText(key) + sizeOfText(value)
  }
  const frame = Buffer.allocUnsafe(requireFrameSize(size))
  let at = headerBytes
  let largest = 0
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!
    const timestamp = requireTimestamp(record.timestamp ?? nowMs)
    if (timestamp > largest) largest = timestamp
    at = writeRecord(frame, at, { record, timestamp, relativeOffset: index })
  }
  sealFrame(frame, {
    attributes: 0,
    count: records.length,
    largest,
    lastOffset: records.length - 1,
  })
  return frame
}

function writeRecord(
  frame: Buffer,
  at: number,
  entry: { record: FrameRecord; timestamp: number; relativeOffset: number },
): number {
  const { key, value } = entry.record
  writeInt32(frame, at, entry.relativeOffset)
  writeInt64(frame, at + 4, entry.timestamp)
  let end = at + recordHeaderBytes
  const keyBytes = writeText(frame, end, key)
  end += keyBytes
  const valueBytes = writeText(frame, end, value)
  writeInt32(frame, at + 12, key === null || key === undefined ? -1 : keyBytes)
  writeInt32(frame, at + 16, value === null ? -1 : valueBytes)
  return end + valueBytes
}

/** Everything before the records; offset and epoch are stamped at the append. */
function sealFrame(
  frame: Buffer,
  header: { attributes: number; count: number; largest: number; lastOffset: number },
): void {
  writeInt64(frame, 0, 0)
  writeInt32(frame, lengthAt, frame.length - epochAt)
  writeInt32(frame, epochAt, -1)
  frame[magicAt] = batchFrameMagic
  frame[attributesAt] = header.attributes
  writeUint48(frame, largestTimestampAt, header.largest)
  writeUint24(frame, countAt, header.count)
  writeUint24(frame, lastOffsetAt, header.lastOffset)
  writeInt32(frame, crcAt, crc32(frame, coveredAt, frame.length) | 0)
}

/** The header's words on the records. */
export function describeBatchFrame(
  bytes: Uint8Array,
  position: number,
): { maxTimestamp: number; recordCount: number; lastOffset: number } {
  return {
    maxTimestamp: readUint48(bytes, position + largestTimestampAt),
    recordCount: readUint24(bytes, position + countAt),
    lastOffset: readInt64(bytes, position) + readUint24(bytes, position + lastOffsetAt),
  }
}

/** Why the records cannot be those that the header speaks of, or undefined. */
export function checkBatchFrame(
  bytes: Uint8Array,
  position: number,
  size: number,
): string | undefined {
  const end = position + size
  const last = readUint24(bytes, position + lastOffsetAt)
  let at = bodyOf(bytes, position)
  let before = -1
  let count = 0
  let largest = 0
  while (at < end) {
    if (end - at < recordHeaderBytes) return 'a record is cut short'
    const relativeOffset = readInt32(bytes, at)
    if (relativeOffset <= before || relativeOffset > last) return 'offsets of records do not ascend'
    const keyBytes = readInt32(bytes, at + 12)
    const valueBytes = readInt32(bytes, at + 16)
    if (keyBytes < -1 || valueBytes < -1) return 'negative length of a record'
    largest = Math.max(largest, readInt64(bytes, at + 4))
    at += recordHeaderBytes + Math.max(0, keyBytes) + Math.max(0, valueBytes)
    before = relativeOffset
    count++
  }
  if (at !== end) return 'a record exceeds its frame'
  if (count === 0) return 'no record'
  if (count !== readUint24(bytes, position + countAt)) return 'the header counts other records'
  if (largest !== readUint48(bytes, position + largestTimestampAt)) return 'timestamps differ'
  return undefined
}

/** Adds the records to `frames`; the frame was checked. */
export function decodeBatchFrame(
  bytes: Uint8Array,
  position: number,
  into: { size: number; frames: Frame[] },
): void {
  const end = position + into.size
  const baseOffset = readInt64(bytes, position)
  let at = bodyOf(bytes, position)
  while (at < end) {
    const keyBytes = readInt32(bytes, at + 12)
    const valueBytes = readInt32(bytes, at + 16)
    const keyStart = at + recordHeaderBytes
    const valueStart = keyStart + Math.max(0, keyBytes)
    const recordEnd = valueStart + Math.max(0, valueBytes)
    into.frames.push({
      offset: baseOffset + readInt32(bytes, at),
      timestamp: readInt64(bytes, at + 4),
      key: keyBytes < 0 ? null : bytes.subarray(keyStart, valueStart),
      value: bytes.subarray(valueStart, recordEnd),
      tombstone: valueBytes < 0,
    })
    at = recordEnd
  }
}

/** What a rewrite of a frame is to do. */
interface FrameRewrite {
  /** Judges the record at `at`; says where the next one begins. */
  keep(at: number): { next: number; kept: boolean; tombstone: boolean }
  /** For kept tombstones; undefined: leave the horizon as it is. */
  readonly deleteHorizonMs: number | undefined
}

/**
 * The frame with only the records that are kept, at their offsets: undefined when nothing changes,
 * null when none is kept.
 */
export function rewriteBatchFrame(
  bytes: Uint8Array,
  rewrite: FrameRewrite,
): Uint8Array | null | undefined {
  const parts: Uint8Array[] = []
  let keptBytes = 0
  let count = 0
  let largest = 0
  let all = true
  let tombstones = false
  const bodyAt = bodyOf(bytes, 0)
  for (let at = bodyAt; at < bytes.length;) {
    const { next, kept, tombstone } = rewrite.keep(at)
    if (kept) {
      parts.push(bytes.subarray(at, next))
      keptBytes += next - at
      count++
      largest = Math.max(largest, readInt64(bytes, at + 4))
      tombstones ||= tombstone
    } else all = false
    at = next
  }
  const added = tombstones ? rewrite.deleteHorizonMs : undefined
  if (all && added === undefined) return undefined
  if (count === 0) return null
  const horizon = Buffer.from(bytes.subarray(headerBytes, bodyAt))
  const newHorizon = Buffer.alloc(added === undefined ? 0 : horizonBytes)
  if (added !== undefined) writeInt64(newHorizon, 0, added)
  const head = [bytes.subarray(0, headerBytes), horizon, newHorizon]
  const bodyBytes = headerBytes + horizon.length + newHorizon.length
  const frame = Buffer.concat([...head, ...parts], bodyBytes + keptBytes)
  const attributes = bytes[attributesAt]! | (added === undefined ? 0 : horizonBit)
  sealFrame(frame, {
    attributes,
    count,
    largest,
    lastOffset: readUint24(bytes, lastOffsetAt),
  })
  frame.set(bytes.subarray(0, lengthAt), 0)
  frame.set(bytes.subarray(epochAt, magicAt), epochAt)
  return frame
}

/** Reads the record at `at` of the frame at `position`; answers where the next one begins. */
export function readBatchFrameRecord(
  bytes: Uint8Array,
  position: number,
  record: { at: number; into: { -readonly [field in keyof RecordView]: RecordView[field] } },
): number {
  const { at, into } = record
  const keyBytes = readInt32(bytes, at + 12)
  const valueBytes = readInt32(bytes, at + 16)
  into.offset = readInt64(bytes, position) + readInt32(bytes, at)
  into.source = bytes
  into.keyAt = at + recordHeaderBytes
  into.keyLength = keyBytes
  into.tombstone = valueBytes < 0
  return at + recordHeaderBytes + Math.max(0, keyBytes) + Math.max(0, valueBytes)
}

/** The frame with only the records that are kept, at their offsets; null when none is. */
export function retainOfBatchFrame(
  bytes: Uint8Array,
  keep: (offset: number) => boolean,
): Uint8Array | null {
  const baseOffset = readInt64(bytes, 0)
  const rewritten = rewriteBatchFrame(bytes, {
    keep(at) {
      const lengths =
        Math.max(0, readInt32(bytes, at + 12)) + Math.max(0, readInt32(bytes, at + 16))
      const next = at + recordHeaderBytes + lengths
      return { next, kept: keep(baseOffset + readInt32(bytes, at)), tombstone: false }
    },
    deleteHorizonMs: undefined,
  })
  return rewritten === undefined ? bytes : rewritten
}
