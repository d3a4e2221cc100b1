import { compressionCodecs } from '../compression-codecs.js'
import { compressionNumber, type CompressionType } from '../compression.js'
import { ProtocolError } from '../errors.js'
import type { TimestampType } from './batch-header.js'
import { writeBatchHeader } from './batch-stamps.js'
import type { RecordHeader } from './decoded-record.js'
import { CONTROL_BIT, RECORDS_AT, TIMESTAMP_TYPE_BIT, TRANSACTIONAL_BIT } from './layout.js'
import { varintSize, writeVarint, writeVarlong } from './varint.js'

/** A record to be written. Strings are written as UTF-8. An absent key is null. */
export interface RecordInput {
  readonly key?: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly RecordHeader[]
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** What is the same for all records of a batch. */
export interface RecordBatchOptions {
  /** Default `'none'`. */
  readonly compression?: CompressionType
  /** The codec's own level; its default when absent. */
  readonly compressionLevel?: number
  /** Default `'CreateTime'`. */
  readonly timestampType?: TimestampType
  /** Default -1n: not idempotent. */
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
  /** Default 0: a broker stamps it when it appends. */
  readonly baseOffset?: number
  /** Default -1: a broker stamps it when it appends. */
  readonly leaderEpoch?: number
}

/** Options of {@link RecordBatchBuilder}. */
export interface RecordBatchBuilderOptions extends RecordBatchOptions {
  /** The largest batch, before compression and header included. A first record may exceed it. */
  readonly maxBytes: number
  /**
   * Memory to build in, such as a pooled slot; used as long as the batch fits. The builder (and, when not
   * compressed, the batch it returns) owns it until the batch is no longer needed.
   */
  readonly buffer?: Uint8Array
}

const INITIAL_BYTES = 4096

/** The record's length, its attributes, two varints, a varlong, and three more varints, at most. */
const RECORD_OVERHEAD_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5

/** Two lengths per header. */
const HEADER_OVERHEAD_MAX = 10

/** Above this a batch could not state its size in an int32 once compressed or wrapped. */
const MAX_BATCH_BYTES = 0x7fff_ffff - 1024

/**
 * Builds one record batch. Each record is written once, straight into the batch's buffer; the header
 * is filled in by `build()`.
 */
export class RecordBatchBuilder {
  private readonly options: RecordBatchBuilderOptions
  private buffer: Buffer
  private position = RECORDS_AT
  private count = 0
  private baseTimestamp = -1
  private maxTimestamp = -1
  private built = false

  constructor(options: RecordBatchBuilderOptions) {
    this.options = options
    this.buffer = initialBuffer(options)
  }

  /** Records appended so far. */
  get recordCount(): number {
    return this.count
  }

  /** The batch's size so far, header included, before compression. */
  get sizeInBytes(): number {
    return this.position
  }

  /**
   * Appends a record; false, with nothing changed, when the batch would exceed `maxBytes`. A first
   * record is always taken: whether it is too large is for the broker to say.
   *
   * @throws ProtocolError INVALID_ARGUMENT (after `build()`, or a timestamp that is not a safe
   *   integer), TOO_LARGE (a batch above 2 GiB)
   */
  tryAppend(record: RecordInput): boolean {
    const { timestamp } = record
    if (this.built) throw invalid('the batch is built')
    if (!Number.isSafeInteger(timestamp)) throw invalid(`impossible timestamp ${timestamp}`)
    const key = record.key ?? null
    const { value } = record
    const headers =
      record.headers === undefined || record.headers.length === 0 ? null : record.headers
    const least = lengthAtLeast(key) + lengthAtLeast(value)
    if (this.count > 0 && this.position + least > this.options.maxBytes) return false
    this.reserve(
      RECORD_OVERHEAD_MAX + lengthAtMost(key) + lengthAtMost(value) + headersAtMost(headers),
    )
    const base = this.count === 0 ? timestamp : this.baseTimestamp
    const start = this.position
    // The length goes before a body whose size is not known until strings are encoded. It is guessed
    // as if they were ASCII; when the guess has the wrong number of bytes the body is moved.
    const body = start + varintSize(least + 7)
    const end = this.writeBody({ key, value, headers }, timestamp - base, body)
    const next = this.writeLength(start, body, end)
    if (this.count > 0 && next > this.options.maxBytes) return false
    this.position = next
    this.count++
    this.baseTimestamp = base
    if (timestamp > this.maxTimestamp || this.count === 1) this.maxTimestamp = timestamp
    return true
  }

  /**
   * The finished batch, header, checksum and compression included. The builder takes no more records.
   * Uncompressed, the batch is a view on the builder's buffer.
   *
   * @throws ProtocolError INVALID_ARGUMENT when no record was appended or when built twice
   */
  build(): Uint8Array {
    if (this.built) throw invalid('the batch is built')
    if (this.count === 0) throw invalid('a batch without records')
    this.built = true
    const { options } = this
    const batch = this.finishedBytes()
    writeBatchHeader(batch, {
      baseOffset: options.baseOffset ?? 0,
      leaderEpoch: options.leaderEpoch ?? -1,
      attributes: attributesOf(options),
      lastOffsetDelta: this.count - 1,
      baseTimestamp: this.baseTimestamp,
      maxTimestamp: this.maxTimestamp,
      producerId: options.producerId ?? -1n,
      producerEpoch: options.producerEpoch ?? -1,
      baseSequence: options.baseSequence ?? -1,
      recordCount: this.count,
    })
    return batch
  }

