// What both indexes have in common: entries of fixed width, sorted by each of their fields. The
// oldest of them lie in the index file and are read when a search needs them; those that came since
// are in memory, in the form that goes to the file. A search in the file guesses where an entry
// lies, so it reads two or three small pieces as a rule, whatever the size.

/** The index is not what it should be: not the data. It has to be rebuilt. */
export class IndexMismatch extends Error {}

/** An index file. */
export interface IndexSource {
  /** Throws the system's error; IndexMismatch when the file is gone or shorter than that. */
  read(position: number, length: number): Buffer
  /** Asks for so much memory to keep the whole file in it. */
  reserve(bytes: number): boolean
}

/** Reads one field of the entry at `at`. */
export type EntryKey = (bytes: Buffer, at: number) => number

/** Entries of one piece: interpolation is rarely further off. */
const pieceEntries = 128
/** Guesses before the search halves what is left, so that a garbled file costs little. */
const maxGuesses = 4
/** Searches of a large file before it is worth memory. */
const usesBeforeKept = 8
const smallBytes = 8 * 1024
const firstTailEntries = 16

export abstract class IndexEntries {
  count = 0
  /** Bytes of an entry. */
  readonly width: number
  /** So many of the first entries lie in the source. */
  #stored = 0
  #source: IndexSource | undefined
  #kept: Buffer | undefined
  /** First and last entry of the source. */
  #ends: Buffer | undefined
  #uses = 0
  #tail: Buffer | undefined

  protected constructor(
    width: number,
    stored?: { readonly source: IndexSource; readonly count: number },
  ) {
    this.width = width
    if (stored === undefined) return
    this.#source = stored.source
    this.#stored = stored.count
    this.count = stored.count
  }

  /** Entries that are only in memory. */
  get pending(): number {
    return this.count - this.#stored
  }

  get stored(): number {
    return this.#stored
  }

  /** Where to write the next entry; it counts from now on. */
  push(): { readonly bytes: Buffer; readonly at: number } {
    const at = this.pending * this.width
    const tail = this.#tail
    if (tail === undefined || tail.length === at) {
      this.#tail = Buffer.allocUnsafeSlow(Math.max(firstTailEntries * this.width, at * 2))
      if (tail !== undefined) this.#tail.set(tail)
    }
    this.count++
    return { bytes: this.#tail!, at }
  }

  read(entry: number, key: EntryKey): number {
    if (entry >= this.#stored) return key(this.#tail!, (entry - this.#stored) * this.width)
    const isSmall = this.#stored * this.width <= smallBytes
    const kept = this.#kept ?? (isSmall ? this.#keep() : undefined)
    if (kept !== undefined) return key(kept, entry * this.width)
    return key(this.#source!.read(entry * this.width, this.width), 0)
  }

  /** Last entry whose key is <= `value`, or -1. */
  search(value: number, key: EntryKey): number {
    const { pending } = this
    if (pending > 0 && key(this.#tail!, 0) <= value) {
      return this.#stored + this.#bisect(this.#tail!, pending, { value, key })
    }
    if (this.#stored === 0) return -1
    const kept = this.#kept ?? this.#keep()
    if (kept !== undefined) {
      // Fewer after a cut, more when reading them made this segment write what was pending.
      const count = Math.min(this.#stored, kept.length / this.width)
      return this.#bisect(kept, count, { value, key })
    }
    return this.#floorStored(value, key)
  }

  /** Keeps only the first `count`. */
  truncate(count: number): void {
    if (count >= this.count) return
    this.count = count
    if (count > this.#stored) return
    this.#stored = count
    this.#tail = undefined
    this.#kept = this.#kept?.subarray(0, count * this.width)
    this.#ends = undefined
  }

  /** The entries from `from` on, as they are in the file. */
  bytes(from: number): Uint8Array {
    const inMemory = Math.max(from, this.#stored) - this.#stored
    const tail = this.#tail?.subarray(inMemory * this.width, this.pending * this.width)
    if (from >= this.#stored) return tail ?? new Uint8Array(0)
    const position = from * this.width
    const stored = this.#source!.read(position, this.#stored * this.width - position)
    return tail === undefined ? stored : Buffer.concat([stored, tail])
  }

  /** The file has the first `count` entries now: memory need not. */
  noteStored(count: number, source: IndexSource): void {
    const pending = this.count - count
    const from = (count - this.#stored) * this.width
    const tail = this.#tail
    this.#tail =
      pending > 0 ? Buffer.from(tail!.subarray(from, from + pending * this.width)) : undefined
    this.#stored = count
    this.#source = source
    this.#kept = undefined
    this.#ends = undefined
  }

  /** Lets go of what can be read again. */
  forgetKept(): void {
    this.#kept = undefined
    this.#ends = undefined
    this.#uses = 0
  }

  #keep(): Buffer | undefined {
    const bytes = this.#stored * this.width
    if (++this.#uses < usesBeforeKept && bytes > smallBytes) return undefined
    if (!this.#source!.reserve(bytes)) return undefined
    const kept = this.#source!.read(0, bytes)
    // Opening the file may have made this segment write what was pending: there is more now.
    if (bytes === this.#stored * this.width) this.#kept = kept
    return kept
  }

  #readEnds(): Buffer {
    const first = this.#source!.read(0, this.width)
    const last = this.#source!.read((this.#stored - 1) * this.width, this.width)
    return Buffer.concat([first, last])
  }

  #bisect(bytes: Buffer, count: number, wanted: { value: number; key: EntryKey }): number {
    const { value, key } = wanted
    const width = this.width
    let low = 0
    let high = count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (key(bytes, middle * width) <= value) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  #floorStored(value: number, key: EntryKey): number {
    let low = 0
    const ends = (this.#ends ??= this.#readEnds())
    let high = this.#stored
    let lowKey = key(ends, 0)
    let highKey = key(ends, this.width)
    if (value < lowKey) return -1
    if (value >= highKey) return high - 1
    for (let guesses = 0; low < high; guesses++) {
      const share = guesses < maxGuesses ? (value - lowKey) / (highKey - lowKey) : 0.5
      const guess = low + Math.floor(share * (high - low)) - (pieceEntries >> 1)
      // A garbled key makes any guess; it has to stay within.
      const from = Math.min(Math.max(low, guess), Math.max(low, high - pieceEntries)) || low
      const count = Math.min(pieceEntries, high - from)
      const piece = this.#source!.read(from * this.width, count * this.width)
      const found = this.#bisect(piece, count, { value, key })
      if (found >= 0 && found < count - 1) return from + found
      if (found === -1) {
        high = from
        highKey = key(piece, 0)
      } else {
        low = from + count
        lowKey = key(piece, (count - 1) * this.width)
      }
    }
    return low - 1
  }
}
