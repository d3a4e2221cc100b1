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
  const view = newView(headerBytes + 4 + entries.length * entryBytes)
  view.setInt32(headerBytes, entries.length)
  let at = headerBytes + 4
  for (const entry of entries) {
    const last = entry.batches.at(-1)
    view.setBigInt64(at, entry.producerId)
    view.setInt16(at + 8, entry.epoch)
    view.setInt32(at + 10, last?.lastSequence ?? -1)
    setInt64(view, at + 14, last?.lastOffset ?? -1)
    view.setInt32(at + 22, last?.offsetDelta ?? 0)
    setInt64(view, at + 26, entry.lastTimestamp)
    view.setInt32(at + 34, entry.coordinatorEpoch)
    setInt64(view, at + 38, entry.transactionFirstOffset)
    at += entryBytes
  }
  const state = seal(view)
  const detail = encodeDetail(entries, crc32c(state))
  return detail === undefined ? { state } : { state, detail }
}

/** The entries of a snapshot; undefined when it is damaged or of an unknown version. */
export function decodeSnapshot(snapshot: TrackerSnapshot): ProducerEntry[] | undefined {
  const view = unseal(snapshot.state, headerBytes + 4)
  if (view === undefined) return undefined
  const count = view.getInt32(headerBytes)
  if (count < 0 || headerBytes + 4 + count * entryBytes !== view.byteLength) return undefined
  const detail = snapshot.detail && decodeDetail(snapshot.detail, crc32c(snapshot.state))
  const entries: ProducerEntry[] = []
  for (let index = 0; index < count; index++) {
    const at = headerBytes + 4 + index * entryBytes
    const lastSequence = view.getInt32(at + 10)
    const lastOffset = getInt64(view, at + 14)
    const offsetDelta = view.getInt32(at + 22)
    const timestamp = getInt64(view, at + 26)
    const firstSequence = sequenceBefore(lastSequence, offsetDelta)
    const last = { firstSequence, lastSequence, lastOffset, offsetDelta, timestamp }
    entries.push({
      producerId: view.getBigInt64(at),
      epoch: view.getInt16(at + 8),
      coordinatorEpoch: view.getInt32(at + 34),
      lastTimestamp: timestamp,
      transactionFirstOffset: getInt64(view, at + 38),
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
function encodeDetail(
  entries: readonly ProducerEntry[],
  snapshotCrc: number,
): Uint8Array | undefined {
  let count = 0
  let size = headerBytes + 8
  for (const entry of entries) {
    if (saysAll(entry)) continue
    count++
    size += 5 + entry.batches.length * batchBytes
  }
  if (count === 0) return undefined
  const view = newView(size)
  view.setUint32(headerBytes, snapshotCrc)
  view.setInt32(headerBytes + 4, count)
  let at = headerBytes + 8
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index]!
    if (saysAll(entry)) continue
    view.setInt32(at, index)
    view.setInt8(at + 4, entry.batches.length)
    at += 5
    for (const batch of entry.batches) {
      view.setInt32(at, batch.firstSequence)
      view.setInt32(at + 4, batch.lastSequence)
      setInt64(view, at + 8, batch.lastOffset)
      view.setInt32(at + 16, batch.offsetDelta)
      setInt64(view, at + 20, batch.timestamp)
      at += batchBytes
    }
  }
  return seal(view)
}

/** Batches by the producer's index; undefined when damaged, or of another snapshot. */
function decodeDetail(
  bytes: Uint8Array,
  snapshotCrc: number,
): Map<number, ProducerBatch[]> | undefined {
  const view = unseal(bytes, headerBytes + 8)
  if (view?.getUint32(headerBytes) !== snapshotCrc) return undefined
  const found = new Map<number, ProducerBatch[]>()
  let at = headerBytes + 8
  for (let left = view.getInt32(headerBytes + 4); left > 0; left--) {
    const batches: ProducerBatch[] = []
    found.set(view.getInt32(at), batches)
    let more = view.getInt8(at + 4)
    for (at += 5; more > 0; more--, at += batchBytes) {
      batches.push({
        firstSequence: view.getInt32(at),
        lastSequence: view.getInt32(at + 4),
        lastOffset: getInt64(view, at + 8),
        offsetDelta: view.getInt32(at + 16),
        timestamp: getInt64(view, at + 20),
      })
    }
  }
  return found
}

function newView(size: number): DataView {
  return new DataView(new ArrayBuffer(size))
}

function seal(view: DataView): Uint8Array {
  const bytes = new Uint8Array(view.buffer)
  view.setInt16(0, version)
  view.setUint32(2, crc32c(bytes, headerBytes))
  return bytes
}

/** The bytes when version and checksum are right. */
function unseal(bytes: Uint8Array, smallest: number): DataView | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < smallest || view.getInt16(0) !== version) return undefined
  return view.getUint32(2) === crc32c(bytes, headerBytes) ? view : undefined
}

/** The first sequence of a batch, known its last; sequences wrap around after 2^31 - 1. */
function sequenceBefore(lastSequence: number, delta: number): number {
  const first = lastSequence - delta
  return first < 0 ? first + 0x80000000 : first
}

/** Writes a safe integer as an int64; without the bigint it costs a fifth. */
function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 0x1_0000_0000))
  view.setInt32(at + 4, value | 0)
}

function getInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
}
