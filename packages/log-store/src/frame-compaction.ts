import type { CompactionFormat, RecordView, RewriteRules } from './batch-format.js'
import { readInt32, readInt64, writeInt32, writeInt64 } from './big-endian.js'
import { crc32 } from './crc32.js'
import { readBatchFrameRecord, rewriteBatchFrame } from './frame-batch.js'
import {
  attributesAt,
  batchFrameMagic,
  bodyOf,
  coveredAt,
  crcAt,
  epochAt,
  headerBytes,
  horizonBit,
  horizonBytes,
  keyLengthAt,
  lengthAt,
  magicAt,
  noValueBit,
} from './frame-layout.js'

/** The one record that is looked at; compaction looks at one at a time. */
const view: { -readonly [field in keyof RecordView]: RecordView[field] } = {
  offset: 0,
  source: new Uint8Array(0),
  keyAt: 0,
  keyLength: -1,
  tombstone: false,
}

function sizeOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + lengthAt) + epochAt
}

function viewSingle(bytes: Uint8Array, position: number): RecordView {
  view.offset = readInt64(bytes, position)
  view.source = bytes
  view.keyAt = bodyOf(bytes, position)
  view.keyLength = readInt32(bytes, position + keyLengthAt)
  view.tombstone = (bytes[position + attributesAt]! & noValueBit) !== 0
  return view
}

function deleteHorizonMs(bytes: Uint8Array, position: number): number | undefined {
  if ((bytes[position + attributesAt]! & horizonBit) === 0) return undefined
  return readInt64(bytes, position + headerBytes)
}

/** The frame of one tombstone, with the time from which it may go. */
function withHorizon(bytes: Uint8Array, position: number, horizonMs: number): Uint8Array {
  const size = sizeOf(bytes, position)
  const frame = Buffer.allocUnsafe(size + horizonBytes)
  frame.set(bytes.subarray(position, position + headerBytes))
  writeInt64(frame, headerBytes, horizonMs)
  frame.set(bytes.subarray(position + headerBytes, position + size), headerBytes + horizonBytes)
  writeInt32(frame, lengthAt, frame.length - epochAt)
  frame[attributesAt] = bytes[position + attributesAt]! | horizonBit
  writeInt32(frame, crcAt, crc32(frame, coveredAt, frame.length) | 0)
  return frame
}

/** Compaction of frames. There are no empty frames, nor producers. */
export const frameCompaction: CompactionFormat = {
  visit(bytes, position, visit) {
    if (bytes[position + magicAt] !== batchFrameMagic) {
      visit(viewSingle(bytes, position))
      return
    }
    const end = position + sizeOf(bytes, position)
    for (let at = bodyOf(bytes, position); at < end;) {
      at = readBatchFrameRecord(bytes, position, { at, into: view })
      visit(view)
    }
  },
  deleteHorizonMs,
  rewrite(bytes, position, rules: RewriteRules) {
    const horizonMs = deleteHorizonMs(bytes, position)
    if (bytes[position + magicAt] === batchFrameMagic) {
      const frame = bytes.subarray(position, position + sizeOf(bytes, position))
      return rewriteBatchFrame(frame, {
        keep: (at) => {
          const next = readBatchFrameRecord(frame, 0, { at, into: view })
          return { next, kept: rules.keep(view), tombstone: view.tombstone }
        },
        deleteHorizonMs: horizonMs === undefined ? rules.deleteHorizonMs : undefined,
      })
    }
    const record = viewSingle(bytes, position)
    if (!rules.keep(record)) return null
    if (!record.tombstone || horizonMs !== undefined) return undefined
    if (rules.deleteHorizonMs === undefined) return undefined
    return withHorizon(bytes, position, rules.deleteHorizonMs)
  },
}
