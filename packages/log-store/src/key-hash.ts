import { randomFillSync } from 'node:crypto'

// Chaskey (Mouha et al., SAC 2014) with 8 rounds: a keyed 128-bit hash of 32-bit additions,
// rotations and exclusive ors, which is what JavaScript does fast. The key is secret and random, so
// nobody can choose record keys that collide, and 2^32 keys collide by chance with a probability of
// 2^-64.

/** Keyed 128-bit hash; the result is left in the four words, so that nothing is allocated. */
export class KeyHash {
  word0 = 0
  word1 = 0
  word2 = 0
  word3 = 0
  readonly #key: Int32Array
  readonly #whole: Int32Array
  readonly #padded: Int32Array
  readonly #last = new Uint8Array(16)

  /** `key`: 128 bits, random unless a test says otherwise. */
  constructor(key: Int32Array = randomFillSync(new Int32Array(4))) {
    this.#key = key
    this.#whole = timesTwo(key)
    this.#padded = timesTwo(this.#whole)
  }

  /** Hashes `length` bytes of `source` from `at` on. */
  hash(source: Uint8Array, at: number, length: number): void {
    const key = this.#key
    this.word0 = key[0]!
    this.word1 = key[1]!
    this.word2 = key[2]!
    this.word3 = key[3]!
    let position = at
    let left = length
    for (; left > 16; left -= 16, position += 16) this.#block(source, position)
    const whole = left === 16
    const subkey = whole ? this.#whole : this.#padded
    this.#mask(subkey)
    if (whole) this.#block(source, position)
    else {
      const last = this.#last
      last.fill(0)
      for (let n = 0; n < left; n++) last[n] = source[position + n]!
      last[left] = 1
      this.#block(last, 0)
    }
    this.#mask(subkey)
  }

  #mask(subkey: Int32Array): void {
    this.word0 ^= subkey[0]!
    this.word1 ^= subkey[1]!
    this.word2 ^= subkey[2]!
    this.word3 ^= subkey[3]!
  }

  /** Takes in 16 bytes and permutes. */
  #block(b: Uint8Array, at: number): void {
    let v0 = this.word0 ^ (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24))
    let v1 = this.word1 ^ (b[at + 4]! | (b[at + 5]! << 8) | (b[at + 6]! << 16) | (b[at + 7]! << 24))
    let v2 =
      this.word2 ^ (b[at + 8]! | (b[at + 9]! << 8) | (b[at + 10]! << 16) | (b[at + 11]! << 24))
    let v3 =
      this.word3 ^ (b[at + 12]! | (b[at + 13]! << 8) | (b[at + 14]! << 16) | (b[at + 15]! << 24))
    for (let round = 0; round < 8; round++) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 13) | (v3 >>> 19)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 7) | (v1 >>> 25)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    this.word0 = v0
    this.word1 = v1
    this.word2 = v2
    this.word3 = v3
  }
}

/** In the field of 2^128 elements; the words are little-endian. */
function timesTwo(words: Int32Array): Int32Array {
  const carry = words[3]! >>> 31 === 1 ? 0x87 : 0
  return Int32Array.of(
    (words[0]! << 1) ^ carry,
    (words[1]! << 1) | (words[0]! >>> 31),
    (words[2]! << 1) | (words[1]! >>> 31),
    (words[3]! << 1) | (words[2]! >>> 31),
  )
}
