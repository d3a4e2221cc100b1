import { compressionTypeOf, type CompressionType } from '../compression.js'
import { ProtocolError } from '../errors.js'
import {
  readBigInt64,
  readInt16,
  readInt32,
  readInt64Approximately,
  readSafeInt64,
} from './big-endian.js'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CONTROL_BIT,
  CRC_AT,
  DELETE_HORIZON_BIT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
  MIN_BATCH_LENGTH,
  MIN_RECORD_BYTES,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from './layout.js'

/** What a timestamp means: set by the producer, or by the broker when it appended the batch. */
export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** The header of a record batch v2, decoded. Offsets are absolute; times are in milliseconds. */
export interface BatchHeader {
  readonly baseOffset: number
  /** As on the wire: the bytes that follow the length field. */
  readonly batchLength: number
  /** The whole batch: `batchLength + 12`. */
  readonly sizeInBytes: number
  /** -1 when no leader has stamped the batch. */
  readonly partitionLeaderEpoch: number
  readonly magic: number
  /** CRC-32C as stored, unsigned. Not verified by reading the header. */
  readonly crc: number
  readonly attributes: number
  readonly compression: CompressionType
  readonly timestampType: TimestampType
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** Then `baseTimestamp` is the time from which tombstones may go (KIP-534). */
  readonly hasDeleteHorizon: boolean
  /** `baseOffset + lastOffsetDelta`; compaction keeps it when the last record goes. */
  readonly lastOffset: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** -1n when the producer is not idempotent. */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  /** 0 in a batch that compaction emptied but keeps for its producer state. */
  readonly recordCount: number
}

/**
 * The total size of the batch at `position` after checking that its size and magic are possible and
 * that its header is present. ProtocolError CORRUPT (impossible size or unknown magic),
 * UNSUPPORTED_VERSION (magic 0 or 1), MALFORMED (the bytes end inside the header).
 */
export function checkBatchStart(bytes: Uint8Array, position: number): number {
  const present = bytes.length - position
  if (!(position >= 0) || present < LOG_OVERHEAD_BYTES) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'the bytes end inside a batch header')
  }
  const batchLength = readInt32(bytes, position + BATCH_LENGTH_AT)
  // The magic comes first: batches of the old formats have shorter headers.
  if (present > MAGIC_AT) checkMagic(bytes[position + MAGIC_AT]!)
  if (batchLength < MIN_BATCH_LENGTH) {
    throw new ProtocolError('KFK_PROTOCOL_CORRUPT', `impossible batch length ${batchLength}`)
  }
  if (present < BATCH_HEADER_BYTES) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'the bytes end inside a batch header')
  }
  return batchLength + LOG_OVERHEAD_BYTES
}

function checkMagic(magic: number): void {
  if (magic === MAGIC_V2) return
  if (magic < MAGIC_V2) {
    const message = `record format ${magic} is not supported, only ${MAGIC_V2} (Kafka 0.11)`
    throw new ProtocolError('KFK_PROTOCOL_UNSUPPORTED_VERSION', message, { details: { magic } })
  }
  throw new ProtocolError('KFK_PROTOCOL_CORRUPT', `unknown record format ${magic}`, {
    details: { magic },
  })
}

/**
 * Reads the header at `position`; the records need not be present. The CRC is not verified.
 *
 * @throws ProtocolError CORRUPT, MALFORMED, UNSUPPORTED_VERSION (magic 0 or 1), or
 *   UNSUPPORTED_COMPRESSION when the header is impossible.
 */
export function readBatchHeader(bytes: Uint8Array, position = 0): BatchHeader {
  const sizeInBytes = checkBatchHeader(bytes, position)
  const attributes = readInt16(bytes, position + ATTRIBUTES_AT)
  const lastOffsetDelta = readInt32(bytes, position + LAST_OFFSET_DELTA_AT)
  const baseOffset = readInt64Approximately(bytes, position + BASE_OFFSET_AT)
  return {
    baseOffset,
    batchLength: sizeInBytes - LOG_OVERHEAD_BYTES,
    sizeInBytes,
    partitionLeaderEpoch: readInt32(bytes, position + LEADER_EPOCH_AT),
    magic: MAGIC_V2,
    crc: readInt32(bytes, position + CRC_AT) >>> 0,
    attributes,
    compression: compressionTypeOf(attributes),
    timestampType: attributes & TIMESTAMP_TYPE_BIT ? 'LogAppendTime' : 'CreateTime',
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    isControl: (attributes & CONTROL_BIT) !== 0,
    hasDeleteHorizon: (attributes & DELETE_HORIZON_BIT) !== 0,
    lastOffset: baseOffset + lastOffsetDelta,
    lastOffsetDelta,
    baseTimestamp: readInt64Approximately(bytes, position + BASE_TIMESTAMP_AT),
    maxTimestamp: readInt64Approximately(bytes, position + MAX_TIMESTAMP_AT),
    producerId: readBigInt64(bytes, position + PRODUCER_ID_AT),
    producerEpoch: readInt16(bytes, position + PRODUCER_EPOCH_AT),
    baseSequence: readInt32(bytes, position + BASE_SEQUENCE_AT),
    recordCount: readInt32(bytes, position + RECORD_COUNT_AT),
  }
}

