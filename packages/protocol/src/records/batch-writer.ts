import { compressionCodecs } from '../compression-codecs.js'
import { compressionNumber, type CompressionType } from '../compression.js'
import { ProtocolError } from '../errors.js'
import type { TimestampType } from './batch-header.js'
import { writeBatchHeader } from './batch-stamps.js'
import type { RecordHeader } from './decoded-record.js'
import { CONTROL_BIT, RECORDS_AT, TIMESTAMP_TYPE_BIT, TRANSACTIONAL_BIT } from './layout.js'
import {
  lengthAtLeast,
  MIN_BODY_BYTES,
  recordBytes,
  recordBytesAtMost,
  RECORD_OVERHEAD_MAX,
  writeBytes,
  writeField,
  writeHeaders,
  type RecordDeltas,
  type RecordFields,
} from './record-writer.js'
import { plainView, uninitialized } from './plain-view.js'
import { varintSize, writeVarint, writeVarlong } from './varint.js'

/** A record to be written. Strings are written as UTF-8. An absent key is null. */
export interface RecordInput {
  readonly key?: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly RecordHeader[] | undefined
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** Who produces a batch, and the number of its first record (KIP-98). */
export interface ProducerState {
  /** Default -1n: not idempotent. */
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

/** What is the same for all records of a batch. */
export interface RecordBatchOptions extends ProducerState {
  /** Default `'none'`. */
  readonly compression?: CompressionType
  /** The codec's own level; its default when absent. */
  readonly compressionLevel?: number
  /** Default `'CreateTime'`. */
  readonly timestampType?: TimestampType
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
   * Memory to build in, such as a pooled slot; used as long as the batch fits. The builder (and,
   * when not compressed, the batch it returns) owns it until the batch is no longer needed.
   */
  readonly buffer?: Uint8Array
}

const INITIAL_BYTES = 4096

/** The largest number whose zigzag varint takes two bytes. */
const MAX_SHORT_VARINT = 0x1fff
/** A record with such a value and no key has a length that takes two bytes. */
const SHORT_VALUE = MAX_SHORT_VARINT - 16

/** Looked up once: V8 does not always fold the look-up on the array, which costs 8 ns a record. */
const setBytes = Uint8Array.prototype.set

/** Above this a batch could not state its size in an int32 once compressed or wrapped. */
const MAX_BATCH_BYTES = 0x7fff_ffff - 1024

/**
 * Builds one record batch. Each record is written once, straight into the batch's buffer; the
 * header is filled in by `build()`.
 */
export class RecordBatchBuilder {
  private readonly options: RecordBatchBuilderOptions
  private buffer: Buffer
  /** The same memory: what is written byte by byte is written faster to a plain array. */
  private bytes: Uint8Array
  /** Up to here nothing is in the way of a record. */
  private roomyEnd: number
  private position = RECORDS_AT
  private count = 0
  private baseTimestamp = -1
  private maxTimestamp = -1
  /** How far the last timestamp is from the first; -1 when that is no short varint. */
  private lastDelta = -1
  /** Takes no more records. */
  private sealed = false
  private built = false
  /** The records, if they were compressed ahead of `build`. */
  private compressed: Uint8Array | undefined

  constructor(options: RecordBatchBuilderOptions) {
    this.options = options
    this.buffer = initialBuffer(options)
    this.bytes = plainView(this.buffer)
    this.roomyEnd = Math.min(this.buffer.length, options.maxBytes)
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
    if (this.sealed) throw invalid('the batch is built')
    // The timestamp is read where it is needed: as an argument each would be an object.
    const { timestamp, value, headers } = record
    if (!Number.isSafeInteger(timestamp)) throw invalid(`impossible timestamp ${timestamp}`)
    const key = record.key ?? null
    const delta = this.count === 0 ? 0 : timestamp - this.baseTimestamp
    const smallDelta = delta | 0
    const next =
      smallDelta !== delta ||
      (headers !== undefined && headers.length > 0) ||
      typeof key === 'string' ||
      typeof value === 'string'
        ? -1
        : this.writeBytesOnly(smallDelta, key, value)
    if (next < 0) return this.tryAppendAny(record)
    this.appended(next, record)
    return true
  }

  /** Any record, and any that might not fit. */
  private tryAppendAny(record: RecordInput): boolean {
    const { timestamp, key = null, value, headers } = record
    const { count } = this
    const delta = count === 0 ? 0 : timestamp - this.baseTimestamp
    const least = lengthAtLeast(key) + lengthAtLeast(value)
    if (count > 0 && this.position + least > this.options.maxBytes) return false
    if (!Number.isSafeInteger(delta)) throw invalid('timestamps too far apart')
    const fields = { key, value, headers }
    if (this.position + recordBytesAtMost(fields) > this.buffer.length) {
      const deltas = { timestampDelta: delta, offsetDelta: count }
      if (!this.makeRoom(fields, deltas)) return false
    }
    const next = this.write(delta, fields)
    if (count > 0 && next > this.options.maxBytes) return false
    this.appended(next, record)
    return true
  }

