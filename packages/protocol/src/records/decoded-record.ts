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

  constructor(bytes: Uint8Array, header: BatchHeader) {
    this.bytes = bytes
    this.baseOffset = header.baseOffset
    this.baseTimestamp = header.baseTimestamp
    this.appendTime = header.timestampType === 'LogAppendTime' ? header.maxTimestamp : undefined
  }

  view(at: number, length: number): Uint8Array | null {
    if (length < 0) return null
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + at, length)
  }
}

/**
 * A record that holds positions only. The fields are small integers on purpose: an absolute offset
 * or timestamp would be a heap number of its own for each record.
 */
export class LazyRecord implements DecodedRecord {
  private readonly source: RecordSource
  private readonly offsetDelta: number
  private readonly timestampDelta: number
  private readonly keyAt: number
  private readonly keyLength: number
  private readonly valueAt: number
  private readonly valueLength: number
  private readonly headersAt: number
  private readonly headerCount: number

  constructor(source: RecordSource, cursor: RecordCursor) {
    this.source = source
    this.offsetDelta = cursor.offsetDelta
    this.timestampDelta = cursor.timestampDelta
    this.keyAt = cursor.keyAt
    this.keyLength = cursor.keyLength
    this.valueAt = cursor.valueAt
    this.valueLength = cursor.valueLength
    this.headersAt = cursor.headersAt
    this.headerCount = cursor.headerCount
  }

  get offset(): number {
    return this.source.baseOffset + this.offsetDelta
  }

  get timestamp(): number {
    return this.source.appendTime ?? this.source.baseTimestamp + this.timestampDelta
  }

  get key(): Uint8Array | null {
    return this.source.view(this.keyAt, this.keyLength)
  }

  get value(): Uint8Array | null {
    return this.source.view(this.valueAt, this.valueLength)
  }

  get headers(): readonly RecordHeader[] {
    return this.headerCount === 0 ? noHeaders : this.readHeaders()
  }

  /** The record as a plain object, for printing and comparing. */
  toJSON(): DecodedRecord {
    const { offset, timestamp, key, value, headers } = this
    return { offset, timestamp, key, value, headers }
  }

  private readHeaders(): RecordHeader[] {
    const { source } = this
    // The cursor that made this record has checked every length.
    const reader = new VarintReader(source.bytes, this.headersAt, source.bytes.length)
    const headers: RecordHeader[] = []
    for (let index = 0; index < this.headerCount; index++) {
      const keyLength = reader.readVarint()
      const key = utf8(source.view(reader.position, keyLength))
      reader.position += keyLength
      const valueLength = reader.readVarint()
      headers.push({ key, value: source.view(reader.position, valueLength) })
      if (valueLength > 0) reader.position += valueLength
    }
    return headers
  }
}

function utf8(bytes: Uint8Array | null): string {
  if (bytes === null) return ''
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
