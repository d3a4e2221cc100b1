import { ProtocolError } from '../errors.js'
import { MAX_VARINT_BYTES, MAX_VARLONG_BYTES } from './layout.js'

/** Bytes of a zigzag varint of a 32-bit integer. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Bytes of a zigzag varlong of a safe integer. */
export function varlongSize(value: number): number {
  if (value === (value | 0)) return varintSize(value)
  // Doubling stays exact in the exponent, and only the size is asked for.
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  let size = 1
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Writes a 32-bit integer as a zigzag varint; returns the position after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest >= 0x80) {
    bytes[at++] = rest | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

/** Writes a safe integer as a zigzag varlong; returns the position after it. */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, at, value)
  // Zigzag by doubling leaves the safe range at 2^52, where numbers stay exact because they are
  // even or the odd neighbour needs 54 bits: bigint there, and only there.
  let rest = BigInt(value) < 0n ? -2n * BigInt(value) - 1n : 2n * BigInt(value)
  while (rest >= 0x80n) {
    bytes[at++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  bytes[at++] = Number(rest)
  return at
}

/** A 32-bit integer that is known to be sound. */
export function varintAt(bytes: Uint8Array, at: number): number {
  let zigzag = 0
  let byte = 0x80
  for (let shift = 0; byte >= 0x80; shift += 7) {
    byte = bytes[at++]!
    zigzag |= (byte & 0x7f) << shift
  }
  return (zigzag >>> 1) ^ -(zigzag & 1)
}

/** Where the varint or varlong at `at` ends, which is known to be sound. */
export function behindVarint(bytes: Uint8Array, at: number): number {
  while (bytes[at]! >= 0x80) at++
  return at + 1
}

/** Reads zigzag varints one after another from `bytes[position, end)`, never beyond. */
export class VarintReader {
  protected readonly bytes: Uint8Array
  /** Where the next read begins. */
  position: number
  protected end: number

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  /** A 32-bit integer. MALFORMED when it is cut or longer than 5 bytes. */
  readVarint(): number {
    const at = this.position
    if (at < this.end) {
      const byte = this.bytes[at]!
      if (byte < 0x80) {
        this.position = at + 1
        return (byte >>> 1) ^ -(byte & 1)
      }
      if (at + 1 < this.end) {
        const second = this.bytes[at + 1]!
        if (second < 0x80) {
          this.position = at + 2
          const zigzag = (byte & 0x7f) | (second << 7)
          return (zigzag >>> 1) ^ -(zigzag & 1)
        }
      }
    }
    return this.readLongVarint()
  }

  private readLongVarint(): number {
    const { bytes, end } = this
    let zigzag = 0
    for (let index = 0, at = this.position; index < MAX_VARINT_BYTES && at < end; index++, at++) {
      const byte = bytes[at]!
      // The fifth byte holds the last 4 of 32 bits.
      if (index === MAX_VARINT_BYTES - 1 && byte > 0x0f) break
      zigzag |= (byte & 0x7f) << (7 * index)
      if (byte < 0x80) {
        this.position = at + 1
        return (zigzag >>> 1) ^ -(zigzag & 1)
      }
    }
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'a varint is cut short or too long')
  }

  /**
   * A 64-bit integer within the safe range. MALFORMED when cut, over 10 bytes, or beyond 2^53 - 1.
   */
  readVarlong(): number {
    const { bytes, end } = this
    let at = this.position
    let low = 0
    // Up to 4 bytes (28 bits) stay in a small integer: nearly every timestamp delta.
    for (let shift = 0; shift < 28 && at < end; shift += 7) {
      const byte = bytes[at++]!
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = at
        return (low >>> 1) ^ -(low & 1)
      }
    }
    return this.readLongVarlong(at, low)
  }

  private readLongVarlong(position: number, low: number): number {
    let zigzag = BigInt(low)
    let shift = 28n
    const last = Math.min(this.end, this.position + MAX_VARLONG_BYTES)
    for (let at = position; at < last; at++) {
      const byte = this.bytes[at]!
      zigzag |= BigInt(byte & 0x7f) << shift
      shift += 7n
      if (byte < 0x80) {
        const value = Number((zigzag >> 1n) ^ -(zigzag & 1n))
        if (!Number.isSafeInteger(value)) break
        this.position = at + 1
        return value
      }
    }
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'a varlong is cut short or too large')
  }
}
