import type { BatchFormat, BatchSummary, RecordSummary } from './batch-format.js'
import { readInt32, readInt64, readUint32, writeInt32, writeInt64 } from './big-endian.js'
import { crc32, matchingFrames } from './crc32.js'
import { StoreError } from './errors.js'
import {
  checkBatchFrame,
  decodeBatchFrame,
  describeBatchFrame,
  encodeBatchFrame,
  retainOfBatchFrame,
} from './frame-batch.js'
import { frameCompaction } from './frame-compaction.js'
import {
  attributesAt,
  batchFrameMagic,
  bodyOf,
  coveredAt,
  crcAt,
  epochAt,
  type Frame,
  frameMagic,
  type FrameRecord,
  headerBytes,
  horizonBit,
  horizonBytes,
  keyLengthAt,
  lengthAt,
  magicAt,
  maxFrameBytes,
  noValueBit,
  requireFrameSize,
  requireTimestamp,
  sizeOfText,
  writeText,
} from './frame-layout.js'

const timestampAt = 22
const maxJoinedBytes = 32 * 1024

/** What makes batches of records, and records of batches: the part that `openLog` needs besides. */
export interface RecordCodec {
  /**
   * One batch of one record, to be stamped by the append. Throws KFK_STORE_INVALID_ARGUMENT,
   * _TOO_LARGE.
   */
  encode(value: Uint8Array | string | null, options?: Omit<FrameRecord, 'value'>): Uint8Array
  /**
   * All records as batches back to back. When it is one batch, the records are there together or
   * not at all after a crash. `nowMs` is for records without a timestamp. Throws as `encode` does.
   */
  encodeAll(records: readonly FrameRecord[], nowMs: number): Uint8Array
  /** The records of a slice, checksums verified, views on its bytes. Throws KFK_STORE_CORRUPT. */
  decode(bytes: Uint8Array): Frame[]
}

export type FrameFormat = BatchFormat & RecordCodec

function sizeOf(bytes: Uint8Array, position: number): number {
  if (bytes.length - position < headerBytes) return -1
  const length = readInt32(bytes, position + lengthAt)
  const magic = bytes[position + magicAt]!
  if (length === 0 && magic === 0) return 0
  if (magic !== frameMagic && magic !== batchFrameMagic) return -1
  const size = length + epochAt
  return size < headerBytes || size > maxFrameBytes ? -1 : size
}

function describe(bytes: Uint8Array, position: number): BatchSummary {
  const baseOffset = readInt64(bytes, position)
  const sizeInBytes = readInt32(bytes, position + lengthAt) + epochAt
  const leaderEpoch = readInt32(bytes, position + epochAt)
  if (bytes[position + magicAt] === batchFrameMagic) {
    const { lastOffset, maxTimestamp, recordCount } = describeBatchFrame(bytes, position)
    return { sizeInBytes, baseOffset, lastOffset, maxTimestamp, leaderEpoch, recordCount }
  }
  const maxTimestamp = readInt64(bytes, position + timestampAt)
  const lastOffset = baseOffset
  return { sizeInBytes, baseOffset, lastOffset, maxTimestamp, leaderEpoch, recordCount: 1 }
}

function check(bytes: Uint8Array, position: number, checksumMatches = false): string | undefined {
  const problem = checksumMatches ? undefined : checkSum(bytes, position)
  return problem ?? checkFields(bytes, position)
}

function checkSum(bytes: Uint8Array, position: number): string | undefined {
  const size = sizeOf(bytes, position)
  if (size <= 0) return 'no frame header'
  if (bytes.length - position < size) return 'frame is cut short'
  const expected = readUint32(bytes, position + crcAt)
  const found = crc32(bytes, position + coveredAt, position + size)
  return found === expected ? undefined : `checksum is ${found}, header says ${expected}`
}

