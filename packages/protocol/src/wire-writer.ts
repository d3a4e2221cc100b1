import { ProtocolError } from './errors.js'
import { ZERO_UUID } from './schema.js'

const TWO_32 = 4294967296
const TWO_63 = 2 ** 63
const MAX_STRING_BYTES = 0x7fff
const MAX_INT32 = 0x7fffffff

/** Messages share slabs of this size: a Fetch or Metadata response without its records mostly fits. */
const SLAB_BYTES = 64 * 1024

/**
 * Byte fields from this size on become chunks of their own instead of being copied. Measured over a
 * loopback socket: at 256 bytes the copy is twice as fast as one more entry of the vectored write, at
 * 1 KiB they are equal, at 4 KiB the entry is a quarter faster.
 */
const REFERENCE_BYTES = 1024

/** Strings up to this length are first tried as ASCII, character by character. */
const SHORT_STRING_LENGTH = 48

/**
 * Writes the primitives of the wire. `begin` starts a frame, `finish` returns it as chunks. Finished
 * chunks are never written again; an abandoned frame is simply overwritten.
 *
 * As in the reader, fixed-size primitives take `reserve` for a run of fields and `...At` for each.
 * `path` names the field for the error message.
 */
export class WireWriter {
  #slab: Buffer = Buffer.allocUnsafe(0)
  #start = 0
  #position = 0
  #chunks: Uint8Array[] = []
  #chunkBytes = 0
  #openTags = 0

  begin(): void {
    this.#start = this.#position
    this.#chunks = []
    this.#chunkBytes = 0
    this.#openTags = 0
    this.reserve(4)
  }

