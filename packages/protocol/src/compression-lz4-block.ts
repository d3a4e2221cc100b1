import {
  copyLiterals,
  copyMatch,
  LONG_COPY,
  MatchFinder,
  MIN_MATCH,
} from './compression-matches.js'
import { ProtocolError } from './errors.js'

/**
 * The LZ4 block format: sequences of
 *
 * ```
 * token | literal length* | literals | offset LE 16 | match length*
 * ```
 *
 * The high half of a token is the literal length, the low half the match length less 4; 15 means
 * that bytes of 255 and a last smaller one follow. A block ends with literals only, at least 5, and
 * no match begins in its last 12 bytes.
 */

/** The most that a block of `inputBytes` can compress to. */
export function maxCompressedBlockBytes(inputBytes: number): number {
  return inputBytes + Math.ceil(inputBytes / 255) + 16
}

function writeLength(target: Uint8Array, at: number, rest: number): number {
  while (rest >= 255) {
    target[at++] = 255
    rest -= 255
  }
  target[at++] = rest
  return at
}

function writeLiterals(
  source: Uint8Array,
  range: { from: number; length: number },
  target: Uint8Array,
  at: number,
): number {
  const { length } = range
  if (length < 15) {
    target[at++] = length << 4
  } else {
    target[at++] = 0xf0
    at = writeLength(target, at, length - 15)
  }
  copyLiterals(source, range, target, at)
  return at + length
}

/**
 * Compresses `source[start, end)` into one block at `target[at]`, and returns where it ends.
 * `target` needs {@link maxCompressedBlockBytes} from there on. Equal input gives equal output.
 */
export function compressBlock(
  source: Uint8Array,
  range: { start: number; end: number },
  target: Uint8Array,
  at: number,
): number {
  const matches = new MatchFinder(source, range.start, range.end)
  while (matches.next()) {
    const { anchor, position, offset } = matches
    const token = at
    at = writeLiterals(source, { from: anchor, length: position - anchor }, target, at)
    target[at++] = offset
    target[at++] = offset >>> 8
    const rest = matches.length - MIN_MATCH
    if (rest < 15) {
      target[token]! |= rest
    } else {
      target[token]! |= 15
      at = writeLength(target, at, rest - 15)
    }
  }
  const from = matches.anchor
  return writeLiterals(source, { from, length: range.end - from }, target, at)
}

/** Where a block is decompressed to. */
export interface BlockOutput {
  readonly bytes: Uint8Array
  /** Where the block's first byte goes. */
  readonly at: number
  /** The block may not go beyond. */
  readonly limit: number
  /** The first byte that a match may copy from: `at`, or less when blocks are linked. */
  readonly historyStart: number
}

function malformed(): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', 'not a valid LZ4 block')
}

/**
 * Decompresses the block `source[start, end)`; returns where the output ends, or -1 when it would
 * go beyond `output.limit`. Every read and copy is checked, so hostile input costs at most the
 * output limit.
 *
 * @throws ProtocolError MALFORMED
 */
export function decompressBlock(
  source: Uint8Array,
  range: { start: number; end: number },
  output: BlockOutput,
): number {
  const { end } = range
  const { bytes, limit, historyStart } = output
  let position = range.start
  let to = output.at
  while (position < end) {
    const token = source[position++]!
    let literals = token >>> 4
    if (literals === 15) {
      let more = 255
      while (more === 255) {
        if (position >= end) throw malformed()
        more = source[position++]!
        literals += more
      }
    }
    if (literals > 0) {
      if (literals > end - position) throw malformed()
      if (literals > limit - to) return -1
      if (literals >= LONG_COPY) {
        bytes.set(source.subarray(position, position + literals), to)
        position += literals
        to += literals
      } else {
        for (const stop = to + literals; to < stop;) bytes[to++] = source[position++]!
      }
    }
    // A block ends after literals, with no match.
    if (position === end) return to
    if (end - position < 2) throw malformed()
    const offset = source[position]! | (source[position + 1]! << 8)
    position += 2
    if (offset === 0 || offset > to - historyStart) throw malformed()
    let length = (token & 15) + MIN_MATCH
    if (length === 15 + MIN_MATCH) {
      let more = 255
      while (more === 255) {
        if (position >= end) throw malformed()
        more = source[position++]!
        length += more
      }
    }
    if (length > limit - to) return -1
    copyMatch(bytes, to, offset, length)
    to += length
  }
  throw malformed()
}