  /**
   * Appends a record of the same timestamp as the one before, which is only a short value: no key,
   * no headers. False, with nothing changed, when that cannot be done at once, or would make the
   * batch full: `tryAppend` then says what becomes of it. One function without calls, because it is
   * passed by millions of records a second.
   */
  tryAppendValue(value: Uint8Array): boolean {
    const { bytes, position, count, lastDelta } = this
    const { length: valueLength } = value
    // Up to here a varint takes two bytes.
    if (valueLength > SHORT_VALUE || count > MAX_SHORT_VARINT || this.sealed) return false
    // Attributes, the length of no key, and the number of headers are a byte each.
    let length = 3 + valueLength
    length += (lastDelta < 64 ? 1 : 2) + (count < 64 ? 1 : 2) + (valueLength < 64 ? 1 : 2)
    const next = position + (length < 64 ? 1 : 2) + length
    if (next >= this.roomyEnd || lastDelta < 0) return false
    let at = position
    if (length < 64) bytes[at++] = length << 1
    else {
      bytes[at++] = (length << 1) | 0x80
      bytes[at++] = length >>> 6
    }
    bytes[at++] = 0
    if (lastDelta < 64) bytes[at++] = lastDelta << 1
    else {
      bytes[at++] = (lastDelta << 1) | 0x80
      bytes[at++] = lastDelta >>> 6
    }
    if (count < 64) bytes[at++] = count << 1
    else {
      bytes[at++] = (count << 1) | 0x80
      bytes[at++] = count >>> 6
    }
    bytes[at++] = 1
    if (valueLength < 64) bytes[at++] = valueLength << 1
    else {
      bytes[at++] = (valueLength << 1) | 0x80
      bytes[at++] = valueLength >>> 6
    }
    setBytes.call(bytes, value, at)
    bytes[next - 1] = 0
    this.position = next
    this.count = count + 1
    return true
  }

  /** {@link tryAppendValue} for text. */
  tryAppendText(text: string): boolean {
    const { lastDelta } = this
    const most = RECORD_OVERHEAD_MAX + text.length * 3
    if (lastDelta < 0 || this.sealed || this.position + most >= this.roomyEnd) return false
    this.position = this.write(lastDelta, { key: null, value: text, headers: undefined })
    this.count += 1
    return true
  }

  private appended(position: number, record: RecordInput): void {
    const { count } = this
    this.position = position
    this.count = count + 1
    if (count === 0) this.baseTimestamp = record.timestamp
    const delta = record.timestamp - this.baseTimestamp
    this.lastDelta = delta >= 0 && delta <= MAX_SHORT_VARINT ? delta : -1
    if (count === 0 || record.timestamp > this.maxTimestamp) this.maxTimestamp = record.timestamp
  }

  /** Whether `compressApart` would be worth it: there is much to compress, and a thread for it. */
  get paysApart(): boolean {
    const { compression = 'none' } = this.options
    if (this.sealed || compression === 'none') return false
    const { minBytes } = compressionCodecs.apart(compression) ?? { minBytes: Infinity }
    return this.position - RECORDS_AT >= minBytes
  }

  /**
   * Compresses in another thread what `build` would otherwise compress. The builder takes no more
   * records, and its buffer must not change before the promise resolves. It never rejects: what is
   * wrong, `build` says.
   */
  async compressApart(): Promise<void> {
    const { compression = 'none', compressionLevel } = this.options
    const apart = compressionCodecs.apart(compression)
    if (apart === undefined || this.sealed) return
    this.sealed = true
    try {
      this.compressed = await apart.compress(this.records(), compressionLevel)
    } catch {
      // It is compressed by `build`, then, which fails if that is what is wrong.
    }
  }

  /**
   * The finished batch, header, checksum and compression included. The builder takes no more
   * records. Uncompressed, the batch is a view on the builder's buffer. `producer` replaces what
   * the options say of it: the sequence of a batch is known when it is sent. `memory` is where a
   * compressed batch is put, if it fits: the batch is then a view on it.
   *
   * @throws ProtocolError INVALID_ARGUMENT when no record was appended or when built twice
   */
  build(producer: ProducerState = this.options, memory?: Uint8Array): Uint8Array {
    if (this.built) throw invalid('the batch is built')
    if (this.count === 0) throw invalid('a batch without records')
    this.built = true
    this.sealed = true
    const { options } = this
    const batch = this.finishedBytes(memory)
    writeBatchHeader(batch, {
      baseOffset: options.baseOffset ?? 0,
      leaderEpoch: options.leaderEpoch ?? -1,
      attributes: attributesOf(options),
      lastOffsetDelta: this.count - 1,
      baseTimestamp: this.baseTimestamp,
      maxTimestamp: this.maxTimestamp,
      producerId: producer.producerId ?? -1n,
      producerEpoch: producer.producerEpoch ?? -1,
      baseSequence: producer.baseSequence ?? -1,
      recordCount: this.count,
    })
    return batch
  }