  private finishedBytes(): Uint8Array {
    const { compression = 'none', compressionLevel } = this.options
    const { buffer, position } = this
    if (compression === 'none') return new Uint8Array(buffer.buffer, buffer.byteOffset, position)
    const records = new Uint8Array(
      buffer.buffer,
      buffer.byteOffset + RECORDS_AT,
      position - RECORDS_AT,
    )
    const compressed = compressionCodecs.compress(compression, records, compressionLevel)
    const batch = new Uint8Array(RECORDS_AT + compressed.length)
    batch.set(compressed, RECORDS_AT)
    return batch
  }

  private writeBody(
    record: {
      key: Uint8Array | string | null
      value: Uint8Array | string | null
      headers: readonly RecordHeader[] | null
    },
    timestampDelta: number,
    at: number,
  ): number {
    const { buffer } = this
    buffer[at++] = 0
    at = writeVarlong(buffer, at, timestampDelta)
    at = writeVarint(buffer, at, this.count)
    at = writeField(buffer, at, record.key)
    at = writeField(buffer, at, record.value)
    const { headers } = record
    if (headers === null) {
      buffer[at++] = 0
      return at
    }
    at = writeVarint(buffer, at, headers.length)
    for (const header of headers) {
      at = writeField(buffer, at, header.key)
      at = writeField(buffer, at, header.value)
    }
    return at
  }

  /** Writes the record's length before its body, moving the body when it needs another size. */
  private writeLength(start: number, body: number, end: number): number {
    const { buffer } = this
    const length = end - body
    const at = start + varintSize(length)
    if (at !== body) buffer.copyWithin(at, body, end)
    writeVarint(buffer, start, length)
    return at + length
  }

  private reserve(bytes: number): void {
    const needed = this.position + bytes
    if (needed <= this.buffer.length) return
    if (needed > MAX_BATCH_BYTES) {
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'a record batch above 2 GiB')
    }
    const grown = Buffer.allocUnsafeSlow(
      Math.max(needed, Math.min(this.buffer.length * 2, MAX_BATCH_BYTES)),
    )
    grown.set(this.buffer.subarray(0, this.position))
    this.buffer = grown
  }
}

function initialBuffer(options: RecordBatchBuilderOptions): Buffer {
  const { buffer, maxBytes } = options
  if (buffer !== undefined && buffer.length > RECORDS_AT) {
    return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length)
  }
  return Buffer.allocUnsafeSlow(Math.max(256, Math.min(maxBytes, INITIAL_BYTES)))
}

function attributesOf(options: RecordBatchOptions): number {
  return (
    compressionNumber(options.compression ?? 'none') |
    (options.timestampType === 'LogAppendTime' ? TIMESTAMP_TYPE_BIT : 0) |
    (options.transactional === true ? TRANSACTIONAL_BIT : 0) |
    (options.control === true ? CONTROL_BIT : 0)
  )
}

function lengthAtLeast(field: Uint8Array | string | null): number {
  return field === null ? 0 : field.length
}

/** A UTF-16 unit takes at most 3 bytes of UTF-8. */
function lengthAtMost(field: Uint8Array | string | null): number {
  if (field === null) return 0
  return typeof field === 'string' ? field.length * 3 : field.length
}

function headersAtMost(headers: readonly RecordHeader[] | null): number {
  if (headers === null) return 0
  let bytes = 0
  for (const header of headers) {
    bytes += HEADER_OVERHEAD_MAX + lengthAtMost(header.key) + lengthAtMost(header.value)
  }
  return bytes
}

/** Writes a length and its bytes; -1 for null. */
function writeField(buffer: Buffer, at: number, field: Uint8Array | string | null): number {
  if (field === null) {
    buffer[at] = 1
    return at + 1
  }
  const { length } = field
  if (typeof field !== 'string') {
    at = writeVarint(buffer, at, length)
    buffer.set(field, at)
    return at + length
  }
  return writeString(buffer, at, field)
}

/** One pass over the string: its length is guessed to be ASCII's, and corrected when it was not. */
function writeString(buffer: Buffer, at: number, text: string): number {
  const guess = at + varintSize(text.length)
  const length = buffer.write(text, guess, 'utf8')
  const content = at + varintSize(length)
  if (content !== guess) buffer.copyWithin(content, guess, guess + length)
  writeVarint(buffer, at, length)
  return content + length
}

function invalid(message: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', message)
}

/**
 * One batch of all `records`, of whatever size.
 *
 * @throws ProtocolError INVALID_ARGUMENT when there is no record, TOO_LARGE above 2 GiB
 */
export function encodeRecordBatch(
  records: Iterable<RecordInput>,
  options: RecordBatchOptions = {},
): Uint8Array {
  const builder = new RecordBatchBuilder({ ...options, maxBytes: MAX_BATCH_BYTES })
  for (const record of records) builder.tryAppend(record)
  return builder.build()
}
