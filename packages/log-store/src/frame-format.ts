import { crc32 } from 'node:zlib'
import type { BatchFormat, BatchSummary, RecordSummary } from './batch-format.js'
import { StoreError } from './errors.js'

// Frame of one record, big-endian. Offset, length, epoch and magic sit where Kafka's record batch
// has
// them, so that a tool can tell the two apart by byte 16.
//
//    0  int64   offset          stamped at append, not covered by the checksum
//    8  int32   length          bytes that follow this field
//   12  int32   leader epoch    stamped at append, not covered by the checksum
//   16  int8    magic           0x66
//   17  uint32  crc-32 (IEEE) of bytes 21 to the end
//   21  int8    attributes      0; other values are refused: a later version
//   22  int64   timestamp       ms since 1970
//   30  int32   key length      -1: no key
//   34          key, then value

const lengthAt = 8
const epochAt = 12
const magicAt = 16
const crcAt = 17
const coveredAt = 21
const timestampAt = 22
const keyLengthAt = 30
const headerBytes = 34
/** Byte 16 of a frame; Kafka's record batches have 0, 1 or 2 there. */
export const frameMagic = 0x66
/** Bound before any allocation: file positions are int32. */
const maxFrameBytes = 2 ** 31 - 1

export interface Frame {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** View on the frame's bytes. */
  readonly value: Uint8Array
}

export interface FrameFormat extends BatchFormat {
  /** One frame, to be stamped by the append. Throws KFK_STORE_INVALID_ARGUMENT, _TOO_LARGE. */
  encode(
    value: Uint8Array,
    options?: { readonly timestamp?: number; readonly key?: Uint8Array | null },
  ): Uint8Array
  /** The frames of a slice, checksums verified. Throws KFK_STORE_CORRUPT. */
  decode(bytes: Uint8Array): Frame[]
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function readOffset(view: DataView, position: number): number {
  return view.getInt32(position) * 0x1_0000_0000 + view.getUint32(position + 4)
}

function sizeOf(bytes: Uint8Array, position: number): number {
  if (bytes.length - position < headerBytes) return -1
  const view = viewOf(bytes)
  const length = view.getInt32(position + lengthAt)
  if (length === 0 && view.getUint8(position + magicAt) === 0) return 0
  if (view.getUint8(position + magicAt) !== frameMagic) return -1
  const size = length + epochAt
  return size < headerBytes || size > maxFrameBytes ? -1 : size
}

function describe(bytes: Uint8Array, position: number): BatchSummary {
  const view = viewOf(bytes)
  const offset = readOffset(view, position)
  return {
    sizeInBytes: view.getInt32(position + lengthAt) + epochAt,
    baseOffset: offset,
    lastOffset: offset,
    maxTimestamp: readOffset(view, position + timestampAt),
    leaderEpoch: view.getInt32(position + epochAt),
    recordCount: 1,
  }
}

function check(bytes: Uint8Array, position: number): string | undefined {
  const size = sizeOf(bytes, position)
  if (size <= 0) return 'no frame header'
  if (bytes.length - position < size) return 'frame is cut short'
  const view = viewOf(bytes)
  const expected = view.getUint32(position + crcAt)
  const found = crc32(bytes.subarray(position + coveredAt, position + size))
  if (found !== expected) return `checksum is ${found}, header says ${expected}`
  if (view.getUint8(position + coveredAt) !== 0) return 'unsupported frame version'
  const keyLength = view.getInt32(position + keyLengthAt)
  if (keyLength < -1 || keyLength > size - headerBytes) return 'key exceeds the frame'
  if (readOffset(view, position) < 0) return 'negative offset'
  return undefined
}

function decodeOne(bytes: Uint8Array, position: number, size: number): Frame {
  const view = viewOf(bytes)
  const keyLength = view.getInt32(position + keyLengthAt)
  const keyStart = position + headerBytes
  const valueStart = keyStart + Math.max(0, keyLength)
  return {
    offset: readOffset(view, position),
    timestamp: readOffset(view, position + timestampAt),
    key: keyLength < 0 ? null : bytes.subarray(keyStart, valueStart),
    value: bytes.subarray(valueStart, position + size),
  }
}

function encode(
  value: Uint8Array,
  options: { readonly timestamp?: number; readonly key?: Uint8Array | null } = {},
): Uint8Array {
  const key = options.key ?? null
  const timestamp = options.timestamp ?? Date.now()
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `timestamp cannot be ${timestamp}`)
  }
  const size = headerBytes + (key?.length ?? 0) + value.length
  if (size > maxFrameBytes) {
    throw new StoreError('KFK_STORE_TOO_LARGE', `a frame of ${size} bytes exceeds 2 GiB`)
  }
  const frame = Buffer.allocUnsafe(size)
  frame.fill(0, 0, headerBytes)
  frame.writeInt32BE(size - epochAt, lengthAt)
  frame.writeInt32BE(-1, epochAt)
  frame.writeUInt8(frameMagic, magicAt)
  frame.writeBigInt64BE(BigInt(timestamp), timestampAt)
  frame.writeInt32BE(key === null ? -1 : key.length, keyLengthAt)
  if (key !== null) frame.set(key, headerBytes)
  frame.set(value, headerBytes + (key?.length ?? 0))
  frame.writeUInt32BE(crc32(frame.subarray(coveredAt)), crcAt)
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
    const size = sizeOf(bytes, position)
    frames.push(decodeOne(bytes, position, size))
    position += size
  }
  return frames
}

/** One record per batch: length, CRC-32, payload. For embedders who need nothing of Kafka. */
export const frameFormat: FrameFormat = {
  name: 'frame',
  headerBytes,
  sizeOf,
  describe,
  check,
  stamp(bytes, position, stamp) {
    const view = viewOf(bytes)
    view.setInt32(position, Math.floor(stamp.baseOffset / 0x1_0000_0000))
    view.setUint32(position + 4, stamp.baseOffset % 0x1_0000_0000)
    view.setInt32(position + epochAt, stamp.leaderEpoch)
  },
  records: {
    iterate(bytes): Iterable<RecordSummary> {
      const { offset, timestamp, key, value } = decodeOne(bytes, 0, sizeOf(bytes, 0))
      return [{ offset, timestamp, key, tombstone: key !== null && value.length === 0 }]
    },
    retain: (bytes, keep) => (keep(readOffset(viewOf(bytes), 0)) ? bytes : null),
  },
  encode,
  decode,
}
