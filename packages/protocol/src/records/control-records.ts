import { ProtocolError } from '../errors.js'
import { encodeRecordBatch } from './batch-writer.js'
import { readInt16, readInt32, writeInt16, writeInt32 } from './big-endian.js'
import type { DecodedRecord } from './decoded-record.js'

/**
 * How a transaction ended. Control record key: int16 version, int16 type (0 abort, 1 commit);
 * value: int16 version, int32 coordinator epoch.
 */
export type ControlType = 'abort' | 'commit'

/** A transaction marker. */
export interface ControlRecord {
  readonly type: ControlType
  /** Of the transaction coordinator that wrote the marker. */
  readonly coordinatorEpoch: number
}

const KEY_BYTES = 4
const VALUE_BYTES = 6

/**
 * What a control record's key says; undefined for types other than the markers, which a reader must
 * skip.
 *
 * @throws ProtocolError MALFORMED when there is no such key
 */
export function readControlType(key: Uint8Array | null): ControlType | undefined {
  if (key === null || key.length < KEY_BYTES || readInt16(key, 0) < 0) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'a control record without a valid key')
  }
  const type = readInt16(key, 2)
  if (type === 0) return 'abort'
  return type === 1 ? 'commit' : undefined
}

/**
 * Reads a record of a control batch; undefined when it is not a transaction marker.
 *
 * @throws ProtocolError MALFORMED when key or value are not those of a control record
 */
export function readControlRecord(
  record: Pick<DecodedRecord, 'key' | 'value'>,
): ControlRecord | undefined {
  const type = readControlType(record.key)
  if (type === undefined) return undefined
  const { value } = record
  if (value === null || value.length < VALUE_BYTES) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'a transaction marker without a valid value')
  }
  return { type, coordinatorEpoch: readInt32(value, 2) }
}

/**
 * The control batch that ends a producer's transaction: one record, transactional, not compressed.
 */
export function writeControlRecord(
  marker: ControlRecord,
  batch: {
    producerId: bigint
    producerEpoch: number
    timestamp: number
    baseOffset?: number
    leaderEpoch?: number
  },
): Uint8Array {
  const key = new Uint8Array(KEY_BYTES)
  writeInt16(key, 2, marker.type === 'commit' ? 1 : 0)
  const value = new Uint8Array(VALUE_BYTES)
  writeInt32(value, 2, marker.coordinatorEpoch)
  const { timestamp, ...options } = batch
  return encodeRecordBatch([{ key, value, timestamp }], {
    ...options,
    transactional: true,
    control: true,
  })
}
