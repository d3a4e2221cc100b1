import { ProtocolError } from './errors.js'

/** Deeper than any message nests. */
const MAX_DEPTH = 32

/**
 * Walks one MessagePack value without building anything, and returns the position after it. Checks
 * what a decoder would otherwise trust: lengths and counts against the bytes left, all counts
 * against
 * `maxElements`, the depth, that keys are strings, and that no extension type is used. A decoder
 * that allocates the claimed count (msgpackr does) is safe afterwards.
 */
export function scanMsgpack(bytes: Uint8Array, start: number, maxElements: number): number {
  return new Scan(bytes, start, maxElements).value(0)
}

class Scan {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position: number
  #elementsLeft: number

  constructor(bytes: Uint8Array, position: number, maxElements: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#position = position
    this.#elementsLeft = maxElements
  }

  value(depth: number): number {
    if (depth > MAX_DEPTH) throw this.#malformed('values nest too deeply')
    const type = this.#bytes[this.#take(1)]!
    if (type <= 0x7f || type >= 0xe0) return this.#position
    if (type <= 0x8f) return this.#map(type & 0x0f, depth)
    if (type <= 0x9f) return this.#list(type & 0x0f, depth)
    if (type <= 0xbf) return this.#skip(type & 0x1f)
    return this.#marked(type, depth)
  }

  #marked(type: number, depth: number): number {
    switch (type) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return this.#position
      case 0xc4: // bin 8, 16, 32
      case 0xd9: // str 8, 16, 32
        return this.#skip(this.#uint(1))
      case 0xc5:
      case 0xda:
        return this.#skip(this.#uint(2))
      case 0xc6:
      case 0xdb:
        return this.#skip(this.#uint(4))
      case 0xcc: // uint 8, int 8
      case 0xd0:
        return this.#skip(1)
      case 0xcd: // uint 16, int 16
      case 0xd1:
        return this.#skip(2)
      case 0xca: // float 32, uint 32, int 32
      case 0xce:
      case 0xd2:
        return this.#skip(4)
      case 0xcb: // float 64, uint 64, int 64
      case 0xcf:
      case 0xd3:
        return this.#skip(8)
      case 0xdc:
        return this.#list(this.#uint(2), depth)
      case 0xdd:
        return this.#list(this.#uint(4), depth)
      case 0xde:
        return this.#map(this.#uint(2), depth)
      case 0xdf:
        return this.#map(this.#uint(4), depth)
      default:
        throw this.#malformed(`type 0x${type.toString(16)} is not used here`)
    }
  }

  #list(count: number, depth: number): number {
    this.#spend(count)
    for (let index = 0; index < count; index += 1) this.value(depth + 1)
    return this.#position
  }

  #map(count: number, depth: number): number {
    this.#spend(count)
    for (let index = 0; index < count; index += 1) {
      const type = this.#bytes[this.#position] ?? 0
      const isString = (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb)
      if (!isString) throw this.#malformed('a key is not a string')
      this.value(depth + 1)
      this.value(depth + 1)
    }
    return this.#position
  }

  /** Every element takes at least a byte. */
  #spend(count: number): void {
    if (count > this.#bytes.length - this.#position) {
      throw this.#malformed(`${count} elements in fewer bytes`)
    }
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) {
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'the message has too many elements', {
        details: { position: this.#position, count },
      })
    }
  }

  #uint(size: 1 | 2 | 4): number {
    const position = this.#take(size)
    if (size === 1) return this.#view.getUint8(position)
    return size === 2 ? this.#view.getUint16(position) : this.#view.getUint32(position)
  }

  #skip(length: number): number {
    this.#take(length)
    return this.#position
  }

  #take(length: number): number {
    const position = this.#position
    if (length > this.#bytes.length - position) throw this.#malformed('the message is cut off')
    this.#position = position + length
    return position
  }

  #malformed(message: string): ProtocolError {
    const details = { position: this.#position, bytes: this.#bytes.length }
    return new ProtocolError('KFK_PROTOCOL_MALFORMED', message, { details })
  }
}
