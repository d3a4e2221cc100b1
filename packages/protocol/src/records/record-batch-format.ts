import { DEFAULT_MAX_DECOMPRESSED_BYTES } from '../compression-codecs.js'
import { ProtocolError } from '../errors.js'
import { recordBatchCompaction } from './batch-compaction.js'
import {
  batches,
  checkBatchHeader,
  isUnwritten,
  readBatchHeader,
  requireWhole,
  wholeBatch,
  type BatchHeader,
} from './batch-header.js'
import { checksumMatches, payloadOf, walkRecords } from './batch-reader.js'
import { stampBatch } from './batch-stamps.js'
import { readBigInt64, readInt16, readInt32, readSafeInt64 } from './big-endian.js'
import { matchingBatches } from './crc32c.js'
import { readControlRecord, type ControlRecord, type ControlType } from './control-records.js'
import { RecordSource } from './decoded-record.js'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CONTROL_BIT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LOG_OVERHEAD_BYTES,
  MAX_TIMESTAMP_AT,
  MIN_BATCH_LENGTH,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TRANSACTIONAL_BIT,
} from './layout.js'

const MAX_JOINED_BYTES = 32 * 1024

/** What a log keeps of a batch to index it. */
export interface RecordBatchSummary {
  readonly sizeInBytes: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestamp: number
  readonly leaderEpoch: number
  readonly recordCount: number
}

/** What idempotence and transactions keep of a batch. */
export interface RecordBatchProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  /** Of the batch's last record: sequences wrap from 2^31 - 1 to 0. */
  readonly lastSequence: number
  readonly transactional: boolean
  /** Set in control batches; `other`: without a transaction marker. */
  readonly control?: ControlType | 'other'
  /** With a marker. */
  readonly coordinatorEpoch?: number
}

/** A record as compaction and search by time see it. */
export interface RecordSummary {
  readonly offset: number
  readonly timestamp: number
  /** Null for keyless records, and for those of control batches, whose keys are not the user's. */
  readonly key: Uint8Array | null
  readonly tombstone: boolean
}

/**
 * Record batch v2 as a log's batch format (log-store's `BatchFormat`, matched by structure so that
 * neither package imports the other).
 */
