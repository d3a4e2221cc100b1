import type { SealedFacts } from './segment.js'

/** Stands for `undefined` in an int64. */
export const absent = -(2 ** 40)

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
const rowWords = 6
export const packedFactsBytes = 4 * rowWords

/**
 * Facts of sealed segments as file `kfk.logs` has them: int64 base offset, int32 size, int64 and
 * int32 largest timestamp and its relative offset. Tens of thousands are taken over in one loop,
 * for a process that opens a log has not compiled anything yet.
 */
export class PackedFacts implements Iterable<SealedFacts> {
  readonly count: number
  readonly #words: Int32Array
  readonly #unsigned: Uint32Array

  constructor(bytes: Uint8Array) {
    const copy = Buffer.from(new Uint8Array(bytes).buffer)
    if (littleEndian) copy.swap32()
    this.count = copy.length / packedFactsBytes
    this.#words = new Int32Array(copy.buffer)
    this.#unsigned = new Uint32Array(copy.buffer)
  }

  /** Five numbers a row: base, size, largest timestamp and its offset or NaN, and `id` upwards. */
  unpack(values: Float64Array, at: number, id: number): void {
    const words = this.#words
    const unsigned = this.#unsigned
    const end = words.length
    for (let from = 0, to = at, row = id; from < end; from += rowWords, to += 5, row++) {
      const base = words[from]! * 4294967296 + unsigned[from + 1]!
      const timestamp = words[from + 3]! * 4294967296 + unsigned[from + 4]!
      const known = timestamp !== absent
      values[to] = base
      values[to + 1] = words[from + 2]!
      values[to + 2] = known ? timestamp : NaN
      values[to + 3] = known ? base + words[from + 5]! : NaN
      values[to + 4] = row
    }
  }

  *[Symbol.iterator](): Generator<SealedFacts> {
    const values = new Float64Array(5 * this.count)
    this.unpack(values, 0, 0)
    for (let at = 0; at < values.length; at += 5) {
      const timestamp = values[at + 2]!
      const largest = Number.isNaN(timestamp) ? undefined : { timestamp, offset: values[at + 3]! }
      yield { baseOffset: values[at]!, sizeBytes: values[at + 1]!, largest }
    }
  }
}
