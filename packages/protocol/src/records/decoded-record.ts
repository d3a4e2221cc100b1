import type { BatchHeader } from './batch-header.js'
import { behindVarint, VarintReader, varintAt } from './varint.js'

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
  readonly recordCount: number
  /** The timestamp of every record when the broker set it (LogAppendTime). */
  readonly appendTime: number | undefined
  // Asking an array for these costs as much again as making a view.
  private readonly buffer: ArrayBufferLike
  private readonly byteOffset: number

  constructor(bytes: Uint8Array, header: BatchHeader) {
    this.bytes = bytes
    this.baseOffset = header.baseOffset
    this.baseTimestamp = header.baseTimestamp
    this.recordCount = header.recordCount
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

/**
 * A record that holds positions only: its parts are made when they are asked for, and have been
 * checked before. The fields are small integers on purpose: an absolute offset or timestamp would
 * be a heap number of its own for each record. They are declared and not defined, which would write
 * each of them twice.
 */
export class PlacedRecord {
  declare protected readonly source: RecordSource
  declare protected recordStart: number
  declare protected offsetDelta: number
  declare valueStart: number
  /** -1: null. */
  declare valueLength: number

  /** The record of which `numbers`, from `at` on, tell: see `RecordPlaces`. */
  constructor(source: RecordSource, numbers: Int32Array, at: number) {
    this.source = source
    this.recordStart = numbers[at]!
    this.offsetDelta = numbers[at + 1]!
    this.valueStart = numbers[at + 2]!
    this.valueLength = numbers[at + 3]!
  }

  /** The offset as a number. */
  get position(): number {
    return this.source.baseOffset + this.offsetDelta
  }

  get timestampMs(): number {
    const { bytes } = this.source
    const reader = new VarintReader(bytes, this.timestampStart, bytes.length)
    return this.source.timestamp(reader.readVarlong())
  }

  get keyStart(): number {
    return behindVarint(this.source.bytes, this.keyLengthStart)
  }

  /** -1: null. */
  get keyLength(): number {
    return varintAt(this.source.bytes, this.keyLengthStart)
  }

  get key(): Uint8Array | null {
    return this.source.view(this.keyStart, this.keyLength)
  }

  get value(): Uint8Array | null {
    return this.source.view(this.valueStart, this.valueLength)
  }

  get headers(): readonly RecordHeader[] {
    return this.source.headers(this.valueStart, this.valueLength)
  }

  /** Behind the record's length and attributes. */
  private get timestampStart(): number {
    return behindVarint(this.source.bytes, this.recordStart) + 1
  }

  /** Behind timestamp and offset delta. */
  private get keyLengthStart(): number {
    const { bytes } = this.source
    return behindVarint(bytes, behindVarint(bytes, this.timestampStart))
  }
}

/** A record as `decodeRecords` gives it. */
export class LazyRecord extends PlacedRecord implements DecodedRecord {
  get offset(): number {
    return this.position
  }

  get timestamp(): number {
    return this.timestampMs
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