export const recordBatchFormat = {
  name: 'record-batch-v2',
  headerBytes: BATCH_HEADER_BYTES,

  /** Total bytes of the batch at `position`; 0: zeros, never written; -1: no batch can begin so. */
  sizeOf(bytes: Uint8Array, position: number): number {
    if (bytes.length - position < BATCH_HEADER_BYTES) return -1
    const batchLength = readInt32(bytes, position + BATCH_LENGTH_AT)
    if (batchLength === 0 && isUnwritten(bytes, position)) return 0
    return batchLength < MIN_BATCH_LENGTH ? -1 : batchLength + LOG_OVERHEAD_BYTES
  },

  /** Reads header fields only. ProtocolError MALFORMED when an offset or a time is beyond 2^53. */
  describe(bytes: Uint8Array, position: number): RecordBatchSummary {
    const baseOffset = readSafeInt64(bytes, position + BASE_OFFSET_AT, 'base offset')
    return {
      sizeInBytes: readInt32(bytes, position + BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES,
      baseOffset,
      lastOffset: baseOffset + readInt32(bytes, position + LAST_OFFSET_DELTA_AT),
      maxTimestamp: readSafeInt64(bytes, position + MAX_TIMESTAMP_AT, 'max timestamp'),
      leaderEpoch: readInt32(bytes, position + LEADER_EPOCH_AT),
      recordCount: readInt32(bytes, position + RECORD_COUNT_AT),
    }
  },

  /**
   * Why the whole batch at `position` is corrupt, or undefined: header and CRC-32C, unless it is
   * known to match, not its records.
   */
  check(bytes: Uint8Array, position: number, isMatching = false): string | undefined {
    try {
      const sizeInBytes = checkBatchHeader(bytes, position)
      requireWhole(bytes, position, sizeInBytes)
      if (isMatching || checksumMatches(bytes, position, sizeInBytes)) return undefined
      return 'the checksum does not match'
    } catch (error) {
      if (error instanceof ProtocolError) return error.message
      throw error
    }
  },

  /**
   * Compares checksums of the batches from `position` on, many at once: those of all that begin
   * below the answer match.
   */
  checksumsMatchUntil(bytes: Uint8Array, position: number): number {
    // Many large ones at once are no faster than one by one.
    const size = recordBatchFormat.sizeOf(bytes, position)
    return size > MAX_JOINED_BYTES ? position : matchingBatches(bytes, position)
  },

  /** Stamps in place; see {@link stampBatch}. */
  stamp(
    bytes: Uint8Array,
    position: number,
    stamp: { baseOffset: number; leaderEpoch: number },
  ): void {
    stampBatch(bytes, stamp, position)
  },

  records: { iterate: iterateRecords, retain: retainRecords },
  compaction: recordBatchCompaction,
  producer: { describe: describeProducer },
}

/** All records of the whole batches in `bytes`. Throws ProtocolError as decodeRecords does. */
function* iterateRecords(bytes: Uint8Array): IterableIterator<RecordSummary> {
  for (const batch of batches(bytes)) yield* summariesOf(batch.bytes, batch.header)
}

function summariesOf(batch: Uint8Array, header: BatchHeader): RecordSummary[] {
  const payload = payloadOf(batch, header, DEFAULT_MAX_DECOMPRESSED_BYTES)
  const source = new RecordSource(payload.bytes, header)
  const summaries: RecordSummary[] = []
  walkRecords(payload, header, (cursor) => {
    const key = header.isControl ? null : source.view(cursor.keyAt, cursor.keyLength)
    summaries.push({
      offset: header.baseOffset + cursor.offsetDelta,
      timestamp: source.appendTime ?? header.baseTimestamp + cursor.timestampDelta,
      key,
      tombstone: !header.isControl && cursor.valueLength < 0,
    })
  })
  return summaries
}

/**
 * The batch in `bytes` with only the records whose offset `keep` accepts; null when none is left,
 * the same bytes when all are. Offsets, timestamps, producer state and compression stay; only the
 * record count, the largest timestamp and the checksum follow the records.
 */
function retainRecords(bytes: Uint8Array, keep: (offset: number) => boolean): Uint8Array | null {
  const rewritten = recordBatchCompaction.rewrite(bytes, 0, {
    keep: ({ offset }) => keep(offset),
    deleteHorizonMs: undefined,
    expires: false,
    keepEmpty: false,
  })
  return rewritten === undefined
    ? wholeBatch(bytes, 0, readBatchHeader(bytes).sizeInBytes)
    : rewritten
}

/** The producer's part of the header; undefined when the batch has no producer id. */
function describeProducer(bytes: Uint8Array, position: number): RecordBatchProducer | undefined {
  // Most batches have none: seen by the sign, without a bigint.
  if (bytes[position + PRODUCER_ID_AT]! > 0x7f) return undefined
  const producerId = readBigInt64(bytes, position + PRODUCER_ID_AT)
  const attributes = readInt16(bytes, position + ATTRIBUTES_AT)
  const baseSequence = readInt32(bytes, position + BASE_SEQUENCE_AT)
  const producer = {
    producerId,
    producerEpoch: readInt16(bytes, position + PRODUCER_EPOCH_AT),
    baseSequence,
    lastSequence: addToSequence(baseSequence, readInt32(bytes, position + LAST_OFFSET_DELTA_AT)),
    transactional: (attributes & TRANSACTIONAL_BIT) !== 0,
  }
  if ((attributes & CONTROL_BIT) === 0) return producer
  const marker = markerOf(bytes, position)
  if (marker === undefined) return { ...producer, control: 'other' }
  return { ...producer, control: marker.type, coordinatorEpoch: marker.coordinatorEpoch }
}

/** Sequences are int32 and wrap to 0; markers carry -1, which stays. */
function addToSequence(sequence: number, increment: number): number {
  if (sequence < 0) return sequence
  const sum = sequence + increment
  return sum > 0x7fff_ffff ? sum - 0x8000_0000 : sum
}

/** The marker in a control batch; undefined when there is none that makes sense. */
function markerOf(bytes: Uint8Array, position: number): ControlRecord | undefined {
  let marker: ControlRecord | undefined
  try {
    const header = readBatchHeader(bytes, position)
    const batch = wholeBatch(bytes, position, header.sizeInBytes)
    const payload = payloadOf(batch, header, DEFAULT_MAX_DECOMPRESSED_BYTES)
    const source = new RecordSource(payload.bytes, header)
    walkRecords(payload, header, (cursor) => {
      const key = source.view(cursor.keyAt, cursor.keyLength)
      const value = source.view(cursor.valueAt, cursor.valueLength)
      marker ??= readControlRecord({ key, value })
    })
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  return marker
}
