import {
  BATCH_HEADER_BYTES,
  crc32c,
  encodeRecordBatch,
  type RecordBatchOptions,
  type RecordInput,
} from '@kfk/protocol'

/** Long ago and yet within what brokers take by default. */
export const baseTime = 1_700_000_000_000

/** Records with keys and values that tell them apart, a second from each other. */
export function recordsOf(count: number, more: Partial<RecordInput> = {}): RecordInput[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `k${at}`,
    value: `v${at}`,
    timestamp: baseTime + at * 1000,
    ...more,
  }))
}

/** A sound batch of these records. */
export function batchOf(
  records: readonly RecordInput[] = recordsOf(2),
  options: RecordBatchOptions = {},
): Uint8Array {
  return encodeRecordBatch(records, options)
}

/** A batch with other bytes at `position`, and a checksum that fits unless that is not wanted. */
export function patched(
  batch: Uint8Array,
  position: number,
  bytes: readonly number[],
  options: { readonly checksum?: boolean } = {},
): Uint8Array {
  const copy = Buffer.from(batch)
  copy.set(bytes, position)
  if (options.checksum !== false && copy.length >= BATCH_HEADER_BYTES) {
    copy.writeUInt32BE(crc32c(copy.subarray(21)) >>> 0, 17)
  }
  return copy
}

/** Big-endian bytes. */
export function int16(value: number): number[] {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return [...bytes]
}

/** Big-endian bytes. */
export function int32(value: number): number[] {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return [...bytes]
}

/** Big-endian bytes. */
export function int64(value: bigint): number[] {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return [...bytes]
}

/** Where the fields of a record batch lie. */
export const at = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const
