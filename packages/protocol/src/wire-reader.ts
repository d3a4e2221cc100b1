import { ProtocolError } from './errors.js'
import { ZERO_UUID } from './schema.js'

const TWO_32 = 4294967296
/** Kafka's limit for a string in bytes, also where the length is a varint. */
const MAX_STRING_BYTES = 0x7fff

/** Names of topics, clients and groups come again and again, and are rarely longer. */
const REPEATED_BYTES = 32
/** The last text of each hash; a power of two of them. */
const repeated: string[] = Array.from({ length: 256 }, () => '')

/**
 * The text of so few bytes, which is mostly one that was read before: to compare it takes a third
 * of making a string, which as the key of a map would be hashed besides.
 */
function repeatedText(bytes: Buffer, position: number, length: number): string {
  const end = position + length
  let hash = length
  for (let at = position; at < end; at += 1) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
  const slot = (hash ^ (hash >>> 8)) & 0xff
  const known = repeated[slot]!
  if (known.length === length) {
    let at = 0
    while (at < length && known.charCodeAt(at) === bytes[position + at]) at += 1
    if (at === length) return known
  }
  const text = bytes.toString('utf8', position, end)
  // With a character for each byte it is ASCII, but for U+FFFD, which equals no byte.
  if (text.length === length) repeated[slot] = text
  return text
}

/** A `Buffer` over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Reads the primitives of the wire. Every length and count is checked against the bytes left before
 * anything is allocated, and all counts of a message together against a budget (a list of two-byte
 * elements is small on the wire and large in memory: CVE-2026-111108).
 *
 * Fixed-size primitives are read in two steps, `take` for the bounds of a whole run of fields and
 * `...At` for each, so that a run costs one check.
 */
export class WireReader {
  readonly bytes: Buffer
  position: number
  end: number
  #elementsLeft: number

  constructor(bytes: Uint8Array, position: number, maxElements: number) {
    this.bytes = asBuffer(bytes)
    this.position = position
    this.end = bytes.length
    this.#elementsLeft = maxElements
  }

  /** Steps over `length` bytes and returns where they begin. */
  take(length: number): number {
    const position = this.position
    if (length > this.end - position) throw this.#truncated(length)
    this.position = position + length
    return position
  }

  int8At(position: number): number {
    return (this.bytes[position]! << 24) >> 24
  }

  boolAt(position: number): boolean {
    return this.bytes[position] !== 0
  }

  int16At(position: number): number {
    const bytes = this.bytes
    return (((bytes[position]! << 8) | bytes[position + 1]!) << 16) >> 16
  }

  uint16At(position: number): number {
    return (this.bytes[position]! << 8) | this.bytes[position + 1]!
  }

  int32At(position: number): number {
    const bytes = this.bytes
    return (
      (bytes[position]! << 24) |
      (bytes[position + 1]! << 16) |
      (bytes[position + 2]! << 8) |
      bytes[position + 3]!
    )
  }

  // Two 32-bit halves make a double three times as fast as a BigInt does.
  offsetAt(position: number): number {
    return this.int32At(position) * TWO_32 + (this.int32At(position + 4) >>> 0)
  }

  timestampAt(position: number): number {
    return this.offsetAt(position)
  }

  int64At(position: number): bigint {
    return this.bytes.readBigInt64BE(position)
  }

  float64At(position: number): number {
    return this.bytes.readDoubleBE(position)
  }

  uuidAt(position: number): string {
    const bytes = this.bytes
    for (let at = position; at < position + 16; at += 1) {
      if (bytes[at] !== 0) return bytes.toString('base64url', position, position + 16)
    }
    return ZERO_UUID
  }