  /** Sets the length prefix and hands the frame over. */
  finish(): Uint8Array[] {
    this.#flush()
    const chunks = this.#chunks
    const size = this.#chunkBytes - 4
    const first = chunks[0]!
    if (size > MAX_INT32) {
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'a frame cannot have 2 GiB', {
        details: { size },
      })
    }
    first[0] = size >>> 24
    first[1] = size >>> 16
    first[2] = size >>> 8
    first[3] = size
    this.#chunks = []
    return chunks
  }

  /** Makes room for `length` bytes and returns where they begin; valid until the next `reserve`. */
  reserve(length: number): number {
    if (length > this.#slab.length - this.#position) this.#grow(length)
    const position = this.#position
    this.#position = position + length
    return position
  }

  int8At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value << 24) >> 24 !== value) throw invalid(path, value)
    this.#slab[position] = value
  }

  boolAt(position: number, value: boolean, path: string): void {
    if (typeof value !== 'boolean') throw invalid(path, value)
    this.#slab[position] = value ? 1 : 0
  }

  int16At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value << 16) >> 16 !== value) throw invalid(path, value)
    this.#slab[position] = value >> 8
    this.#slab[position + 1] = value
  }

  uint16At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value & 0xffff) !== value) throw invalid(path, value)
    this.#slab[position] = value >> 8
    this.#slab[position + 1] = value
  }

  int32At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value | 0) !== value) throw invalid(path, value)
    this.#putInt32(position, value)
  }

  offsetAt(position: number, value: number, path: string): void {
    if (!Number.isInteger(value) || value < -TWO_63 || value > TWO_63) throw invalid(path, value)
    if (value === TWO_63) {
      // INT64_MAX: no double is 2^63 - 1, so its neighbour stands for it.
      this.#putInt32(position, MAX_INT32)
      this.#putInt32(position + 4, -1)
      return
    }
    const high = Math.floor(value / TWO_32)
    this.#putInt32(position, high)
    this.#putInt32(position + 4, value - high * TWO_32)
  }

  timestampAt(position: number, value: number, path: string): void {
    this.offsetAt(position, value, path)
  }

  int64At(position: number, value: bigint, path: string): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw invalid(path, value)
    this.#slab.writeBigInt64BE(value, position)
  }

  float64At(position: number, value: number, path: string): void {
    if (typeof value !== 'number') throw invalid(path, value)
    this.#slab.writeDoubleBE(value, position)
  }

  uuidAt(position: number, value: string, path: string): void {
    if (value === ZERO_UUID) {
      this.#slab.fill(0, position, position + 16)
      return
    }
    if (typeof value !== 'string' || value.length !== 22) throw invalid(path, value)
    if (this.#slab.write(value, position, 16, 'base64url') !== 16) throw invalid(path, value)
  }

  varint(value: number): void {
    let rest = value >>> 0
    let position = this.reserve(1)
    while (rest > 0x7f) {
      this.#slab[position] = (rest & 0x7f) | 0x80
      rest >>>= 7
      position = this.reserve(1)
    }
    this.#slab[position] = rest
  }

  int16(value: number): void {
    const position = this.reserve(2)
    this.#slab[position] = value >> 8
    this.#slab[position + 1] = value
  }

  string(value: string, path: string): void {
    if (typeof value !== 'string') throw invalid(path, value)
    if (value.length <= SHORT_STRING_LENGTH) {
      const position = this.reserve(2 + value.length)
      if (this.#putAscii(position + 2, value)) {
        this.#slab[position] = 0
        this.#slab[position + 1] = value.length
        return
      }
      this.#position = position
    }
    const size = Buffer.byteLength(value)
    if (size > MAX_STRING_BYTES) throw invalid(path, value)
    this.int16(size)
    const position = this.reserve(size)
    this.#slab.write(value, position, size)
  }

  nullableString(value: string | null, path: string): void {
    if (value === null) this.int16(-1)
    else this.string(value, path)
  }

  compactString(value: string, path: string): void {
    if (typeof value !== 'string') throw invalid(path, value)
    if (value.length <= SHORT_STRING_LENGTH) {
      const position = this.reserve(1 + value.length)
      if (this.#putAscii(position + 1, value)) {
        this.#slab[position] = value.length + 1
        return
      }
      this.#position = position
    }
    const size = Buffer.byteLength(value)
    if (size > MAX_STRING_BYTES) throw invalid(path, value)
    this.varint(size + 1)
    const position = this.reserve(size)
    this.#slab.write(value, position, size)
  }

  compactNullableString(value: string | null, path: string): void {
    if (value === null) this.varint(0)
    else this.compactString(value, path)
  }

  byteArray(value: Uint8Array, path: string): void {
    if (!(value instanceof Uint8Array) || value.length > MAX_INT32) throw invalid(path, value)
    this.#putInt32(this.reserve(4), value.length)
    this.#append(value)
  }

  nullableByteArray(value: Uint8Array | null, path: string): void {
    if (value === null) this.#putInt32(this.reserve(4), -1)
    else this.byteArray(value, path)
  }

  compactByteArray(value: Uint8Array, path: string): void {
    if (!(value instanceof Uint8Array) || value.length > MAX_INT32) throw invalid(path, value)
    this.varint(value.length + 1)
    this.#append(value)
  }

  compactNullableByteArray(value: Uint8Array | null, path: string): void {
    if (value === null) this.varint(0)
    else this.compactByteArray(value, path)
  }

  /** The count of a list; returns it. */
  count(list: readonly unknown[], path: string): number {
    if (!Array.isArray(list)) throw invalid(path, list)
    this.#putInt32(this.reserve(4), list.length)
    return list.length
  }

  /** The count of a list, 0 for `null`, which is written as -1. */
  nullableCount(list: readonly unknown[] | null, path: string): number {
    if (list !== null) return this.count(list, path)
    this.#putInt32(this.reserve(4), -1)
    return 0
  }

  compactCount(list: readonly unknown[], path: string): number {
    if (!Array.isArray(list)) throw invalid(path, list)
    this.varint(list.length + 1)
    return list.length
  }

  compactNullableCount(list: readonly unknown[] | null, path: string): number {
    if (list !== null) return this.compactCount(list, path)
    this.varint(0)
    return 0
  }

  /** The byte before a nullable struct (KIP-893); returns whether the struct follows. */
  structIsPresent(value: unknown): boolean {
    const position = this.reserve(1)
    this.#slab[position] = value === null ? -1 : 1
    return value !== null
  }

  /** Checks that a struct can be read from `value`. */
  object(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null) throw invalid(path, value)
  }

  /** Begins a tagged field; `endTag` takes the returned mark. */
  beginTag(tag: number): number {
    this.varint(tag)
    this.#openTags += 1
    this.reserve(1)
    return this.#position - this.#start
  }

  /** Puts the size of the tagged field in front of it: one byte is reserved, rarely more are needed. */
  endTag(mark: number): void {
    this.#openTags -= 1
    const size = this.#position - this.#start - mark
    let sizeBytes = 1
    for (let rest = size >>> 7; rest > 0; rest >>>= 7) sizeBytes += 1
    if (sizeBytes > 1) {
      this.reserve(sizeBytes - 1)
      const from = this.#start + mark
      this.#slab.copyWithin(from + sizeBytes - 1, from, from + size)
    }
    const end = this.#position
    this.#position = this.#start + mark - 1
    this.varint(size)
    this.#position = end
  }

  #putInt32(position: number, value: number): void {
    const slab = this.#slab
    slab[position] = value >>> 24
    slab[position + 1] = value >>> 16
    slab[position + 2] = value >>> 8
    slab[position + 3] = value
  }

  #putAscii(position: number, value: string): boolean {
    const slab = this.#slab
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      slab[position + index] = code
    }
    return true
  }

  #append(value: Uint8Array): void {
    // The size of a tagged field is patched in afterwards, for which it must be in one piece.
    if (value.length >= REFERENCE_BYTES && this.#openTags === 0) {
      this.#flush()
      this.#chunks.push(value)
      this.#chunkBytes += value.length
    } else {
      // `reserve` may replace the slab: it has to come first.
      const position = this.reserve(value.length)
      this.#slab.set(value, position)
    }
  }

  #flush(): void {
    const length = this.#position - this.#start
    if (length === 0) return
    this.#chunks.push(this.#slab.subarray(this.#start, this.#position))
    this.#chunkBytes += length
    this.#start = this.#position
    // A slab made for one large message would be kept alive by the small ones after it.
    if (this.#slab.length > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafe(0)
      this.#start = 0
      this.#position = 0
    }
  }

  #grow(length: number): void {
    const pending = this.#position - this.#start
    const slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, 2 * (pending + length)))
    this.#slab.copy(slab, 0, this.#start, this.#position)
    this.#slab = slab
    this.#start = 0
    this.#position = pending
  }
}

/** The error for a value that the field `path` cannot carry. */
function invalid(path: string, value: unknown): ProtocolError {
  const shown =
    typeof value === 'string' ? `a string of ${value.length} characters` : describe(value)
  return new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `${path} cannot be ${shown}`, {
    details: { path },
  })
}

function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}
