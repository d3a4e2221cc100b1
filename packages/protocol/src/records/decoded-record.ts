import type { BatchHeader } from './batch-header.js'
import type { RecordCursor } from './record-cursor.js'
import { VarintReader } from './varint.js'

/** A header of a record: keys are strings, may repeat, and keep their order. */
export interface RecordHeader {
  key: string
  value: Uint8Array | null
}

/** A record as read from a batch. The bytes are views: copy what must outlive the buffer. */
export interface DecodedRecord {
  readonly offset: number
  /** Milliseconds since 1970; the append time when the batch says LogAppendTime; -1 when unset. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

const noHeaders: readonly RecordHeader[] = Object.freeze([])

/** What all records of one batch share. */
export class RecordSource {
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly baseTimestamp: number
  /** The timestamp of every record when the broker set it (LogAppendTime). */
  readonly appendTime: number | undefined
  // Asking an array for these costs as much again as making a view.
  private readonly buffer: ArrayBufferLike
  private readonly byteOffset: number

  constructor(bytes: Uint8Array, header: BatchHeader) {
    this.bytes = bytes
    this.baseOffset = header.baseOffset
    this.baseTimestamp = header.baseTimestamp
    this.appendTime = header.timestampType === 'LogAppendTime' ? header.maxTimestamp : undefined
    this.buffer = bytes.buffer
    this.byteOffset = bytes.byteOffset
  }

  view(at: number, length: number): Uint8Array | null {
    if (length < 0) return null
    return new Uint8Array(this.buffer, this.byteOffset + at, length)
  }

  /** Milliseconds since 1970. */
  timestamp(delta: number): number {
    return this.appendTime ?? this.baseTimestamp + delta
  }

  /** The headers that begin, with their count, behind the value at `valueAt`. */
  headers(valueAt: number, valueLength: number): readonly RecordHeader[] {
    const { bytes } = this
    const at = valueLength > 0 ? valueAt + valueLength : valueAt
    return bytes[at] === 0
      ? noHeaders
      : readHeaders(this, new VarintReader(bytes, at, bytes.length))
  }
}

/** Where the parts of a record lie: what {@link RecordCursor} knows of it. */
export type RecordPlaces = Pick<
  RecordCursor,
  'offsetDelta' | 'timestampDelta' | 'keyAt' | 'keyLength' | 'valueAt' | 'valueLength'
>

/**
 * A record that holds positions only. The fields are small integers on purpose: an absolute offset
 * or timestamp would be a heap number of its own for each record. They are declared and not
 * defined, which would write each of them twice.
 */
export class LazyRecord implements DecodedRecord {
  declare private readonly source: RecordSource
  declare private readonly offsetDelta: number
  declare private readonly timestampDelta: number
  declare private readonly keyAt: number
  declare private readonly keyLength: number
  declare private readonly valueAt: number
  declare private readonly valueLength: number

  constructor(source: RecordSource, places: RecordPlaces) {
    this.source = source
    this.offsetDelta = places.offsetDelta
    this.timestampDelta = places.timestampDelta
    this.keyAt = places.keyAt
    this.keyLength = places.keyLength
    this.valueAt = places.valueAt
    this.valueLength = places.valueLength
  }

  get offset(): number {
    return this.source.baseOffset + this.offsetDelta
  }

  get timestamp(): number {
    return this.source.timestamp(this.timestampDelta)
  }

  get key(): Uint8Array | null {
    return this.source.view(this.keyAt, this.keyLength)
  }

  get value(): Uint8Array | null {
    return this.source.view(this.valueAt, this.valueLength)
  }

  get headers(): readonly RecordHeader[] {
    return this.source.headers(this.valueAt, this.valueLength)
  }

  /** The record as a plain object, for printing and comparing. */
  toJSON(): DecodedRecord {
    const { offset, timestamp, key, value, headers } = this
    return { offset, timestamp, key, value, headers }
  }
}

/** The cursor that stepped over the record has checked every length. */
function readHeaders(source: RecordSource, reader: VarintReader): RecordHeader[] {
  const headers: RecordHeader[] = []
  for (let left = reader.readVarint(); left > 0; left--) {
    const keyLength = reader.readVarint()
    const key = utf8(source.view(reader.position, keyLength))
    reader.position += keyLength
    const valueLength = reader.readVarint()
    headers.push({ key, value: source.view(reader.position, valueLength) })
    if (valueLength > 0) reader.position += valueLength
  }
  return headers
}

function utf8(bytes: Uint8Array | null): string {
  if (bytes === null) return ''
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
