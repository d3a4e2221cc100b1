/**
 * Kafka's producer snapshot, `<20-digit offset>.snapshot`: what the log below that offset says of
 * its producers.
 *
 *     version int16 = 1 | crc-32c uint32 of all that follows | entries int32, then for each:
 *     producer id int64 | epoch int16 | last sequence int32 | last offset int64
 *     offset delta int32 | timestamp int64 | coordinator epoch int32
 *     first offset of the open transaction int64
 *
 * It has room for the last batch of a producer only. The other four are in `kfk.producer-batches`,
 * which belongs to one snapshot:
 *
 *     version int16 = 1 | crc-32c uint32 of all that follows | offset of its snapshot int64
 *     entries int32, then for each:
 *     producer id int64 | epoch int16 | batches int8, then for each:
 *     first sequence int32 | last sequence int32 | last offset int64
 *     offset delta int32 | timestamp int64
 */
import { crc32c } from '@kfk/protocol'
import type { AppendedBatch, ProducerEntry } from './producer-state.js'

const version = 1
const headerBytes = 6
const entryBytes = 46
const batchBytes = 28
const noCoordinatorEpoch = -1
const noTransaction = -1n

/** The bytes of a snapshot. */
export function encodeSnapshot(entries: readonly ProducerEntry[]): Uint8Array {
  const bytes = Buffer.alloc(headerBytes + 4 + entries.length * entryBytes)
  let at = bytes.writeInt32BE(entries.length, headerBytes)
  for (const { producerId, epoch, batches } of entries) {
    const last = batches.at(-1)
    at = bytes.writeBigInt64BE(producerId, at)
    at = bytes.writeInt16BE(epoch, at)
    at = bytes.writeInt32BE(last?.lastSequence ?? -1, at)
    at = bytes.writeBigInt64BE(BigInt(last?.lastOffset ?? -1), at)
    at = bytes.writeInt32BE(last?.offsetDelta ?? 0, at)
    at = bytes.writeBigInt64BE(BigInt(last?.timestamp ?? -1), at)
    at = bytes.writeInt32BE(noCoordinatorEpoch, at)
    at = bytes.writeBigInt64BE(noTransaction, at)
  }
  return seal(bytes)
}

/** The entries of a snapshot; undefined when it is damaged or of an unknown version. */
export function decodeSnapshot(bytes: Uint8Array): ProducerEntry[] | undefined {
  const view = open(bytes)
  if (view === undefined) return undefined
  const count = view.readInt32BE(headerBytes)
  if (count < 0 || headerBytes + 4 + count * entryBytes !== view.length) return undefined
  return Array.from({ length: count }, (_, index) => {
    const at = headerBytes + 4 + index * entryBytes
    const lastSequence = view.readInt32BE(at + 10)
    const offsetDelta = view.readInt32BE(at + 22)
    const batch: AppendedBatch = {
      firstSequence: sequenceBefore(lastSequence, offsetDelta),
      lastSequence,
      lastOffset: Number(view.readBigInt64BE(at + 14)),
      offsetDelta,
      timestamp: Number(view.readBigInt64BE(at + 26)),
    }
    return {
      producerId: view.readBigInt64BE(at),
      epoch: view.readInt16BE(at + 8),
      batches: lastSequence < 0 ? [] : [batch],
    }
  })
}

/** The bytes of `kfk.producer-batches` for the snapshot at `snapshotOffset`. */
export function encodeBatches(
  entries: readonly ProducerEntry[],
  snapshotOffset: number,
): Uint8Array {
  const batchCount = entries.reduce((sum, entry) => sum + entry.batches.length, 0)
  const bytes = Buffer.alloc(headerBytes + 12 + entries.length * 11 + batchCount * batchBytes)
  let at = bytes.writeBigInt64BE(BigInt(snapshotOffset), headerBytes)
  at = bytes.writeInt32BE(entries.length, at)
  for (const { producerId, epoch, batches } of entries) {
    at = bytes.writeBigInt64BE(producerId, at)
    at = bytes.writeInt16BE(epoch, at)
    at = bytes.writeInt8(batches.length, at)
    for (const batch of batches) {
      at = bytes.writeInt32BE(batch.firstSequence, at)
      at = bytes.writeInt32BE(batch.lastSequence, at)
      at = bytes.writeBigInt64BE(BigInt(batch.lastOffset), at)
      at = bytes.writeInt32BE(batch.offsetDelta, at)
      at = bytes.writeBigInt64BE(BigInt(batch.timestamp), at)
    }
  }
  return seal(bytes)
}

/**
 * The entries for the snapshot at `snapshotOffset`; undefined when damaged, or when the file
 * belongs to another snapshot.
 */
export function decodeBatches(
  bytes: Uint8Array,
  snapshotOffset: number,
): ProducerEntry[] | undefined {
  const view = open(bytes)
  if (view === undefined || view.length < headerBytes + 12) return undefined
  if (Number(view.readBigInt64BE(headerBytes)) !== snapshotOffset) return undefined
  const count = view.readInt32BE(headerBytes + 8)
  const entries: ProducerEntry[] = []
  let at = headerBytes + 12
  try {
    for (let index = 0; index < count; index++) {
      const batches: AppendedBatch[] = []
      const entry = {
        producerId: view.readBigInt64BE(at),
        epoch: view.readInt16BE(at + 8),
        batches,
      }
      const batchCount = view.readInt8(at + 10)
      at += 11
      for (let batch = 0; batch < batchCount; batch++, at += batchBytes) {
        batches.push({
          firstSequence: view.readInt32BE(at),
          lastSequence: view.readInt32BE(at + 4),
          lastOffset: Number(view.readBigInt64BE(at + 8)),
          offsetDelta: view.readInt32BE(at + 16),
          timestamp: Number(view.readBigInt64BE(at + 20)),
        })
      }
      entries.push(entry)
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
  return entries
}

function seal(bytes: Buffer): Uint8Array {
  bytes.writeInt16BE(version, 0)
  bytes.writeUInt32BE(crc32c(bytes, headerBytes) >>> 0, 2)
  return bytes
}

/** The bytes when version and checksum are right. */
function open(bytes: Uint8Array): Buffer | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length < headerBytes + 4 || view.readInt16BE(0) !== version) return undefined
  return view.readUInt32BE(2) === crc32c(view, headerBytes) >>> 0 ? view : undefined
}

/** The first sequence of a batch, known its last; sequences wrap around after 2^31 - 1. */
function sequenceBefore(lastSequence: number, delta: number): number {
  const first = lastSequence - delta
  return first < 0 ? first + 0x80000000 : first
}
