import { crc32 } from './crc32.js'
import { StoreError } from './errors.js'
import type { EpochEntry } from './epoch-index.js'
import { type PackedSegments, packedRowBytes } from './packed-segments.js'
import type { AppendFacts } from './segment.js'

// File `kfk.logs`: what opening a cleanly closed log has to know, so that it need not look into the
// log's directory. The layout is in FORMAT.md; integers are big-endian.

/** Stands for `undefined` in an int64. */
const absent = -(2 ** 40)

/** One cleanly closed log. */
export interface ListedLog {
  readonly name: string
  /** When the log's directory was last changed, as the file system tells it. */
  readonly directoryMs: number
  /** When the active segment's file was. */
  readonly fileMs: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Bound of normal gaps in offsets; undefined: its file has to be asked. */
  readonly gapsBelow: number | undefined
  /** Offset of the newest snapshot of the tracker. */
  readonly newestSnapshot: number | undefined
  /** Base offsets of segments with a transaction index. */
  readonly indexed: readonly number[]
  readonly epochs: readonly EpochEntry[]
  readonly sealed: PackedSegments
  readonly active: AppendFacts
}

const magic = Buffer.from('kfk.logs', 'latin1')
const version = 2
const headerBytes = 16
const trailerBytes = 4
/** A larger file is not written: opening then lists directories, which takes longer. */
export const maxLogListBytes = 64 * 1024 ** 2

/** The file for these records. */
export function encodeLogList(records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(headerBytes)
  magic.copy(header)
  header.writeInt32BE(version, 8)
  header.writeInt32BE(records.length, 12)
  const parts = [header, ...records, Buffer.alloc(trailerBytes)]
  const bytes = Buffer.concat(parts)
  const end = bytes.length - trailerBytes
  bytes.writeUInt32BE(crc32(bytes, 0, end), end)
  return bytes
}

/** The records of a file by log name. Throws KFK_STORE_CORRUPT. */
export function splitLogList(bytes: Buffer, path: string): Map<string, Buffer> {
  const end = bytes.length - trailerBytes
  const sound =
    end >= headerBytes &&
    bytes.subarray(0, magic.length).equals(magic) &&
    bytes.readInt32BE(8) === version &&
    bytes.readUInt32BE(end) === crc32(bytes, 0, end)
  if (!sound) {
    throw new StoreError('KFK_STORE_CORRUPT', `${path} is not a list of logs`, {
      details: { path },
    })
  }
  const records = new Map<string, Buffer>()
  let at = headerBytes
  for (let left = bytes.readInt32BE(12); left > 0; left--) {
    const length = bytes.readInt32BE(at)
    const record = bytes.subarray(at, at + 4 + length)
    records.set(new RecordReader(record).text(), record)
    at += 4 + length
  }
  return records
}

export function encodeListedLog(log: ListedLog): Buffer {
  const { active, sealed, epochs, indexed } = log
  const fixed = 512 + Buffer.byteLength(log.name)
  const writer = new RecordWriter(
    fixed + sealed.bytes.length + 12 * epochs.length + 8 * indexed.length,
  )
  writer.text(log.name)
  writer.double(log.directoryMs)
  writer.double(log.fileMs)
  writer.int64(log.logStartOffset)
  writer.int64(log.logEndOffset)
  writer.int64(log.gapsBelow)
  writer.int64(log.newestSnapshot)
  writer.int32(indexed.length)
  for (const base of indexed) writer.int64(base)
  writer.int32(epochs.length)
  for (const { epoch, startOffset } of epochs) {
    writer.int32(epoch)
    writer.int64(startOffset)
  }
  encodeActive(writer, active)
  writer.double(sealed.sizeBytes)
  writer.int32(sealed.bytes.length / packedRowBytes)
  writer.raw(sealed.bytes)
  return writer.finish()
}

