import { copyLiterals, copyMatch, LONG_COPY, MatchFinder } from './compression-matches.js'
import { ProtocolError } from './errors.js'

/**
 * Raw snappy: varint of the output's length, then elements. The low two bits of an element's tag
 * say: 0 literal, 1 copy with an 11-bit offset, 2 a 16-bit offset, 3 a 32-bit offset.
 */

/** A 3-byte copy gives at most 64 bytes; so no element expands more than 22 times. */
const MAX_EXPANSION = 22
/** The longest copy that one element holds. */
const MAX_COPY = 64
/** Copies of 4 to 11 bytes from less than this far back take two bytes instead of three. */
const SHORT_OFFSET = 2048

/** The most that a block of `inputBytes` (at most 64 KB) can compress to. */
export function maxCompressedBlockBytes(inputBytes: number): number {
  return 32 + inputBytes + Math.ceil(inputBytes / 6)
}

function malformed(): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', 'not valid snappy')
}

function writeLiterals(
  source: Uint8Array,
  range: { from: number; length: number },
  target: Uint8Array,
  at: number,
): number {
  const { length } = range
  if (length === 0) return at
  const rest = length - 1
  if (rest < 60) {
    target[at++] = rest << 2
  } else if (rest < 0x100) {
    target[at++] = 60 << 2
    target[at++] = rest
  } else {
    target[at++] = 61 << 2
    target[at++] = rest
    target[at++] = rest >>> 8
  }
  copyLiterals(source, range, target, at)
  return at + length
}

function writeCopy(target: Uint8Array, at: number, offset: number, length: number): number {
  // A remainder under 4 bytes would need the longer form: 60 first leaves at least 5.
  while (length > MAX_COPY) {
    const part = length < MAX_COPY + 4 ? MAX_COPY - 4 : MAX_COPY
    target[at] = ((part - 1) << 2) | 2
    target[at + 1] = offset
    target[at + 2] = offset >>> 8
    at += 3
    length -= part
  }
  if (length < 12 && offset < SHORT_OFFSET) {
    target[at] = ((offset >>> 8) << 5) | ((length - 4) << 2) | 1
    target[at + 1] = offset
    return at + 2
  }
  target[at] = ((length - 1) << 2) | 2
  target[at + 1] = offset
  target[at + 2] = offset >>> 8
  return at + 3
}

/**
 * Compresses `source[start, end)`, at most 64 KB, into one raw block at `target[at]`; returns where
 * it ends. `target` needs {@link maxCompressedBlockBytes} from there on.
 */
export function compressBlock(
  source: Uint8Array,
  range: { start: number; end: number },
  target: Uint8Array,
  at: number,
): number {
  let rest = range.end - range.start
  for (; rest >= 0x80; rest >>>= 7) target[at++] = rest | 0x80
  target[at++] = rest
  const matches = new MatchFinder(source, range.start, range.end)
  while (matches.next()) {
    const { anchor, position } = matches
    at = writeLiterals(source, { from: anchor, length: position - anchor }, target, at)
    at = writeCopy(target, at, matches.offset, matches.length)
  }
  const from = matches.anchor
  return writeLiterals(source, { from, length: range.end - from }, target, at)
}

/** A raw snappy block: where its elements lie, and the length it claims to expand to. */
export interface SnappyBlock {
  /** Where its length is stated. */
  readonly start: number
  readonly elementsAt: number
  readonly end: number
  readonly outputBytes: number
}

/** Reads a block's claimed length, and refuses one that its bytes cannot expand to. */
export function readBlock(bytes: Uint8Array, start: number, end: number): SnappyBlock {
  let outputBytes = 0
  for (let index = 0, at = start; index < 5 && at < end; index++, at++) {
    const byte = bytes[at]!
    // Integers only: one double would make the decoding loop four times as slow. The format's
    // unsigned 32 bits are not needed, a length of 2^31 is above every limit.
    if (index === 4 && byte > 0x07) break
    outputBytes |= (byte & 0x7f) << (7 * index)
    if (byte >= 0x80) continue
    // Refused before it is allocated: no input of this size expands to so much.
    if (outputBytes > (end - at - 1) * MAX_EXPANSION) break
    return { start, elementsAt: at + 1, end, outputBytes }
  }
  throw malformed()
}

/** The literal's length; `at` is after its tag. */
function literalLength(bytes: Uint8Array, at: number, block: SnappyBlock, tag: number): number {
  const short = tag >>> 2
  if (short < 60) return short + 1
  const extra = short - 59
  if (extra > block.end - at) throw malformed()
  let length = 0
  for (let index = 0; index < extra; index++) length |= bytes[at + index]! << (8 * index)
  // Above 2^30 the sign is near, and no block holds so much.
  if (length < 0 || length > 0x4000_0000) throw malformed()
  return length + 1
}

function copyOffset(bytes: Uint8Array, at: number, kind: number, tag: number): number {
  if (kind === 1) return ((tag & 0xe0) << 3) | bytes[at]!
  const low = bytes[at]! | (bytes[at + 1]! << 8)
  if (kind === 2) return low
  // Negative when above 2^31; the caller refuses it.
  return low | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** Writes the block's output at `output[start]`; it must be exactly as long as the block claims. */
export function decompressBlock(
  bytes: Uint8Array,
  block: SnappyBlock,
  output: Uint8Array,
  start: number,
): void {
  const { end } = block
  const limit = start + block.outputBytes
  let at = block.elementsAt
  let to = start
  while (at < end) {
    const tag = bytes[at++]!
    const kind = tag & 3
    if (kind === 0) {
      const length = literalLength(bytes, at, block, tag)
      if (tag >= 240) at += (tag >>> 2) - 59
      if (length > end - at || length > limit - to) throw malformed()
      if (length >= LONG_COPY) {
        output.set(bytes.subarray(at, at + length), to)
        at += length
        to += length
      } else {
        for (const stop = to + length; to < stop;) output[to++] = bytes[at++]!
      }
      continue
    }
    const offsetBytes = kind === 3 ? 4 : kind
    if (offsetBytes > end - at) throw malformed()
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const offset = copyOffset(bytes, at, kind, tag)
    at += offsetBytes
    if (offset <= 0 || offset > to - start || length > limit - to) throw malformed()
    copyMatch(output, to, offset, length)
    to += length
  }
  if (to !== limit) throw malformed()
}
