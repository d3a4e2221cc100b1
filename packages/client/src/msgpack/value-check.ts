/** Deeper than data nests; far from the end of the stack. */
const MAX_DEPTH = 100

/**
 * Walks one MessagePack value to its end without building anything, and throws a TypeError that
 * says what is wrong with it: lengths and counts against the bytes there are, depth, types that
 * have no place here, structures that the set does not have. msgpackr, which believes what it reads
 * (it allocates what an array claims to hold, and takes definitions of structures from the value),
 * is safe afterwards.
 *
 * @param keyCounts - number of keys of each structure; none: bytes 0x40 to 0x5f are integers
 */
export function checkMsgpack(
  bytes: Uint8Array,
  start: number,
  keyCounts: readonly number[] | undefined,
): void {
  const walk = new Walk(bytes, start, keyCounts)
  walk.values(1, 0)
  walk.end()
}

/** What follows the type byte: so many bytes, for 0xc0 to 0xdf; -1 where it is something else. */
const fixedBytes = [
  ...[0, -1, 0, 0, -1, -1, -1, -1, -1, -1], // nil, never used, false, true, bin, ext
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8], // float 32, 64, uint 8 to 64, int 8 to 64
  ...[-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1], // fixext, str, array, map
]

/** The extension type of timestamps. */
const TIMESTAMP = 0xff
/** Of `undefined`, as msgpackr and others write it: one byte, 0. */
const UNDEFINED = 0

class Walk {
  readonly #bytes: Uint8Array
  readonly #keyCounts: readonly number[] | undefined
  #position: number

  constructor(bytes: Uint8Array, start: number, keyCounts: readonly number[] | undefined) {
    this.#bytes = bytes
    this.#position = start
    this.#keyCounts = keyCounts
  }

  values(count: number, depth: number): void {
    if (depth > MAX_DEPTH) throw new TypeError('the value nests too deeply')
    // Each takes a byte at least, so a count that lies ends with the bytes.
    for (let index = 0; index < count; index += 1) this.#value(depth)
  }

  end(): void {
    const rest = this.#bytes.length - this.#position
    if (rest > 0) throw new TypeError(`${rest} bytes follow the value`)
  }

  #value(depth: number): void {
    const type = this.#bytes[this.#position]
    if (type === undefined) throw cutOff()
    this.#position += 1
    if (type < 0x40 || type >= 0xe0) return
    if (type < 0x80) {
      if (this.#keyCounts !== undefined) this.#record(type, depth)
    } else if (type < 0x90) this.#map(type & 0x0f, depth)
    else if (type < 0xa0) this.values(type & 0x0f, depth + 1)
    else if (type < 0xc0) this.#skip(type & 0x1f)
    else this.#marked(type, depth)
  }

  #record(type: number, depth: number): void {
    const keys = this.#keyCounts![type - 0x40]
    if (keys === undefined) throw new TypeError(`there is no structure ${type - 0x40} in its set`)
    this.values(keys, depth + 1)
  }

  #marked(type: number, depth: number): void {
    const fixed = fixedBytes[type - 0xc0]!
    if (fixed >= 0) this.#skip(fixed)
    else if (type === 0xc4 || type === 0xd9) this.#skip(this.#uint(1))
    else if (type === 0xc5 || type === 0xda) this.#skip(this.#uint(2))
    else if (type === 0xc6 || type === 0xdb) this.#skip(this.#uint(4))
    else if (type === 0xdc) this.values(this.#uint(2), depth + 1)
    else if (type === 0xdd) this.values(this.#uint(4), depth + 1)
    else if (type === 0xde) this.#map(this.#uint(2), depth)
    else if (type === 0xdf) this.#map(this.#uint(4), depth)
    else this.#extension(type)
  }

  #map(count: number, depth: number): void {
    for (let index = 0; index < count; index += 1) {
      const type = this.#bytes[this.#position] ?? 0
      // Keys of other kinds would be made strings; a structure or a list is no key at all.
      const isText = (type >= 0xa0 && type < 0xc0) || (type >= 0xd9 && type <= 0xdb)
      const isNumber = type < 0x40 || type >= 0xe0 || (type >= 0xca && type <= 0xd3)
      if (!isText && !isNumber) throw new TypeError('a key of a map is no text and no number')
      this.values(2, depth + 1)
    }
  }

  #extension(type: number): void {
    const length = extensionBytes(type) ?? this.#uint(type === 0xc7 ? 1 : 0)
    const kind = this.#bytes[this.#position]
    const isTimestamp = kind === TIMESTAMP && (length === 4 || length === 8 || length === 12)
    if (!isTimestamp && !(kind === UNDEFINED && length === 1)) {
      throw new TypeError(`extension type ${kind ?? '?'} of ${length} bytes is not used here`)
    }
    this.#skip(1 + length)
  }

  /** A big-endian number of so many bytes; of none it is 0, which no extension has. */
  #uint(size: number): number {
    let value = 0
    const start = this.#position
    this.#skip(size)
    for (let at = start; at < start + size; at += 1) value = value * 256 + this.#bytes[at]!
    return value
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.#position) throw cutOff()
    this.#position += length
  }
}

/** Of fixext 1 to 16; undefined for an extension that says its length. */
function extensionBytes(type: number): number | undefined {
  return type >= 0xd4 && type <= 0xd8 ? 1 << (type - 0xd4) : undefined
}

function cutOff(): TypeError {
  return new TypeError('the value is cut off')
}