function encodeActive(writer: RecordWriter, active: AppendFacts): void {
  const { baseOffset, largest } = active
  const { offsets, times } = active.indexes
  writer.int64(baseOffset)
  writer.int32(active.sizeBytes)
  writer.int64(largest?.timestamp)
  writer.int32(largest === undefined ? 0 : largest.offset - baseOffset)
  writer.int64(active.firstTimestamp)
  writer.double(active.bytesSinceIndexEntry)
  writer.int32(offsets.count)
  writer.int32(offsets.lastRelativeOffset)
  writer.int32(offsets.lastPosition)
  writer.int32(times.count)
  writer.int64(times.lastTimestamp)
  writer.int32(times.lastRelativeOffset)
}

export function decodeListedLog(record: Buffer): ListedLog {
  const reader = new RecordReader(record)
  const name = reader.text()
  const directoryMs = reader.double()
  const fileMs = reader.double()
  const logStartOffset = reader.int64()
  const logEndOffset = reader.int64()
  const gapsBelow = reader.optional()
  const newestSnapshot = reader.optional()
  const indexed = Array.from({ length: reader.int32() }, () => reader.int64())
  const epochs = Array.from({ length: reader.int32() }, () => {
    return { epoch: reader.int32(), startOffset: reader.int64() }
  })
  const active = decodeActive(reader)
  const sealedBytes = reader.double()
  const rows = reader.bytes(reader.int32() * packedRowBytes)
  return {
    name,
    directoryMs,
    fileMs,
    logStartOffset,
    logEndOffset,
    gapsBelow,
    newestSnapshot,
    indexed,
    epochs,
    active,
    sealed: { sizeBytes: sealedBytes, bytes: rows },
  }
}

function decodeActive(reader: RecordReader): AppendFacts {
  const baseOffset = reader.int64()
  const sizeBytes = reader.int32()
  const timestamp = reader.optional()
  const relativeOffset = reader.int32()
  return {
    baseOffset,
    sizeBytes,
    largest:
      timestamp === undefined ? undefined : { timestamp, offset: baseOffset + relativeOffset },
    firstTimestamp: reader.optional(),
    bytesSinceIndexEntry: reader.double(),
    indexes: {
      offsets: {
        count: reader.int32(),
        lastRelativeOffset: reader.int32(),
        lastPosition: reader.int32(),
      },
      times: {
        count: reader.int32(),
        lastTimestamp: reader.int64(),
        lastRelativeOffset: reader.int32(),
      },
    },
  }
}

/** Fields back to back, behind the length of the whole. */
class RecordWriter {
  readonly #bytes: Buffer
  #at = 4

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  int32(value: number): void {
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
  }

  int64(value: number | undefined): void {
    const number = value ?? absent
    this.int32(Math.floor(number / 2 ** 32))
    this.#at = this.#bytes.writeUInt32BE(number - Math.floor(number / 2 ** 32) * 2 ** 32, this.#at)
  }

  double(value: number): void {
    this.#at = this.#bytes.writeDoubleBE(value, this.#at)
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  text(value: string): void {
    const length = this.#bytes.write(value, this.#at + 2, 'latin1')
    this.#at = this.#bytes.writeUInt16BE(length, this.#at) + length
  }

  finish(): Buffer {
    this.#bytes.writeInt32BE(this.#at - 4, 0)
    return this.#bytes.subarray(0, this.#at)
  }
}

class RecordReader {
  readonly #bytes: Buffer
  #at = 4

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int32(): number {
    const value = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  int64(): number {
    const high = this.int32()
    const low = this.#bytes.readUInt32BE(this.#at)
    this.#at += 4
    return high * 2 ** 32 + low
  }

  optional(): number | undefined {
    const value = this.int64()
    return value === absent ? undefined : value
  }

  double(): number {
    const value = this.#bytes.readDoubleBE(this.#at)
    this.#at += 8
    return value
  }

  bytes(count: number): Buffer {
    const start = this.#at
    this.#at = start + count
    return this.#bytes.subarray(start, this.#at)
  }

  text(): string {
    const length = this.#bytes.readUInt16BE(this.#at)
    const start = this.#at + 2
    this.#at = start + length
    return this.#bytes.toString('latin1', start, this.#at)
  }
}
