import { KeyHash } from './key-hash.js'

// One flat array, six words a slot: four of the key's hash, low and high word of the offset.

const slotWords = 6
export const keyMapSlotBytes = slotWords * 4
/** Probing is linear, so the table must stay loose. */
const maxLoad = 0.75
/** A table of one slot could not be probed. */
const minSlots = 4
const wordRange = 0x1_0000_0000

/**
 * The latest offset of each key, in bounded memory. Keys are known by a keyed 128-bit hash (see
 * `KeyHash`): two keys count as one with a probability below 2^-64 for four billion keys.
 */
export class KeyMap {
  /** Keys that fit. */
  readonly capacity: number
  readonly #slots: Int32Array
  readonly #slotCount: number
  readonly #hash: KeyHash
  #size = 0

  /** Uses at most `maxBytes`, and no more than `keys` keys need. */
  constructor(limits: { maxBytes: number; keys: number }, hash = new KeyHash()) {
    const affordable = Math.floor(limits.maxBytes / keyMapSlotBytes)
    const needed = Math.ceil(limits.keys / maxLoad) + 1
    this.#slotCount = Math.max(minSlots, Math.min(affordable, needed))
    this.capacity = Math.floor(this.#slotCount * maxLoad)
    this.#slots = new Int32Array(this.#slotCount * slotWords)
    this.#hash = hash
  }

  get size(): number {
    return this.#size
  }

  /** Notes that the key has a record at `offset`. False: it is a new key, and the map is full. */
  put(source: Uint8Array, at: number, length: number, offset: number): boolean {
    this.#hash.hash(source, at, length)
    const slot = this.#find()
    const slots = this.#slots
    if (slots[slot] === 0 && slots[slot + 1] === 0) {
      if (this.#size === this.capacity) return false
      this.#size++
      const { word0, word1, word2, word3 } = this.#hash
      slots[slot] = (word0 | word1) === 0 ? 1 : word0
      slots[slot + 1] = word1
      slots[slot + 2] = word2
      slots[slot + 3] = word3
    }
    slots[slot + 4] = offset | 0
    slots[slot + 5] = offset / wordRange
    return true
  }

  /** The offset last noted for the key, or -1. */
  get(source: Uint8Array, at: number, length: number): number {
    this.#hash.hash(source, at, length)
    const slot = this.#find()
    const slots = this.#slots
    if (slots[slot] === 0 && slots[slot + 1] === 0) return -1
    return slots[slot + 5]! * wordRange + (slots[slot + 4]! >>> 0)
  }

  /** Where the hashed key is, or the empty slot where it would go. */
  #find(): number {
    const { word1, word2, word3 } = this.#hash
    // Two zero words mean an empty slot.
    const word0 = (this.#hash.word0 | word1) === 0 ? 1 : this.#hash.word0
    const slots = this.#slots
    const end = this.#slotCount * slotWords
    let slot = Math.floor(((word3 >>> 0) / wordRange) * this.#slotCount) * slotWords
    for (;;) {
      const found0 = slots[slot]!
      const found1 = slots[slot + 1]!
      if (found0 === word0 && found1 === word1) {
        if (slots[slot + 2] === word2 && slots[slot + 3] === word3) return slot
      } else if (found0 === 0 && found1 === 0) return slot
      slot += slotWords
      if (slot === end) slot = 0
    }
  }
}
