import { ProtocolError } from '../errors.js'
import { MIN_HEADER_BYTES, MIN_RECORD_BYTES } from './layout.js'
import { VarintReader } from './varint.js'

/** Of two bytes with seven bits each. */
const MAX_PLAIN_ZIGZAG = 0x3fff
/** Up to where the key begins: four numbers of two bytes, and the attributes. */
const MAX_PLAIN_START_BYTES = 9

/**
 * Steps over the records of an uncompressed payload without allocating: after `next()` the fields
 * describe where the parts of the record lie in `bytes`. Every length is checked against the
 * record, and the record's against the payload, before it is used; whatever a cursor has stepped
 * over can be read again without checks.
 */
export class RecordCursor extends VarintReader {
  private readonly payloadEnd: number
  /** Where the record begins, its length included. */
  recordAt = 0
  /** Relative to the batch's base timestamp. */
  timestampDelta = 0
  /** Where the offset delta is: what comes before depends on the batch's base timestamp. */
  offsetDeltaAt = 0
  offsetDelta = 0
  keyAt = 0
  /** -1: null. */
  keyLength = 0
  valueAt = 0
  /** -1: null (a tombstone in a compacted topic). */
  valueLength = 0
  /** Where the header count's first header begins. */
  headersAt = 0
  headerCount = 0

  constructor(bytes: Uint8Array, start: number, end: number) {
    super(bytes, start, end)
    this.payloadEnd = end
  }

  /** True when the payload is used up. */
  get atEnd(): boolean {
    return this.position === this.payloadEnd
  }

  /** Steps over one record. MALFORMED when it does not lie wholly in the payload. */
  next(): void {
    if (!this.nextPlain()) this.nextOfAnyKind()
  }

  /**
   * Nearly every record: no headers, every number in one or two bytes. Positions stay in locals,
   * and one look at what is left stands for a look at each byte. False, with nothing moved, for any
   * other record, among them all that are malformed.
   */
  private nextPlain(): boolean {
    const { bytes, payloadEnd, position } = this
    let at = position
    if (payloadEnd - at < MAX_PLAIN_START_BYTES) return false
    let zigzag = bytes[at++]!
    if (zigzag > 0x7f) zigzag = (zigzag & 0x7f) | (bytes[at++]! << 7)
    const recordEnd = at + (zigzag >>> 1)
    // The numbers up to the key's length, the value's length and the header count are to fit.
    if (zigzag > MAX_PLAIN_ZIGZAG || (zigzag & 1) !== 0 || recordEnd > payloadEnd) return false
    let timestamp = bytes[++at]!
    at++
    if (timestamp > 0x7f) timestamp = (timestamp & 0x7f) | (bytes[at++]! << 7)
    const offsetDeltaAt = at
    let offset = bytes[at++]!
    if (offset > 0x7f) offset = (offset & 0x7f) | (bytes[at++]! << 7)
    let key = bytes[at++]!
    if (key > 0x7f) key = (key & 0x7f) | (bytes[at++]! << 7)
    const keyAt = at
    if (key !== 1) at += (key & 1) === 0 ? key >>> 1 : MAX_PLAIN_ZIGZAG
    if (recordEnd - at < 2) return false
    let value = bytes[at++]!
    if (value > 0x7f) value = (value & 0x7f) | (bytes[at++]! << 7)
    const valueAt = at
    if (value !== 1) at += (value & 1) === 0 ? value >>> 1 : MAX_PLAIN_ZIGZAG
    // One byte is left, and it is 0: no headers. A third byte of a number above shows as well.
    if (at !== recordEnd - 1 || bytes[at] !== 0) return false
    if ((timestamp | offset | key | value) > MAX_PLAIN_ZIGZAG) return false
    this.recordAt = position
    this.timestampDelta = (timestamp >>> 1) ^ -(timestamp & 1)
    this.offsetDeltaAt = offsetDeltaAt
    this.offsetDelta = (offset >>> 1) ^ -(offset & 1)
    this.keyAt = keyAt
    this.keyLength = key === 1 ? -1 : key >>> 1
    this.valueAt = valueAt
    this.valueLength = value === 1 ? -1 : value >>> 1
    this.headersAt = recordEnd
    this.headerCount = 0
    this.position = recordEnd
    return true
  }

  private nextOfAnyKind(): void {
    this.recordAt = this.position
    this.end = this.payloadEnd
    const length = this.readVarint()
    const recordEnd = this.position + length
    if (length < MIN_RECORD_BYTES - 1 || recordEnd > this.payloadEnd) {
      throw malformed(`impossible record length ${length}`)
    }
    this.end = recordEnd
    // Record attributes are unused and ignored, as Kafka ignores them.
    this.position++
    this.timestampDelta = this.readVarlong()
    this.offsetDeltaAt = this.position
    this.offsetDelta = this.readVarint()
    this.keyLength = this.readVarint()
    this.keyAt = this.position
    this.skipBytes(this.keyLength)
    this.valueLength = this.readVarint()
    this.valueAt = this.position
    this.skipBytes(this.valueLength)
    this.headerCount = this.readVarint()
    this.headersAt = this.position
    if (this.headerCount !== 0) this.skipHeaders()
    if (this.position !== recordEnd) throw malformed('a record is longer than its fields')
  }

  private skipBytes(length: number): void {
    if (length > 0) {
      if (length > this.end - this.position) throw malformed('a field is longer than its record')
      this.position += length
    } else if (length < -1) {
      throw malformed(`negative length ${length}`)
    }
  }

  private skipHeaders(): void {
    const count = this.headerCount
    if (count < 0 || count * MIN_HEADER_BYTES > this.end - this.position) {
      throw malformed(`impossible header count ${count}`)
    }
    for (let index = 0; index < count; index++) {
      const keyLength = this.readVarint()
      if (keyLength < 0) throw malformed('a record header without a key')
      this.skipBytes(keyLength)
      this.skipBytes(this.readVarint())
    }
  }
}

function malformed(message: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
}
