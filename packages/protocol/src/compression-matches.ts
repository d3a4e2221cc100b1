import { readInt32LE } from './compression-xxhash.js'

const HASH_BITS = 13
const HASH_SHIFT = 32 - HASH_BITS
/** Knuth's multiplier, as in the reference implementations of LZ4 and snappy. */
const HASH_MULTIPLIER = 2654435761 | 0

/**
 * After every 2^6 misses the search steps one byte further: incompressible data goes by quickly.
 */
const SKIP_TRIGGER = 6

/** Position + 1 where a hash was last seen. One for all: compression is synchronous. */
const hashTable = new Int32Array(1 << HASH_BITS)

/** The shortest match. */
export const MIN_MATCH = 4
/** LZ4 wants the last 5 bytes to be literals and no match to begin in the last 12. */
const LAST_LITERALS = 5
const MATCH_LIMIT = 12
/** What 16 bits of offset reach. */
const MAX_OFFSET = 0xffff

/**
 * Finds repetitions in `source[start, end)` from left to right, within that range only (so blocks
 * stay independent). Greedy, one candidate per hash. The same input always gives the same matches.
 */
export class MatchFinder {
  private readonly source: Uint8Array
  private readonly start: number
  private readonly end: number
  /** Where the search goes on, and where the literals since the last match begin. */
  anchor: number
  /** Of the match found: where it begins, how far back its copy lies, and its length. */
  position: number
  offset = 0
  length = 0

  constructor(source: Uint8Array, start: number, end: number) {
    this.source = source
    this.start = start
    this.end = end
    this.anchor = start
    this.position = start
    hashTable.fill(0)
  }

  /** Finds the next match; false when only literals from `anchor` on are left. */
  next(): boolean {
    const { source, start } = this
    this.anchor = this.position + this.length
    const lastMatch = this.end - MATCH_LIMIT
    let position = this.anchor
    for (let misses = 1 << SKIP_TRIGGER; position <= lastMatch; misses++) {
      const sequence = readInt32LE(source, position)
      const hash = Math.imul(sequence, HASH_MULTIPLIER) >>> HASH_SHIFT
      const candidate = hashTable[hash]! - 1
      hashTable[hash] = position + 1
      if (
        candidate >= start &&
        position - candidate <= MAX_OFFSET &&
        readInt32LE(source, candidate) === sequence
      ) {
        this.extend(position, position - candidate)
        return true
      }
      position += misses >>> SKIP_TRIGGER
    }
    return false
  }

  /** Extends the match of 4 bytes at `found` in both directions. */
  private extend(found: number, offset: number): void {
    const { source, anchor } = this
    const matchEnd = this.end - LAST_LITERALS
    let matched = found + MIN_MATCH
    while (matched < matchEnd && source[matched] === source[matched - offset]) matched++
    let position = found
    const least = Math.max(anchor, this.start + offset)
    while (position > least && source[position - 1] === source[position - offset - 1]) position--
    this.position = position
    this.offset = offset
    this.length = matched - position
  }
}

/** From this length on the engine's own copying is faster than a loop (measured). */
export const LONG_COPY = 32

/** Copies `source[from, from + length)` to `target[to]`; the arrays differ. */
export function copyLiterals(
  source: Uint8Array,
  range: { from: number; length: number },
  target: Uint8Array,
  to: number,
): void {
  const { from, length } = range
  if (length >= LONG_COPY) {
    target.set(source.subarray(from, from + length), to)
    return
  }
  for (let index = 0; index < length; index++) target[to + index] = source[from + index]!
}

/**
 * Copies `length` bytes from `offset` bytes back; the ranges may overlap, which repeats a pattern.
 */
export function copyMatch(bytes: Uint8Array, to: number, offset: number, length: number): void {
  if (length >= LONG_COPY) {
    copyLongMatch(bytes, to, offset, length)
    return
  }
  const end = to + length
  let from = to - offset
  if (offset >= 4) {
    // Four at a time, read before they are written: a third faster than one by one.
    for (const last = end - 3; to < last; to += 4, from += 4) {
      const a = bytes[from]!
      const b = bytes[from + 1]!
      const c = bytes[from + 2]!
      const d = bytes[from + 3]!
      bytes[to] = a
      bytes[to + 1] = b
      bytes[to + 2] = c
      bytes[to + 3] = d
    }
  }
  while (to < end) bytes[to++] = bytes[from++]!
}

function copyLongMatch(bytes: Uint8Array, to: number, offset: number, length: number): void {
  const from = to - offset
  if (offset >= length) {
    bytes.copyWithin(to, from, from + length)
    return
  }
  // What is written already is part of the pattern: each step copies twice as much as the one
  // before.
  const end = to + length
  for (let at = to; at < end;) {
    const part = Math.min(at - from, end - at)
    bytes.copyWithin(at, from, from + part)
    at += part
  }
}
