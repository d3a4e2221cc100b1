/** Touched longer ago, or further back, than this: the page cache may have let it go. */
const warmMs = 300_000
const warmBytes = 256 * 1024 ** 2
/** As many readers at different places of one file do not forget each other's. */
const mostRanges = 4
/** How far ahead of a sequential reader the page cache is trusted at most. */
const mostTrustBytes = 32 * 1024 ** 2
/** So near to a slow read a second one confirms it: whatever the kernel reads ahead is less. */
const confirmingBytes = 4 * 1024 ** 2
/** After so many quick reads a slow one elsewhere was slow for a reason of its own. */
const unrelatedReads = 8
/** For so long what lies behind slow reads is not trusted; each time it is slow again, longer. */
const doubtMs = 100
const mostDoubtMs = 10_000

/** Some part of a file that this process touched. */
interface Range {
  from: number
  to: number
  /** Up to here a sequential reader need not wait, by all that was seen so far. */
  presumedTo: number
  trustBytes: number
  touchedMs: number
  /** Where the last slow read of what was touched ended. */
  slowAt: number
  /** How many have been quick since. */
  quickReads: number
  doubt: Doubt | undefined
}

/** This part was touched, and reads of what lies before it had to wait all the same. */
interface Doubt {
  from: number
  readonly to: number
  readonly untilMs: number
  forMs: number
}

const nowhere: Range[] = []

/**
 * Which parts of a file the page cache is likely to have: what this process wrote and read, and
 * what lies ahead of a reader whose last reads did not have to wait. A guess: where it is wrong, a
 * read blocks, which is noticed and ends the trust.
 */
export class Warmth {
  /** Most recently touched last. */
  #ranges = nowhere

  has(from: number, to: number, nowMs: number): boolean {
    const range = this.#find(from, to, nowMs)
    if (range?.doubt === undefined) return range !== undefined
    const { doubt } = range
    return nowMs >= doubt.untilMs || to <= doubt.from || from >= doubt.to
  }

  noteWritten(from: number, to: number, nowMs: number): void {
    this.#touch(from, to, nowMs)
  }

  /** A read that may have waited, with the time that it took in all. */
  noteColdRead(from: number, to: number, times: { nowMs: number; durationMs: number }): void {
    const range = this.#touch(from, to, times.nowMs)
    const { doubt } = range
    if (doubt !== undefined && from <= doubt.from) doubt.from = Math.max(doubt.from, to)
    // One read says nothing: the next one must go on where it ended.
    const goesOn = range.from < from
    const atOnce = times.durationMs < 0.15 + (to - from) / 1.2e6
    this.#trust(range, goesOn && atOnce ? Math.max(range.trustBytes, to - from) : 0)
  }

  /** A read that `has` allowed. */
  noteWarmRead(from: number, to: number, times: { nowMs: number; durationMs: number }): void {
    const range = this.#find(from, from, times.nowMs)
    if (range === undefined) return
    const slow = times.durationMs > 0.5 + (to - from) / 0.5e6
    if (to > range.to) {
      range.to = to
      this.#trust(range, slow ? 0 : range.trustBytes)
    } else if (slow) this.#noteSlow(range, from, to, times.nowMs)
    else {
      range.quickReads++
      if (range.doubt !== undefined && from >= range.doubt.from) range.doubt.forMs /= 2
    }
  }

  /** The file was cut. */
  cut(sizeBytes: number): void {
    for (const range of this.#ranges) {
      range.to = Math.min(range.to, sizeBytes)
      range.presumedTo = Math.min(range.presumedTo, sizeBytes)
    }
    this.#ranges = this.#ranges.filter((range) => range.from < range.to)
  }

  clear(): void {
    this.#ranges = nowhere
  }

  #find(from: number, to: number, nowMs: number): Range | undefined {
    for (let at = this.#ranges.length - 1; at >= 0; at--) {
      const range = this.#ranges[at]!
      const within = from >= range.from && to <= range.presumedTo
      if (within && from >= range.to - warmBytes && nowMs - range.touchedMs < warmMs) return range
    }
    return undefined
  }

  #touch(from: number, to: number, nowMs: number): Range {
    const last = this.#ranges.length - 1
    for (let at = last; at >= 0; at--) {
      const range = this.#ranges[at]!
      if (from > range.to || to < range.from) continue
      range.from = Math.min(range.from, from)
      range.to = Math.max(range.to, to)
      range.presumedTo = Math.max(range.presumedTo, to)
      range.touchedMs = nowMs
      if (at !== last) this.#ranges.push(...this.#ranges.splice(at, 1))
      return range
    }
    if (this.#ranges === nowhere) this.#ranges = []
    if (this.#ranges.length === mostRanges) this.#ranges.shift()
    const range = {
      from,
      to,
      presumedTo: to,
      trustBytes: 0,
      touchedMs: nowMs,
      slowAt: -Infinity,
      quickReads: Infinity,
      doubt: undefined,
    }
    this.#ranges.push(range)
    return range
  }

  /**
   * One slow read of what was touched says nothing: the machine was busy. With another one, near it
   * or soon, the page cache has let it go after all, and most likely what comes after it, too. Time
   * tells, at the price of a read now and then.
   */
  #noteSlow(range: Range, from: number, to: number, nowMs: number): void {
    const isNear = Math.abs(from - range.slowAt) <= confirmingBytes
    const isConfirmed = isNear || range.quickReads < unrelatedReads
    range.slowAt = to
    range.quickReads = 0
    if (!isConfirmed) return
    const before = range.doubt?.forMs ?? 0
    const forMs = Math.min(Math.max(2 * before, doubtMs), mostDoubtMs)
    range.doubt = { from: to, to: range.to, untilMs: nowMs + forMs, forMs }
  }

  #trust(range: Range, bytes: number): void {
    range.trustBytes = Math.min(2 * bytes, mostTrustBytes)
    range.presumedTo = range.to + range.trustBytes
  }
}