/**
 * Checks the header at `position` without reading it; the records need not be present. Answers the
 * size of the batch in bytes.
 *
 * @throws ProtocolError as {@link readBatchHeader} does.
 */
export function checkBatchHeader(bytes: Uint8Array, position: number): number {
  const sizeInBytes = checkBatchStart(bytes, position)
  const lastOffsetDelta = readInt32(bytes, position + LAST_OFFSET_DELTA_AT)
  const recordCount = readInt32(bytes, position + RECORD_COUNT_AT)
  const baseOffset = readSafeInt64(bytes, position + BASE_OFFSET_AT, 'base offset')
  const compression = compressionTypeOf(readInt16(bytes, position + ATTRIBUTES_AT))
  checkCounts(lastOffsetDelta, recordCount, baseOffset)
  if (compression === 'none') checkCountFits(recordCount, sizeInBytes - BATCH_HEADER_BYTES)
  readSafeInt64(bytes, position + BASE_TIMESTAMP_AT, 'base timestamp')
  readSafeInt64(bytes, position + MAX_TIMESTAMP_AT, 'max timestamp')
  return sizeInBytes
}

function checkCounts(lastOffsetDelta: number, recordCount: number, baseOffset: number): void {
  if (lastOffsetDelta < 0 || recordCount < 0 || recordCount > lastOffsetDelta + 1) {
    const message = `impossible record count ${recordCount}, last offset delta ${lastOffsetDelta}`
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
  }
  if (baseOffset < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', `impossible base offset ${baseOffset}`)
  }
}

/**
 * Refuses a record count that `payloadBytes` bytes cannot hold, before anything is allocated for
 * it.
 */
export function checkCountFits(recordCount: number, payloadBytes: number): void {
  if (recordCount * MIN_RECORD_BYTES > payloadBytes) {
    const message = `${recordCount} records cannot lie in ${payloadBytes} bytes`
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
  }
}

/** Refuses a batch whose bytes are not all present: MALFORMED. */
export function requireWhole(bytes: Uint8Array, position: number, sizeInBytes: number): void {
  if (position + sizeInBytes <= bytes.length) return
  const message = `the batch has ${sizeInBytes} bytes, ${bytes.length - position} are present`
  throw new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
}

/** The bytes of the one batch at `position`; MALFORMED when they are not all present. */
export function wholeBatch(bytes: Uint8Array, position: number, sizeInBytes: number): Uint8Array {
  requireWhole(bytes, position, sizeInBytes)
  if (position === 0 && sizeInBytes === bytes.length) return bytes
  return bytes.subarray(position, position + sizeInBytes)
}

/**
 * Iterates over the batches in `bytes`, in order, as views. A partial batch at the end is ignored,
 * as in a fetch response that was cut to its maximum size.
 *
 * @throws ProtocolError (see {@link readBatchHeader}) at a batch whose header is impossible.
 */
export function* batches(
  bytes: Uint8Array,
): IterableIterator<{ header: BatchHeader; bytes: Uint8Array }> {
  let position = 0
  while (bytes.length - position >= BATCH_HEADER_BYTES) {
    const header = readBatchHeader(bytes, position)
    const end = position + header.sizeInBytes
    if (end > bytes.length) return
    yield { header, bytes: bytes.subarray(position, end) }
    position = end
  }
}

/** True when the whole header at `position` is zero: preallocated space that was never written. */
export function isUnwritten(bytes: Uint8Array, position: number): boolean {
  const end = Math.min(position + BATCH_HEADER_BYTES, bytes.length)
  for (let at = position; at < end; at++) if (bytes[at] !== 0) return false
  return true
}