function checkFields(bytes: Uint8Array, position: number): string | undefined {
  const size = readInt32(bytes, position + lengthAt) + epochAt
  const several = bytes[position + magicAt] === batchFrameMagic
  const attributes = bytes[position + attributesAt]!
  const known = several ? horizonBit : horizonBit | noValueBit
  if ((attributes & ~known) !== 0) return 'unsupported frame version'
  const horizon = (attributes & horizonBit) === 0 ? 0 : horizonBytes
  if (size < headerBytes + horizon) return 'no room for the delete horizon'
  if (bytes[position]! > 0x7f) return 'negative offset'
  if (several) return checkBatchFrame(bytes, position, size)
  const keyLength = readInt32(bytes, position + keyLengthAt)
  const valueBytes = size - headerBytes - horizon - Math.max(0, keyLength)
  if (keyLength < -1 || valueBytes < 0) return 'key exceeds the frame'
  const tombstone = (attributes & noValueBit) !== 0
  return tombstone && valueBytes > 0 ? 'a tombstone with a value' : undefined
}

function decodeOne(bytes: Uint8Array, position: number, size: number): Frame {
  const keyLength = readInt32(bytes, position + keyLengthAt)
  const keyStart = bodyOf(bytes, position)
  const valueStart = keyStart + Math.max(0, keyLength)
  return {
    offset: readInt64(bytes, position),
    timestamp: readInt64(bytes, position + timestampAt),
    key: keyLength < 0 ? null : bytes.subarray(keyStart, valueStart),
    value: bytes.subarray(valueStart, position + size),
    tombstone: (bytes[position + attributesAt]! & noValueBit) !== 0,
  }
}

function encode(
  value: Uint8Array | string | null,
  options: Omit<FrameRecord, 'value'> = {},
): Uint8Array {
  const key = options.key ?? null
  const timestamp = requireTimestamp(options.timestamp ?? Date.now())
  const keyBytes = sizeOfText(key)
  const size = requireFrameSize(headerBytes + keyBytes + sizeOfText(value))
  const frame = Buffer.allocUnsafe(size)
  writeInt64(frame, 0, 0)
  writeInt32(frame, lengthAt, size - epochAt)
  writeInt32(frame, epochAt, -1)
  frame[magicAt] = frameMagic
  frame[attributesAt] = value === null ? noValueBit : 0
  writeInt64(frame, timestampAt, timestamp)
  writeInt32(frame, keyLengthAt, key === null ? -1 : keyBytes)
  writeText(frame, headerBytes, key)
  writeText(frame, headerBytes + keyBytes, value)
  writeInt32(frame, crcAt, crc32(frame, coveredAt, size) | 0)
  return frame
}

function decode(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = []
  for (let position = 0; position < bytes.length;) {
    const reason = check(bytes, position)
    if (reason !== undefined) {
      throw new StoreError('KFK_STORE_CORRUPT', `frame at byte ${position}: ${reason}`, {
        details: { position, reason },
      })
    }
    position += decodeInto(frames, bytes, position)
  }
  return frames
}

/** The frame at `position` was checked. Answers its size. */
function decodeInto(frames: Frame[], bytes: Uint8Array, position: number): number {
  const size = sizeOf(bytes, position)
  if (bytes[position + magicAt] === batchFrameMagic) {
    decodeBatchFrame(bytes, position, { size, frames })
  } else frames.push(decodeOne(bytes, position, size))
  return size
}

/**
 * Records without anything of Kafka: a header of 34 bytes, key and value, and a CRC-32 over them. A
 * frame has one record, or several that are there together or not at all.
 */
export const frameFormat: FrameFormat = {
  name: 'frame',
  headerBytes,
  sizeOf,
  describe,
  check,
  checksumsMatchUntil(bytes, position) {
    // Many large ones at once are no faster than one by one.
    return sizeOf(bytes, position) > maxJoinedBytes ? position : matchingFrames(bytes, position)
  },
  stamp(bytes, position, stamp) {
    writeInt64(bytes, position, stamp.baseOffset)
    writeInt32(bytes, position + epochAt, stamp.leaderEpoch)
  },
  records: {
    iterate(bytes): Iterable<RecordSummary> {
      const frames: Frame[] = []
      decodeInto(frames, bytes, 0)
      return frames
    },
    retain(bytes, keep) {
      if (bytes[magicAt] === batchFrameMagic) return retainOfBatchFrame(bytes, keep)
      return keep(readInt64(bytes, 0)) ? bytes : null
    },
  },
  compaction: frameCompaction,
  encode,
  encodeAll: encodeBatchFrame,
  decode,
}