  private finishedBytes(memory: Uint8Array | undefined): Uint8Array {
    const { compression = 'none', compressionLevel } = this.options
    const { buffer, position } = this
    if (compression === 'none') return new Uint8Array(buffer.buffer, buffer.byteOffset, position)
    const compressed =
      this.compressed ??
      compressionCodecs.compressBriefly(compression, this.records(), compressionLevel)
    this.compressed = undefined
    const batch = memoryFor(RECORDS_AT + compressed.length, memory)
    batch.set(compressed, RECORDS_AT)
    return batch
  }

  private records(): Uint8Array {
    const { buffer, position } = this
    return new Uint8Array(buffer.buffer, buffer.byteOffset + RECORDS_AT, position - RECORDS_AT)
  }

  /**
   * Writes a record whose size is known without encoding anything; the position after it, or -1,
   * with nothing changed, when it might not fit. `timestampDelta` is an int32.
   */
  private writeBytesOnly(
    timestampDelta: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
  ): number {
    const { buffer, position, count } = this
    const keyLength = key === null ? -1 : key.length
    const valueLength = value === null ? -1 : value.length
    // Attributes and the header count are a byte each.
    let length = 2 + varintSize(timestampDelta) + varintSize(count)
    length += varintSize(keyLength) + varintSize(valueLength)
    if (keyLength > 0) length += keyLength
    if (valueLength > 0) length += valueLength
    const next = position + varintSize(length) + length
    if (next > this.roomyEnd) return -1
    let at = writeVarint(buffer, position, length)
    buffer[at] = 0
    at = writeVarint(buffer, at + 1, timestampDelta)
    at = writeVarint(buffer, at, count)
    at = writeBytes(buffer, at, key)
    at = writeBytes(buffer, at, value)
    buffer[at] = 0
    return next
  }

  /** Writes the next record, for which there is room; returns the position after it. */
  private write(timestampDelta: number, { key, value, headers }: RecordFields): number {
    const { buffer, position: start, count } = this
    // The length goes before a body whose size is not known until strings are encoded. It is
    // guessed as if they were ASCII (never too large); when it needs more bytes the body is moved.
    const guess = lengthAtLeast(key) + lengthAtLeast(value) + MIN_BODY_BYTES
    const body = start + varintSize(guess)
    buffer[body] = 0
    let end = writeVarlong(buffer, body + 1, timestampDelta)
    end = writeVarint(buffer, end, count)
    end = writeField(buffer, end, key)
    end = writeField(buffer, end, value)
    end = writeHeaders(buffer, end, headers)
    const length = end - body
    const at = start + varintSize(length)
    if (at !== body) buffer.copyWithin(at, body, end)
    writeVarint(buffer, start, length)
    return at + length
  }

  /**
   * Exact, near the end of the buffer: false when the record exceeds `maxBytes`, else the buffer
   * grows if it must. So a buffer of `maxBytes` never grows for a record that fits or is refused.
   */
  private makeRoom(fields: RecordFields, deltas: RecordDeltas): boolean {
    const needed = this.position + recordBytes(fields, deltas)
    if (this.count > 0 && needed > this.options.maxBytes) return false
    if (needed <= this.buffer.length) return true
    if (needed > MAX_BATCH_BYTES) {
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'a record batch above 2 GiB')
    }
    const doubled = Math.min(this.buffer.length * 2, this.options.maxBytes)
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, doubled))
    grown.set(this.buffer.subarray(0, this.position))
    this.buffer = grown
    this.bytes = plainView(grown)
    this.roomyEnd = Math.min(grown.length, this.options.maxBytes)
    return true
  }
}

function initialBuffer(options: RecordBatchBuilderOptions): Buffer {
  const { buffer, maxBytes } = options
  if (buffer !== undefined && buffer.length > RECORDS_AT) {
    return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length)
  }
  return Buffer.allocUnsafeSlow(Math.max(256, Math.min(maxBytes, INITIAL_BYTES)))
}

/** `memory`, as much of it as is needed, or memory of its own if that is too little. */
function memoryFor(length: number, memory: Uint8Array | undefined): Uint8Array {
  if (memory === undefined || memory.length < length) return uninitialized(length)
  return new Uint8Array(memory.buffer, memory.byteOffset, length)
}

function attributesOf(options: RecordBatchOptions): number {
  return (
    compressionNumber(options.compression ?? 'none') |
    (options.timestampType === 'LogAppendTime' ? TIMESTAMP_TYPE_BIT : 0) |
    (options.transactional === true ? TRANSACTIONAL_BIT : 0) |
    (options.control === true ? CONTROL_BIT : 0)
  )
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