  /** Unsigned varint of at most 5 bytes and 32 bits. */
  varint(): number {
    const bytes = this.bytes
    let position = this.position
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (position >= this.end) throw this.#truncated(1)
      const byte = bytes[position]!
      position += 1
      if (shift === 28 && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = position
        return value >>> 0
      }
    }
    throw this.#malformed('a varint has more than 32 bits')
  }

  string(): string {
    return this.#text(this.int16At(this.take(2)))
  }

  nullableString(): string | null {
    const length = this.int16At(this.take(2))
    return length === -1 ? null : this.#text(length)
  }

  compactString(): string {
    return this.#text(this.varint() - 1)
  }

  compactNullableString(): string | null {
    const length = this.varint() - 1
    return length === -1 ? null : this.#text(length)
  }

  byteArray(): Uint8Array {
    return this.#view(this.int32At(this.take(4)))
  }

  nullableByteArray(): Uint8Array | null {
    const length = this.int32At(this.take(4))
    return length === -1 ? null : this.#view(length)
  }

  compactByteArray(): Uint8Array {
    return this.#view(this.varint() - 1)
  }

  compactNullableByteArray(): Uint8Array | null {
    const length = this.varint() - 1
    return length === -1 ? null : this.#view(length)
  }

  /** A count of elements of at least `minimumBytes` each. */
  count(minimumBytes: number): number {
    return this.#bounded(this.int32At(this.take(4)), minimumBytes)
  }

  /** The same, or -1 for `null`. */
  nullableCount(minimumBytes: number): number {
    const count = this.int32At(this.take(4))
    return count === -1 ? -1 : this.#bounded(count, minimumBytes)
  }

  compactCount(minimumBytes: number): number {
    return this.#bounded(this.varint() - 1, minimumBytes)
  }

  compactNullableCount(minimumBytes: number): number {
    const count = this.varint() - 1
    return count === -1 ? -1 : this.#bounded(count, minimumBytes)
  }

  /** The byte before a nullable struct (KIP-893). */
  structIsPresent(): boolean {
    const mark = this.int8At(this.take(1))
    if (mark !== 1 && mark !== -1) throw this.#malformed(`a nullable struct begins with ${mark}`)
    return mark === 1
  }

  /** How many tagged fields follow. */
  tagCount(): number {
    const position = this.position
    if (position < this.end && this.bytes[position] === 0) {
      this.position = position + 1
      return 0
    }
    return this.#bounded(this.varint(), 2)
  }

  /** The next tag. Tags ascend (KIP-482), so a repeated one is refused too. */
  tagAfter(previous: number): number {
    const tag = this.varint()
    if (tag <= previous) throw this.#malformed(`tag ${tag} follows tag ${previous}`)
    return tag
  }

  /** Confines reading to the tagged field that begins here; `leaveTag` takes the returned bound. */
  enterTag(): number {
    const size = this.varint()
    const outer = this.end
    if (size > outer - this.position) throw this.#truncated(size)
    this.end = this.position + size
    return outer
  }

  leaveTag(outer: number): void {
    if (this.position !== this.end) {
      throw this.#malformed(`a tagged field has ${this.end - this.position} bytes too many`)
    }
    this.end = outer
  }

  /** Steps over the rest of an unknown tagged field. */
  skipTag(): void {
    this.position = this.end
  }

  /** Steps over all tagged fields of a struct that knows none. */
  skipTags(): void {
    let previous = -1
    for (let left = this.tagCount(); left > 0; left -= 1) {
      previous = this.tagAfter(previous)
      const outer = this.enterTag()
      this.skipTag()
      this.leaveTag(outer)
    }
  }

  #text(length: number): string {
    if (length < 0 || length > MAX_STRING_BYTES) {
      throw this.#malformed(`a string has an impossible length of ${length}`)
    }
    const position = this.take(length)
    if (length <= REPEATED_BYTES) return repeatedText(this.bytes, position, length)
    return this.bytes.toString('utf8', position, position + length)
  }

  #view(length: number): Uint8Array {
    if (length < 0) throw this.#malformed(`bytes have an impossible length of ${length}`)
    const position = this.take(length)
    return this.bytes.subarray(position, position + length)
  }

  #bounded(count: number, minimumBytes: number): number {
    if (count < 0) throw this.#malformed(`an impossible count of ${count}`)
    if (count * minimumBytes > this.end - this.position) {
      throw this.#truncated(count * minimumBytes)
    }
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) {
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'the message has too many elements', {
        details: { position: this.position, count },
      })
    }
    return count
  }

  #truncated(needed: number): ProtocolError {
    const left = this.end - this.position
    return this.#malformed(`${needed} bytes are needed where ${left} are left`)
  }

  #malformed(message: string): ProtocolError {
    const details = { position: this.position, bytes: this.bytes.length }
    return new ProtocolError('KFK_PROTOCOL_MALFORMED', message, { details })
  }
}
