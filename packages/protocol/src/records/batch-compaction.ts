import { compressionCodecs, DEFAULT_MAX_DECOMPRESSED_BYTES } from '../compression-codecs.js'
import { readBatchHeader, wholeBatch, type BatchHeader } from './batch-header.js'
import { payloadOf, walkRecords } from './batch-reader.js'
import { writeBatchHeader } from './batch-stamps.js'
import { readInt16, readSafeInt64 } from './big-endian.js'
import {
  ATTRIBUTES_AT,
  BASE_TIMESTAMP_AT,
  COMPRESSION_MASK,
  DELETE_HORIZON_BIT,
  RECORDS_AT,
} from './layout.js'
import type { RecordCursor } from './record-cursor.js'
import { varlongSize, writeVarint, writeVarlong } from './varint.js'

/** A record as compaction sees it; the same object is used for the next one. */
export interface RecordView {
  readonly offset: number
  /** The key lies in these bytes, from `keyAt` on. */
  readonly source: Uint8Array
  readonly keyAt: number
  /** -1: no key. */
  readonly keyLength: number
  readonly tombstone: boolean
}

/** What is to stay of a batch. */
export interface RewriteRules {
  keep(record: RecordView): boolean
  /**
   * For tombstones that stay: the time from which they may go, unless the batch has one. Undefined:
   * none is given.
   */
  readonly deleteHorizonMs: number | undefined
  /** The batch gets a delete horizon without a tombstone, too. */
  readonly expires: boolean
  /** Without records the batch stays as a header, for its offsets and its producer. */
  readonly keepEmpty: boolean
}

/** What a rewrite changes of the batch's header. */
interface Rewritten {
  readonly recordCount: number
  readonly maxTimestamp: number
  /** Undefined: the base timestamp, or the horizon in its place, stays. */
  readonly deleteHorizonMs: number | undefined
}

type MutableView = { -readonly [field in keyof RecordView]: RecordView[field] }

function newView(source: Uint8Array): MutableView {
  return { offset: 0, source, keyAt: 0, keyLength: -1, tombstone: false }
}

function look(view: MutableView, cursor: RecordCursor, baseOffset: number): RecordView {
  view.offset = baseOffset + cursor.offsetDelta
  view.keyAt = cursor.keyAt
  view.keyLength = cursor.keyLength
  view.tombstone = cursor.valueLength < 0
  return view
}

/** Compaction of record batches v2, as Kafka's cleaner does it (KIP-534 for delete horizons). */
export const recordBatchCompaction = {
  /** Calls `visit` for each record of the batch at `position`. Throws as decodeRecords does. */
  visit(bytes: Uint8Array, position: number, visit: (record: RecordView) => void): void {
    const header = readBatchHeader(bytes, position)
    const batch = wholeBatch(bytes, position, header.sizeInBytes)
    const payload = payloadOf(batch, header, DEFAULT_MAX_DECOMPRESSED_BYTES)
    const view = newView(payload.bytes)
    walkRecords(payload, header, (cursor) => visit(look(view, cursor, header.baseOffset)))
  },

  /** From when on tombstones, or the marker, of the batch may go; undefined: not said yet. */
  deleteHorizonMs(bytes: Uint8Array, position: number): number | undefined {
    const attributes = readInt16(bytes, position + ATTRIBUTES_AT)
    if ((attributes & DELETE_HORIZON_BIT) === 0) return undefined
    return readSafeInt64(bytes, position + BASE_TIMESTAMP_AT, 'delete horizon')
  },

  /**
   * The batch at `position` with only the records that `rules` keep; undefined when it may stay as
   * it is, null when nothing is left. Offsets, timestamps, producer fields and compression stay.
   */
  rewrite(bytes: Uint8Array, position: number, rules: RewriteRules): Uint8Array | null | undefined {
    const header = readBatchHeader(bytes, position)
    if (header.recordCount === 0) return rules.keepEmpty ? undefined : null
    return new BatchRewrite(bytes, position, header).apply(rules)
  },
}

/** One batch: first all records are judged, then those that stay are written. */
class BatchRewrite {
  private readonly header: BatchHeader
  private readonly payload: ReturnType<typeof payloadOf>
  private readonly kept: Uint8Array

  constructor(bytes: Uint8Array, position: number, header: BatchHeader) {
    const batch = wholeBatch(bytes, position, header.sizeInBytes)
    this.header = header
    this.payload = payloadOf(batch, header, DEFAULT_MAX_DECOMPRESSED_BYTES)
    this.kept = new Uint8Array(header.recordCount)
  }

