import { KeyHash } from './key-hash.js'

// One flat array, six words a slot: four of the key's hash, low and high word of the offset.

const slotWords = 6
export const keyMapSlotBytes = slotWords * 4
/** Probing is linear, so the table must stay loose. */
const maxLoad = 0.75
/** A table of one slot could not be probed. */
const minSlots = 4
const wordRange = 0x1_0000_0000
/** At most so much of the memory goes to one bit per offset. */
const bitsShare = 1 / 8
/**
 * So many keys are looked up at once. Nearly each is a miss of the caches, and the processor waits
 * for several at a time when nothing else comes between them.
 */
const queueLength = 64

/** A record's key and offset. */
export interface KeyedRecord {
  readonly source: Uint8Array
  readonly keyAt: number
  readonly keyLength: number
  readonly offset: number
}

/**
 * The latest offset of each key, in bounded memory. Keys are known by a keyed 128-bit hash (see
 * `KeyHash`): two keys count as one with a probability below 2^-64 for four billion keys. Where the
 * offsets lie close enough, one bit says of each record that was put whether a later one came, so
 * that its key need not be looked up again: that costs a miss of the processor's caches or two.
 */
export class KeyMap {
  /** Keys that fit. */
  readonly capacity: number
  readonly #slots: Int32Array
  readonly #slotCount: number
  readonly #hash: KeyHash
  /** One bit for each offset from `#from` on: a later record has its key. */
  readonly #superseded: Uint8Array | undefined
  readonly #from: number
  #size = 0
  // Of the records that wait to be noted: words of the hash, where to look first, offset.
  readonly #words = new Int32Array(queueLength * 4)
  readonly #homes = new Int32Array(queueLength)
  readonly #offsets = new Float64Array(queueLength)
  #waiting = 0
  /** Only so that looking is not left out as useless. */
  #touched = 0

  /** For records from `from` up to `to`; uses at most `maxBytes`, and no more than they need. */
  constructor(limits: { maxBytes: number; from: number; to: number }, hash = new KeyHash()) {
    const { maxBytes, from, to } = limits
    const bitsBytes = Math.ceil((to - from) / 8)
    const bits = bitsBytes <= maxBytes * bitsShare
    this.#superseded = bits ? new Uint8Array(bitsBytes) : undefined
    this.#from = from
    const affordable = Math.floor((maxBytes - (bits ? bitsBytes : 0)) / keyMapSlotBytes)
    const needed = Math.ceil((to - from) / maxLoad) + 1
    this.#slotCount = Math.max(minSlots, Math.min(affordable, needed))
    this.capacity = Math.floor(this.#slotCount * maxLoad)
    this.#slots = new Int32Array(this.#slotCount * slotWords)
    this.#hash = hash
  }

  get size(): number {
    this.#settle()
    return this.#size
  }

  /**
   * Notes a record, the next one of its key in the order of offsets. False: the key is new, and the
   * map is full.
   */
  put({ source, keyAt, keyLength, offset }: KeyedRecord): boolean {
    this.#hash.hash(source, keyAt, keyLength)
    // As long as there is room for all that wait, whether their keys are new does not matter.
    if (this.#size + this.#waiting === this.capacity) this.#settle()
    this.#enqueue(offset)
    if (this.#size + this.#waiting <= this.capacity) {
      if (this.#waiting === queueLength) this.#settle()
      return true
    }
    this.#waiting = 0
    const slot = this.#find(0)
    if (!this.#isUsed(slot)) return false
    this.#note(slot, 0)
    return true
  }

  /** A later record of its key was put. The record was put itself, or lies below all that were. */
  supersedes({ source, keyAt, keyLength, offset }: KeyedRecord): boolean {
    if (this.#waiting > 0) this.#settle()
    if (this.#superseded !== undefined && offset >= this.#from) {
      const index = offset - this.#from
      return (this.#superseded[Math.floor(index / 8)]! & (1 << (index % 8))) !== 0
    }
    this.#hash.hash(source, keyAt, keyLength)
    this.#enqueue(offset)
    this.#waiting = 0
    const slot = this.#find(0)
    return this.#isUsed(slot) && this.#offsetAt(slot) > offset
  }

  /** The hashed key waits for `#settle`. */
  #enqueue(offset: number): void {
    const { word0, word1, word2, word3 } = this.#hash
    const at = this.#waiting++
    const words = this.#words
    // Two zero words mean an empty slot.
    words[at * 4] = (word0 | word1) === 0 ? 1 : word0
    words[at * 4 + 1] = word1
    words[at * 4 + 2] = word2
    words[at * 4 + 3] = word3
    this.#homes[at] = Math.floor(((word3 >>> 0) / wordRange) * this.#slotCount) * slotWords
    this.#offsets[at] = offset
  }

  /** Notes what waits. */
  #settle(): void {
    const slots = this.#slots
    const homes = this.#homes
    const count = this.#waiting
    let touched = 0
    for (let at = 0; at < count; at++) touched |= slots[homes[at]!]!
    this.#touched = touched
    for (let at = 0; at < count; at++) this.#note(this.#find(at), at)
    this.#waiting = 0
  }

  /** What waits at `at` is the latest of its key, whose slot this is. */
  #note(slot: number, at: number): void {
    const slots = this.#slots
    const words = this.#words
    const offset = this.#offsets[at]!
    if (!this.#isUsed(slot)) {
      this.#size++
      for (let word = 0; word < 4; word++) slots[slot + word] = words[at * 4 + word]!
    } else if (this.#superseded !== undefined) {
      const index = this.#offsetAt(slot) - this.#from
      this.#superseded[Math.floor(index / 8)]! |= 1 << (index % 8)
    }
    slots[slot + 4] = offset | 0
    slots[slot + 5] = offset / wordRange
  }

  #isUsed(slot: number): boolean {
    return this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0
  }

  #offsetAt(slot: number): number {
    return this.#slots[slot + 5]! * wordRange + (this.#slots[slot + 4]! >>> 0)
  }

  /** Where the key that waits at `at` is, or the empty slot where it would go. */
  #find(at: number): number {
    const words = this.#words
    const word0 = words[at * 4]!
    const word1 = words[at * 4 + 1]!
    const slots = this.#slots
    const end = this.#slotCount * slotWords
    let slot = this.#homes[at]!
    for (;;) {
      const found0 = slots[slot]!
      const found1 = slots[slot + 1]!
      if (found0 === word0 && found1 === word1) {
        const isSame =
          slots[slot + 2] === words[at * 4 + 2] && slots[slot + 3] === words[at * 4 + 3]
        if (isSame) return slot
      } else if (found0 === 0 && found1 === 0) return slot
      slot += slotWords
      if (slot === end) slot = 0
    }
  }
}
