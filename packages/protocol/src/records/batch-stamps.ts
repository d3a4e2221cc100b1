import { ProtocolError } from '../errors.js'
import { checkBatchStart, wholeBatch } from './batch-header.js'
import { readInt16, writeBigInt64, writeInt16, writeInt32, writeSafeInt64 } from './big-endian.js'
import { crc32c } from './crc32c.js'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_LENGTH_AT,
  CRC_AT,
  CRC_START,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TIMESTAMP_TYPE_BIT,
} from './layout.js'

/** The fields of a header that do not follow from the batch's bytes. */
export interface BatchHeaderFields {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Writes the header of `batch`, whose records are in place, and its checksum. */
export function writeBatchHeader(batch: Uint8Array, fields: BatchHeaderFields): void {
  writeSafeInt64(batch, BASE_OFFSET_AT, fields.baseOffset)
  writeInt32(batch, BATCH_LENGTH_AT, batch.length - LOG_OVERHEAD_BYTES)
  writeInt32(batch, LEADER_EPOCH_AT, fields.leaderEpoch)
  batch[MAGIC_AT] = MAGIC_V2
  writeInt16(batch, ATTRIBUTES_AT, fields.attributes)
  writeInt32(batch, LAST_OFFSET_DELTA_AT, fields.lastOffsetDelta)
  writeSafeInt64(batch, BASE_TIMESTAMP_AT, fields.baseTimestamp)
  writeSafeInt64(batch, MAX_TIMESTAMP_AT, fields.maxTimestamp)
  writeBigInt64(batch, PRODUCER_ID_AT, fields.producerId)
  writeInt16(batch, PRODUCER_EPOCH_AT, fields.producerEpoch)
  writeInt32(batch, BASE_SEQUENCE_AT, fields.baseSequence)
  writeInt32(batch, RECORD_COUNT_AT, fields.recordCount)
  updateChecksum(batch)
}

function updateChecksum(batch: Uint8Array): void {
  writeInt32(batch, CRC_AT, crc32c(batch, CRC_START, batch.length))
}

/**
 * Stamps base offset and leader epoch, in place, into the batch at `position`. They lie outside the
 * checksum, so this is all a broker changes in a batch. The header is not checked again.
 */
export function stampBatch(
  bytes: Uint8Array,
  stamp: { baseOffset: number; leaderEpoch: number },
  position = 0,
): void {
  writeSafeInt64(bytes, position + BASE_OFFSET_AT, stamp.baseOffset)
  writeInt32(bytes, position + LEADER_EPOCH_AT, stamp.leaderEpoch)
}

/**
 * Sets the producer's id, epoch and first sequence of the batch that begins `bytes`, in place, and
 * its checksum: a batch gets its sequence when it is sent, not when it is built.
 *
 * @throws ProtocolError CORRUPT or MALFORMED when `bytes` do not begin with a whole batch
 */
export function setProducerState(
  bytes: Uint8Array,
  state: { producerId: bigint; producerEpoch: number; baseSequence: number },
): void {
  const batch = wholeBatch(bytes, 0, checkBatchStart(bytes, 0))
  writeBigInt64(batch, PRODUCER_ID_AT, state.producerId)
  writeInt16(batch, PRODUCER_EPOCH_AT, state.producerEpoch)
  writeInt32(batch, BASE_SEQUENCE_AT, state.baseSequence)
  updateChecksum(batch)
}

/**
 * Makes `timestampMs` the time of every record of the batch that begins `bytes`, in place
 * (`message.timestamp.type=LogAppendTime`), and sets its checksum. No record is rewritten.
 *
 * @throws ProtocolError CORRUPT or MALFORMED when `bytes` do not begin with a whole batch
 */
export function stampLogAppendTime(bytes: Uint8Array, timestampMs: number): void {
  if (!Number.isSafeInteger(timestampMs)) {
    throw new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `impossible time ${timestampMs}`)
  }
  const batch = wholeBatch(bytes, 0, checkBatchStart(bytes, 0))
  writeInt16(batch, ATTRIBUTES_AT, readInt16(batch, ATTRIBUTES_AT) | TIMESTAMP_TYPE_BIT)
  writeSafeInt64(batch, MAX_TIMESTAMP_AT, timestampMs)
  updateChecksum(batch)
}
