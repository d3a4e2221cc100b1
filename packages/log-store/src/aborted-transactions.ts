import type { AbortedTransaction } from './log-tracker.js'
import { collectAborted } from './transaction-index.js'

type Entries = readonly AbortedTransaction[]

/** Entries of sealed segments that are kept in memory, per log. */
const segmentsKept = 16

/**
 * The transaction indexes of a log: which segments have one, and the entries of those that were
 * read lately. Segments without aborted transactions are not in it.
 */
export class AbortedTransactions {
  /** Base offsets of segments that have an index, ascending. */
  #bases: number[]
  readonly #loaded = new Map<number, AbortedTransaction[]>()
  /** Of which the file is not up to date. */
  readonly #dirty = new Set<number>()
  /** Base of a segment whose file has another name until `named`: its entries stay in memory. */
  #unnamed: number | undefined

  constructor(bases: readonly number[] = []) {
    this.#bases = [...bases]
  }

  get bases(): readonly number[] {
    return this.#bases
  }

  /** Bases whose file is not up to date, ascending. */
  get dirty(): number[] {
    return [...this.#dirty].sort((a, b) => a - b)
  }

  isDirty(base: number): boolean {
    return this.#dirty.has(base)
  }

  /** Undefined: not in memory. */
  loaded(base: number): Entries | undefined {
    return this.#loaded.get(base)
  }

  has(base: number): boolean {
    return this.#bases.includes(base)
  }

  /** Adds to the segment's entries, which must be in memory if it has any. */
  append(base: number, entry: AbortedTransaction): void {
    const entries = this.#loaded.get(base)
    if (entries !== undefined) entries.push(entry)
    else this.replace(base, [entry])
    this.#dirty.add(base)
  }

  /** The segment has these now; the file does not say so yet. */
  replace(base: number, entries: Entries): void {
    this.#note(base)
    this.#loaded.set(base, [...entries])
    this.#dirty.add(base)
  }

  /** Takes what was read from the file. */
  keep(base: number, entries: Entries): void {
    if (!this.has(base) || this.#loaded.has(base)) return
    this.#loaded.set(base, [...entries])
    this.#dropSurplus()
  }

  /** Lets go of what can be read again. */
  #dropSurplus(): void {
    let surplus = this.#loaded.size - this.#dirty.size - segmentsKept
    for (const other of this.#loaded.keys()) {
      if (surplus <= 0) return
      // The active segment's stays: appends add to it.
      if (this.#dirty.has(other) || other === this.#bases.at(-1)) continue
      if (other === this.#unnamed) continue
      this.#loaded.delete(other)
      surplus--
    }
  }

  /** The segment has these now; their file has another name until `named`. */
  replaced(base: number, entries: Entries): void {
    this.#note(base)
    this.#unnamed = base
    this.#loaded.set(base, [...entries])
  }

  /** The file has its own name. */
  named(): void {
    this.#unnamed = undefined
  }

  /** The file is up to date; without entries there is none. */
  saved(base: number): void {
    this.#dirty.delete(base)
    if (this.#loaded.get(base)?.length === 0) this.forget(base)
    else this.#dropSurplus()
  }

  forget(base: number): void {
    this.#bases = this.#bases.filter((other) => other !== base)
    this.#loaded.delete(base)
    this.#dirty.delete(base)
  }

  /**
   * Those with records or markers from `from` to below `to`; `base` is that of the segment that
   * holds `from`. Undefined: not all that is needed is in memory.
   */
  collect(range: {
    readonly base: number
    readonly from: number
    readonly to: number
  }): AbortedTransaction[] | undefined {
    const found: AbortedTransaction[] = []
    for (const base of this.#bases) {
      if (base < range.base) continue
      const entries = this.#loaded.get(base)
      if (entries === undefined) return undefined
      if (collectAborted(entries, range, found)) break
    }
    return found
  }

  #note(base: number): void {
    if (this.has(base)) return
    this.#bases = [...this.#bases, base].sort((a, b) => a - b)
  }
}
