import { crc32c } from './crc32c.js'
import type { TrackerSnapshot } from './log-tracker.js'

// Kafka's producer snapshot, `<20-digit offset>.snapshot`: what the log below that offset says of
// its producers.
//
//     version int16 = 1 | crc-32c uint32 of all that follows | entries int32, then for each:
//     producer id int64 | epoch int16 | last sequence int32 | last offset int64
//     offset delta int32 | timestamp int64 | coordinator epoch int32
//     first offset of the open transaction int64
//
// It has room for the last batch of a producer only, and the timestamp of that gives way to a later
// marker's. All batches are in a file beside it, bound to its snapshot by the checksum of that:
//
//     version int16 = 1 | crc-32c uint32 of all that follows | crc-32c of the snapshot uint32
//     entries int32, then for each producer of which the snapshot does not say all:
//     index in the snapshot int32 | batches int8, then for each, oldest first:
//     first sequence int32 | last sequence int32 | last offset int64
//     offset delta int32 | timestamp int64

/** One appended batch, as far as idempotence goes. */
export interface ProducerBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastOffset: number
  /** Last offset minus first. */
  readonly offsetDelta: number
  /** Largest timestamp of the batch, in ms. */
  readonly timestamp: number
}

/** What a log says of one producer. */
export interface ProducerEntry {
  readonly producerId: bigint
  readonly epoch: number
  /** Of the transaction coordinator that wrote the last marker; -1: none was written. */
  readonly coordinatorEpoch: number
  /** Of the last batch or marker, in ms. */
  readonly lastTimestamp: number
  /** Where its open transaction begins; -1: none is open. */
  readonly transactionFirstOffset: number
  /** Of this epoch, oldest first, at most five. */
  readonly batches: readonly ProducerBatch[]
}

const version = 1
const headerBytes = 6
const entryBytes = 46
const batchBytes = 28
/** Batches of a producer that are remembered: clients keep at most five in flight (KIP-98). */
export const batchesKept = 5

/** The files of a snapshot. */
export function encodeSnapshot(entries: readonly ProducerEntry[]): TrackerSnapshot {
  const bytes = Buffer.allocUnsafe(headerBytes + 4 + entries.length * entryBytes)
  let at = bytes.writeInt32BE(entries.length, headerBytes)
  for (const entry of entries) {
    const last = entry.batches.at(-1)
    at = bytes.writeBigInt64BE(entry.producerId, at)
    at = bytes.writeInt16BE(entry.epoch, at)
    at = bytes.writeInt32BE(last?.lastSequence ?? -1, at)
    at = writeInt64(bytes, last?.lastOffset ?? -1, at)
    at = bytes.writeInt32BE(last?.offsetDelta ?? 0, at)
    at = writeInt64(bytes, entry.lastTimestamp, at)
    at = bytes.writeInt32BE(entry.coordinatorEpoch, at)
    at = writeInt64(bytes, entry.transactionFirstOffset, at)
  }
  const state = seal(bytes)
  const detail = encodeDetail(entries, crc32c(state))
  return detail === undefined ? { state } : { state, detail }
}

/** The entries of a snapshot; undefined when it is damaged or of an unknown version. */
export function decodeSnapshot(snapshot: TrackerSnapshot): ProducerEntry[] | undefined {
  const view = unseal(snapshot.state, headerBytes + 4)
  if (view === undefined) return undefined
  const count = view.readInt32BE(headerBytes)
  if (count < 0 || headerBytes + 4 + count * entryBytes !== view.length) return undefined
  const detail = snapshot.detail && decodeDetail(snapshot.detail, crc32c(view))
  const entries: ProducerEntry[] = []
  for (let index = 0; index < count; index++) {
    const at = headerBytes + 4 + index * entryBytes
    const lastSequence = view.readInt32BE(at + 10)
    const lastOffset = readInt64(view, at + 14)
    const offsetDelta = view.readInt32BE(at + 22)
    const timestamp = readInt64(view, at + 26)
    const firstSequence = sequenceBefore(lastSequence, offsetDelta)
    const last = { firstSequence, lastSequence, lastOffset, offsetDelta, timestamp }
    entries.push({
      producerId: view.readBigInt64BE(at),
      epoch: view.readInt16BE(at + 8),
      coordinatorEpoch: view.readInt32BE(at + 34),
      lastTimestamp: timestamp,
      transactionFirstOffset: readInt64(view, at + 38),
      batches: lastOffset < 0 ? [] : (detail?.get(index) ?? [last]),
    })
  }
  return entries
}

