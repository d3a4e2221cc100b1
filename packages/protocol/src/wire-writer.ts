import { ProtocolError } from './errors.js'
import { FrameBuilder } from './frame-builder.js'
import { ZERO_UUID } from './schema.js'

const TWO_32 = 4294967296
const TWO_63 = 2 ** 63
const MAX_STRING_BYTES = 0x7fff
const MAX_INT32 = 0x7fffffff

/** Strings up to this length are first tried as ASCII, character by character. */
const SHORT_STRING_LENGTH = 48

/**
 * Writes the primitives of the wire. As in the reader, fixed-size primitives take `reserve` for a
 * run of fields and `...At` for each. `path` names the field for the error message.
 */
export class WireWriter extends FrameBuilder {
  int8At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value << 24) >> 24 !== value) throw invalid(path, value)
    this.slab[position] = value
  }

  boolAt(position: number, value: boolean, path: string): void {
    if (typeof value !== 'boolean') throw invalid(path, value)
    this.slab[position] = value ? 1 : 0
  }

  int16At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value << 16) >> 16 !== value) throw invalid(path, value)
    this.slab[position] = value >> 8
    this.slab[position + 1] = value
  }

  uint16At(position: number, value: number, path: string): void {
    if (typeof value !== 'number' || (value & 0xffff) !== value) throw invalid(path, value)
    this.slab[position] = value >> 8
    this.slab[position + 1] = value
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
    this.slab.writeBigInt64BE(value, position)
  }

  float64At(position: number, value: number, path: string): void {
    if (typeof value !== 'number') throw invalid(path, value)
    this.slab.writeDoubleBE(value, position)
  }

  uuidAt(position: number, value: string, path: string): void {
    if (value === ZERO_UUID) {
      this.slab.fill(0, position, position + 16)
      return
    }
    if (typeof value !== 'string' || value.length !== 22) throw invalid(path, value)
    if (this.slab.write(value, position, 16, 'base64url') !== 16) throw invalid(path, value)
  }

  int16(value: number): void {
    const position = this.reserve(2)
    this.slab[position] = value >> 8
    this.slab[position + 1] = value
  }

  string(value: string, path: string): void {
    if (typeof value !== 'string') throw invalid(path, value)
    if (value.length <= SHORT_STRING_LENGTH) {
      const position = this.reserve(2 + value.length)
      if (this.#putAscii(position + 2, value)) {
        this.slab[position] = 0
        this.slab[position + 1] = value.length
        return
      }
      this.position = position
    }
    const size = Buffer.byteLength(value)
    if (size > MAX_STRING_BYTES) throw invalid(path, value)
    this.int16(size)
    const position = this.reserve(size)
    this.slab.write(value, position, size)
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
        this.slab[position] = value.length + 1
        return
      }
      this.position = position
    }
    const size = Buffer.byteLength(value)
    if (size > MAX_STRING_BYTES) throw invalid(path, value)
    this.varint(size + 1)
    const position = this.reserve(size)
    this.slab.write(value, position, size)
  }

  compactNullableString(value: string | null, path: string): void {
    if (value === null) this.varint(0)
    else this.compactString(value, path)
  }

  byteArray(value: Uint8Array, path: string): void {
    if (!(value instanceof Uint8Array) || value.length > MAX_INT32) throw invalid(path, value)
    this.#putInt32(this.reserve(4), value.length)
    this.append(value)
  }

  nullableByteArray(value: Uint8Array | null, path: string): void {
    if (value === null) this.#putInt32(this.reserve(4), -1)
    else this.byteArray(value, path)
  }

  compactByteArray(value: Uint8Array, path: string): void {
    if (!(value instanceof Uint8Array) || value.length > MAX_INT32) throw invalid(path, value)
    this.varint(value.length + 1)
    this.append(value)
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
    this.slab[position] = value === null ? -1 : 1
    return value !== null
  }

  /** Checks that a struct can be read from `value`. */
  object(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null) throw invalid(path, value)
  }

  #putInt32(position: number, value: number): void {
    const slab = this.slab
    slab[position] = value >>> 24
    slab[position + 1] = value >>> 16
    slab[position + 2] = value >>> 8
    slab[position + 3] = value
  }

  #putAscii(position: number, value: string): boolean {
    const slab = this.slab
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      slab[position + index] = code
    }
    return true
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
