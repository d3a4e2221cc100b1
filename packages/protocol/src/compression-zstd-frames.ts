import { readInt32LE } from './compression-xxhash.js'
import { ProtocolError } from './errors.js'

/**
 * The structure of zstd frames (RFC 8878), walked without decoding: it says how far each frame
 * reaches and the most that it can expand to, before anything is allocated.
 *
 * ```
 * magic FD2FB528 LE | descriptor | window (1, unless single segment) | dictionary id (0-4)
 *                   | content size (0-8)
 * { block header LE 24: last (1 bit) | type (2) | size (21) | block }* | checksum (4, optional)
 * ```
 */
const MAGIC = 0xfd2fb528 | 0
const SKIPPABLE_MAGIC = 0x184d2a50
const MAX_BLOCK_BYTES = 128 * 1024
const BLOCK_RAW = 0
const BLOCK_RLE = 1
const BLOCK_COMPRESSED = 2

/** One frame within a larger array of bytes. */
export interface ZstdFrame {
  readonly start: number
  readonly end: number
  /** As the frame says, or -1 when it does not. */
  readonly contentBytes: number
  /** The most that its blocks can expand to; `contentBytes` is not above it. */
  readonly mostBytes: number
}

function malformed(reason: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', `not a valid zstd frame: ${reason}`)
}

function need(bytes: Uint8Array, at: number, count: number): void {
  if (bytes.length - at < count) throw malformed('cut short')
}

/** The frames of `bytes`, which must hold nothing else; skippable frames are left out. */
export function zstdFramesOf(bytes: Uint8Array): ZstdFrame[] {
  const frames: ZstdFrame[] = []
  let at = 0
  while (at < bytes.length) {
    need(bytes, at, 4)
    const magic = readInt32LE(bytes, at)
    if ((magic & ~0xf) === SKIPPABLE_MAGIC) {
      need(bytes, at, 8)
      const size = readInt32LE(bytes, at + 4) >>> 0
      need(bytes, at + 8, size)
      at += 8 + size
      continue
    }
    if (magic !== MAGIC) throw malformed('magic number')
    const frame = measureFrame(bytes, at)
    frames.push(frame)
    at = frame.end
  }
  if (frames.length === 0) throw malformed('empty')
  return frames
}

function measureFrame(bytes: Uint8Array, start: number): ZstdFrame {
  need(bytes, start, 6)
  const descriptor = bytes[start + 4]!
  const singleSegment = (descriptor & 0x20) !== 0
  const checksumBytes = (descriptor & 0x04) !== 0 ? 4 : 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!
  const sizeCode = descriptor >>> 6
  const sizeBytes = sizeCode === 0 ? (singleSegment ? 1 : 0) : 1 << sizeCode
  const sizeAt = start + 5 + (singleSegment ? 0 : 1) + dictionaryBytes
  need(bytes, sizeAt, sizeBytes)
  const contentBytes = sizeBytes === 0 ? -1 : readContentSize(bytes, sizeAt, sizeBytes)
  const blocks = measureBlocks(bytes, sizeAt + sizeBytes)
  if (contentBytes > blocks.mostBytes) throw malformed('content size')
  need(bytes, blocks.end, checksumBytes)
  const { mostBytes } = blocks
  return { start, end: blocks.end + checksumBytes, contentBytes, mostBytes }
}

/** The last block ends the frame. */
function measureBlocks(bytes: Uint8Array, start: number): { end: number; mostBytes: number } {
  let at = start
  let mostBytes = 0
  for (let last = false; !last;) {
    need(bytes, at, 3)
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    const type = (header >>> 1) & 3
    const size = header >>> 3
    last = (header & 1) !== 0
    if (type > BLOCK_COMPRESSED) throw malformed('reserved block type')
    if (size > MAX_BLOCK_BYTES) throw malformed('a block above 128 KB')
    const storedBytes = type === BLOCK_RLE ? 1 : size
    need(bytes, at + 3, storedBytes)
    at += 3 + storedBytes
    mostBytes += type === BLOCK_RAW || type === BLOCK_RLE ? size : MAX_BLOCK_BYTES
  }
  return { end: at, mostBytes }
}

function readContentSize(bytes: Uint8Array, at: number, sizeBytes: number): number {
  if (sizeBytes === 1) return bytes[at]!
  // Two bytes state the size less 256.
  if (sizeBytes === 2) return (bytes[at]! | (bytes[at + 1]! << 8)) + 256
  const low = readInt32LE(bytes, at) >>> 0
  if (sizeBytes === 4) return low
  return low + (readInt32LE(bytes, at + 4) >>> 0) * 0x1_0000_0000
}