/** Whether a detail is sound, and that of this snapshot. */
export function isDetailOf(detail: Uint8Array, state: Uint8Array): boolean {
  return decodeDetail(detail, crc32c(state)) !== undefined
}

function saysAll({ batches, lastTimestamp }: ProducerEntry): boolean {
  return batches.length === 0 || (batches.length === 1 && batches[0]!.timestamp === lastTimestamp)
}

/** Undefined when the snapshot says all. */
function encodeDetail(entries: readonly ProducerEntry[], snapshotCrc: number): Buffer | undefined {
  let count = 0
  let size = headerBytes + 8
  for (const entry of entries) {
    if (saysAll(entry)) continue
    count++
    size += 5 + entry.batches.length * batchBytes
  }
  if (count === 0) return undefined
  const bytes = Buffer.allocUnsafe(size)
  let at = bytes.writeUInt32BE(snapshotCrc, headerBytes)
  at = bytes.writeInt32BE(count, at)
  for (const [index, entry] of entries.entries()) {
    if (saysAll(entry)) continue
    at = bytes.writeInt32BE(index, at)
    at = bytes.writeInt8(entry.batches.length, at)
    for (const batch of entry.batches) {
      at = bytes.writeInt32BE(batch.firstSequence, at)
      at = bytes.writeInt32BE(batch.lastSequence, at)
      at = writeInt64(bytes, batch.lastOffset, at)
      at = bytes.writeInt32BE(batch.offsetDelta, at)
      at = writeInt64(bytes, batch.timestamp, at)
    }
  }
  return seal(bytes)
}

/** Batches by the producer's index; undefined when damaged, or of another snapshot. */
function decodeDetail(
  bytes: Uint8Array,
  snapshotCrc: number,
): Map<number, ProducerBatch[]> | undefined {
  const view = unseal(bytes, headerBytes + 8)
  if (view?.readUInt32BE(headerBytes) !== snapshotCrc) return undefined
  const found = new Map<number, ProducerBatch[]>()
  let at = headerBytes + 8
  for (let left = view.readInt32BE(headerBytes + 4); left > 0; left--) {
    const batches: ProducerBatch[] = []
    found.set(view.readInt32BE(at), batches)
    let more = view.readInt8(at + 4)
    for (at += 5; more > 0; more--, at += batchBytes) {
      batches.push({
        firstSequence: view.readInt32BE(at),
        lastSequence: view.readInt32BE(at + 4),
        lastOffset: readInt64(view, at + 8),
        offsetDelta: view.readInt32BE(at + 16),
        timestamp: readInt64(view, at + 20),
      })
    }
  }
  return found
}

function seal(bytes: Buffer): Buffer {
  bytes.writeInt16BE(version, 0)
  bytes.writeUInt32BE(crc32c(bytes, headerBytes), 2)
  return bytes
}

/** The bytes when version and checksum are right. */
function unseal(bytes: Uint8Array, smallest: number): Buffer | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length < smallest || view.readInt16BE(0) !== version) return undefined
  return view.readUInt32BE(2) === crc32c(view, headerBytes) ? view : undefined
}

/** The first sequence of a batch, known its last; sequences wrap around after 2^31 - 1. */
function sequenceBefore(lastSequence: number, delta: number): number {
  const first = lastSequence - delta
  return first < 0 ? first + 0x80000000 : first
}

/** Writes a safe integer as an int64; without the bigint it costs a fifth. */
function writeInt64(bytes: Buffer, value: number, at: number): number {
  bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), at)
  return bytes.writeInt32BE(value | 0, at + 4)
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}