  apply(rules: RewriteRules): Uint8Array | null | undefined {
    const { header } = this
    const { recordCount, tombstones, maxTimestamp } = this.judge(rules)
    if (recordCount === 0) return rules.keepEmpty ? emptyBatch(header) : null
    const wanted = (tombstones || rules.expires) && !header.hasDeleteHorizon
    const deleteHorizonMs = wanted ? rules.deleteHorizonMs : undefined
    if (recordCount === header.recordCount && deleteHorizonMs === undefined) return undefined
    const records =
      deleteHorizonMs === undefined ? this.records() : this.recordsFrom(deleteHorizonMs)
    return batchOf(header, records, { recordCount, maxTimestamp, deleteHorizonMs })
  }

  private judge(rules: RewriteRules): {
    recordCount: number
    tombstones: boolean
    maxTimestamp: number
  } {
    const { header, kept, payload } = this
    const view = newView(payload.bytes)
    let recordCount = 0
    let tombstones = false
    let maxTimestamp = -1
    let index = 0
    walkRecords(payload, header, (cursor) => {
      const at = index++
      if (!rules.keep(look(view, cursor, header.baseOffset))) return
      kept[at] = 1
      recordCount++
      tombstones ||= cursor.valueLength < 0
      maxTimestamp = Math.max(maxTimestamp, this.timestampOf(cursor))
    })
    return { recordCount, tombstones, maxTimestamp }
  }

  private timestampOf(cursor: RecordCursor): number {
    const { timestampType, maxTimestamp, baseTimestamp } = this.header
    if (timestampType === 'LogAppendTime') return maxTimestamp
    return baseTimestamp + cursor.timestampDelta
  }

  /** The kept records, byte for byte. */
  private records(): Uint8Array {
    const { header, kept, payload } = this
    const records = new Uint8Array(payload.end - payload.start)
    let length = 0
    let index = 0
    walkRecords(payload, header, (cursor) => {
      if (kept[index++] === 0) return
      records.set(payload.bytes.subarray(cursor.recordAt, cursor.position), length)
      length += cursor.position - cursor.recordAt
    })
    return records.subarray(0, length)
  }

  /** The kept records with timestamps relative to another base. */
  private recordsFrom(baseTimestamp: number): Uint8Array {
    const { header, kept, payload } = this
    // A delta takes up to ten bytes, where it took one at the least; so may a length grow.
    const growth = (varlongSize(-Number.MAX_SAFE_INTEGER) + 1) * header.recordCount
    const records = new Uint8Array(payload.end - payload.start + growth)
    let at = 0
    let index = 0
    walkRecords(payload, header, (cursor) => {
      if (kept[index++] === 0) return
      const delta = this.timestampOf(cursor) - baseTimestamp
      const rest = payload.bytes.subarray(cursor.offsetDeltaAt, cursor.position)
      const length = 1 + varlongSize(delta) + rest.length
      at = writeVarint(records, at, length)
      records[at] = 0
      at = writeVarlong(records, at + 1, delta)
      records.set(rest, at)
      at += rest.length
    })
    return records.subarray(0, at)
  }
}

function batchOf(header: BatchHeader, records: Uint8Array, rewritten: Rewritten): Uint8Array {
  const payload = compressionCodecs.compress(header.compression, records)
  const batch = new Uint8Array(RECORDS_AT + payload.length)
  batch.set(payload, RECORDS_AT)
  const { recordCount, maxTimestamp, deleteHorizonMs } = rewritten
  const horizonBit = deleteHorizonMs === undefined ? 0 : DELETE_HORIZON_BIT
  writeBatchHeader(batch, {
    ...header,
    leaderEpoch: header.partitionLeaderEpoch,
    attributes: header.attributes | horizonBit,
    baseTimestamp: deleteHorizonMs ?? header.baseTimestamp,
    recordCount,
    maxTimestamp,
  })
  return batch
}

/** A header without records: the batch's offsets, largest timestamp and producer fields. */
function emptyBatch(header: BatchHeader): Uint8Array {
  const batch = new Uint8Array(RECORDS_AT)
  writeBatchHeader(batch, {
    ...header,
    leaderEpoch: header.partitionLeaderEpoch,
    attributes: header.attributes & ~(COMPRESSION_MASK | DELETE_HORIZON_BIT),
    baseTimestamp: -1,
    recordCount: 0,
  })
  return batch
}
