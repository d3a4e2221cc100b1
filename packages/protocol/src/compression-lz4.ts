import type { CompressionCodec } from './compression.js'
import {
  compressBlock,
  decompressBlock,
  maxCompressedBlockBytes,
  type BlockOutput,
} from './compression-lz4-block.js'
import type { NativeBlockCodecSource } from './compression-native.js'
import { readInt32LE, writeInt32LE, xxh32 } from './compression-xxhash.js'
import { Workspace } from './compression-workspace.js'
import { ProtocolError } from './errors.js'
import { plainView, uninitialized } from './records/plain-view.js'

/**
 * LZ4 frames, as Kafka writes them: independent blocks of 64 KB, no block checksums, no content
 * size, no content checksum (Kafka refuses to read linked blocks). All of these are read.
 *
 * ```
 * magic 04 22 4D 18 | FLG | BD | content size (8, optional) | HC = second byte of xxh32(FLG..)
 * { block size LE 32 (top bit: stored) | block | xxh32 (optional) }*
 * 0 LE 32 | xxh32 of content (optional)
 *
 * FLG, from the top bit: 01 version (2 bits) | independent blocks | block checksums | content size
 *                        | content checksum | 0 | dictionary id
 * ```
 */
const MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50
const FLG_VERSION = 0x40
const FLG_VERSION_MASK = 0xc0
const FLG_INDEPENDENT = 0x20
const FLG_BLOCK_CHECKSUM = 0x10
const FLG_CONTENT_SIZE = 0x08
const FLG_CONTENT_CHECKSUM = 0x04
const FLG_DICTIONARY = 0x01
const STORED_BIT = 0x8000_0000
/** BD's bits for a largest block of 64 KB; each step above is four times as much. */
const BLOCK_64K = 4
const BLOCK_BYTES = 64 * 1024
const HEADER_BYTES = 7
const SHARED_BYTES = 256 * 1024
/** Decompression is synchronous: one for all. */
let shared: Uint8Array | undefined
/** A block cannot expand to more than 255 times its size: a length byte stands for 255 bytes. */
const MAX_EXPANSION = 255

interface FrameHeader {
  readonly flags: number
  readonly maxBlockBytes: number
  /** -1 when the frame does not say. */
  readonly contentBytes: number
  readonly firstBlockAt: number
}

function malformed(reason: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', `not a valid LZ4 frame: ${reason}`)
}

function tooLarge(limit: number): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_TOO_LARGE', `LZ4 output is above ${limit} bytes`)
}

function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader {
  if (bytes.length - at < HEADER_BYTES) throw malformed('cut short')
  const flags = bytes[at + 4]!
  if ((flags & FLG_VERSION_MASK) !== FLG_VERSION) throw malformed('unknown version')
  if ((flags & FLG_DICTIONARY) !== 0) throw malformed('it needs a dictionary')
  const size = (bytes[at + 5]! >>> 4) & 7
  if (size < BLOCK_64K) throw malformed('unknown block size')
  const sized = (flags & FLG_CONTENT_SIZE) !== 0
  const checksumAt = at + 6 + (sized ? 8 : 0)
  if (checksumAt >= bytes.length) throw malformed('cut short')
  if (((xxh32(bytes, at + 4, checksumAt) >>> 8) & 0xff) !== bytes[checksumAt]) {
    throw malformed('header checksum')
  }
  const low = sized ? readInt32LE(bytes, at + 6) >>> 0 : -1
  const high = sized ? readInt32LE(bytes, at + 10) >>> 0 : 0
  return {
    flags,
    maxBlockBytes: BLOCK_BYTES << (2 * (size - BLOCK_64K)),
    contentBytes: low + high * 0x1_0000_0000,
    firstBlockAt: checksumAt + 1,
  }
}

/** The position after the frame and the most it can expand to, from its block sizes alone. */
function measureFrame(bytes: Uint8Array, header: FrameHeader): { end: number; mostBytes: number } {
  const { flags, maxBlockBytes } = header
  const trailer = (flags & FLG_BLOCK_CHECKSUM) === 0 ? 0 : 4
  let at = header.firstBlockAt
  let mostBytes = 0
  for (;;) {
    if (bytes.length - at < 4) throw malformed('cut short')
    const word = readInt32LE(bytes, at) >>> 0
    at += 4
    if (word === 0) break
    const stored = word >= STORED_BIT
    const size = stored ? word - STORED_BIT : word
    if (size > bytes.length - at) throw malformed('cut short')
    if (size > maxBlockBytes) throw malformed('a block above the largest size')
    mostBytes += stored ? size : Math.min(maxBlockBytes, size * MAX_EXPANSION)
    at += size + trailer
  }
  if ((flags & FLG_CONTENT_CHECKSUM) !== 0) at += 4
  if (at > bytes.length) throw malformed('cut short')
  return { end: at, mostBytes }
}

function checkContent(
  bytes: Uint8Array,
  header: FrameHeader,
  found: { checksumAt: number; content: Uint8Array },
): void {
  const { checksumAt, content } = found
  if (header.contentBytes >= 0 && header.contentBytes !== content.length) {
    throw malformed('content size')
  }
  if ((header.flags & FLG_CONTENT_CHECKSUM) === 0) return
  if (readInt32LE(bytes, checksumAt) >>> 0 !== xxh32(content)) throw malformed('content checksum')
}

/** The end of the skippable frame at `at`; -1 when there is none. */
function skippableEnd(bytes: Uint8Array, at: number): number {
  if ((readInt32LE(bytes, at) & ~0xf) !== SKIPPABLE_MAGIC) return -1
  if (bytes.length - at < 8) throw malformed('cut short')
  const end = at + 8 + (readInt32LE(bytes, at + 4) >>> 0)
  if (end > bytes.length) throw malformed('cut short')
  return end
}

/** All frames of `bytes`, which must hold nothing else. */
function framesOf(bytes: Uint8Array): { frames: FrameHeader[]; mostBytes: number } {
  const frames: FrameHeader[] = []
  let mostBytes = 0
  let at = 0
  while (at < bytes.length) {
    if (bytes.length - at < 4) throw malformed('cut short')
    const skipped = skippableEnd(bytes, at)
    if (skipped >= 0) {
      at = skipped
      continue
    }
    if (readInt32LE(bytes, at) !== MAGIC) throw malformed('magic number')
    const frame = readFrameHeader(bytes, at)
    const measured = measureFrame(bytes, frame)
    if (frame.contentBytes > measured.mostBytes) throw malformed('content size')
    mostBytes += frame.contentBytes >= 0 ? frame.contentBytes : measured.mostBytes
    at = measured.end
    frames.push(frame)
  }
  if (frames.length === 0) throw malformed('empty')
  return { frames, mostBytes }
}

/**
 * Frames that do not tell their size may expand a hundredfold: small ones go to a memory of their
 * own, kept between calls, so that the output holds no more than it needs.
 */
function workspace(bytes: number): Uint8Array {
  if (bytes > SHARED_BYTES) return uninitialized(bytes)
  shared ??= new Uint8Array(SHARED_BYTES)
  return shared.subarray(0, bytes)
}

/** LZ4 frames over the block codec in TypeScript, or a native one where there is one. */
export class Lz4Codec implements CompressionCodec {
  private readonly native: NativeBlockCodecSource
  private readonly output = new Workspace()

  constructor(native: NativeBlockCodecSource) {
    this.native = native
  }

  compress(input: Uint8Array): Uint8Array {
    return this.compressBriefly(input).slice()
  }

  compressBriefly(input: Uint8Array): Uint8Array {
    const bytes = plainView(input)
    const blocks = Math.ceil(bytes.length / BLOCK_BYTES)
    const output = this.output.atLeast(
      HEADER_BYTES + blocks * (4 + maxCompressedBlockBytes(BLOCK_BYTES)) + 4,
    )
    writeInt32LE(output, 0, MAGIC)
    output[4] = FLG_VERSION | FLG_INDEPENDENT
    output[5] = BLOCK_64K << 4
    output[6] = (xxh32(output, 4, 6) >>> 8) & 0xff
    let at = HEADER_BYTES
    for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
      const end = Math.min(start + BLOCK_BYTES, bytes.length)
      at = this.writeBlock(bytes, { start, end }, output, at)
    }
    writeInt32LE(output, at, 0)
    return output.subarray(0, at + 4)
  }

  decompress(input: Uint8Array, limit: { maxOutputBytes: number }): Uint8Array {
    const bytes = plainView(input)
    const { frames, mostBytes } = framesOf(bytes)
    const most = Math.min(mostBytes, limit.maxOutputBytes)
    const output = workspace(most)
    let to = 0
    for (const frame of frames) to = this.decompressFrame(bytes, frame, output, to)
    const roomy = most <= SHARED_BYTES || to < most / 2
    return roomy ? output.slice(0, to) : output.subarray(0, to)
  }

  /** Writes one block, stored as it is when compression does not make it smaller. */
  private writeBlock(
    bytes: Uint8Array,
    range: { start: number; end: number },
    output: Uint8Array,
    at: number,
  ): number {
    const input = bytes.subarray(range.start, range.end)
    const native = this.native()?.compress(input)
    let end = at + 4
    if (native === undefined) {
      end = compressBlock(bytes, range, output, end)
    } else if (native.length < input.length) {
      output.set(native, end)
      end += native.length
    }
    const length = end - at - 4
    if (length > 0 && length < input.length) {
      writeInt32LE(output, at, length)
      return end
    }
    writeInt32LE(output, at, input.length | STORED_BIT)
    output.set(input, at + 4)
    return at + 4 + input.length
  }

  /**
   * Decompresses the frame's blocks into `output` from `start` on; returns where the output ends.
   */
  private decompressFrame(
    bytes: Uint8Array,
    header: FrameHeader,
    output: Uint8Array,
    start: number,
  ): number {
    const { flags, maxBlockBytes } = header
    const independent = (flags & FLG_INDEPENDENT) !== 0
    let at = header.firstBlockAt
    let to = start
    for (;;) {
      const word = readInt32LE(bytes, at) >>> 0
      at += 4
      if (word === 0) break
      const stored = word >= STORED_BIT
      const range = { start: at, end: at + (stored ? word - STORED_BIT : word) }
      const limit = Math.min(output.length, to + maxBlockBytes)
      const target = { bytes: output, at: to, limit, historyStart: independent ? to : start }
      const blockEnd = stored
        ? copyStored(bytes, range, target)
        : this.decompressBlock(bytes, range, target)
      if (blockEnd < 0) {
        throw limit === output.length ? tooLarge(limit) : malformed('a block above its size')
      }
      to = blockEnd
      at = range.end
      if ((flags & FLG_BLOCK_CHECKSUM) !== 0) {
        const checksum = xxh32(bytes, range.start, range.end)
        if (readInt32LE(bytes, at) >>> 0 !== checksum) throw malformed('block checksum')
        at += 4
      }
    }
    checkContent(bytes, header, { checksumAt: at, content: output.subarray(start, to) })
    return to
  }

  /** Natively when the block stands alone; the portable code has the last word on what is wrong. */
  private decompressBlock(
    bytes: Uint8Array,
    range: { start: number; end: number },
    target: BlockOutput,
  ): number {
    if (target.historyStart === target.at) {
      const block = bytes.subarray(range.start, range.end)
      const native = this.native()?.decompress(block, target.limit - target.at)
      if (native !== undefined && native.length <= target.limit - target.at) {
        target.bytes.set(native, target.at)
        return target.at + native.length
      }
    }
    return decompressBlock(bytes, range, target)
  }
}

/** Copies a block that is stored as it is; -1 when it goes beyond the limit. */
function copyStored(
  bytes: Uint8Array,
  range: { start: number; end: number },
  target: BlockOutput,
): number {
  const length = range.end - range.start
  if (length > target.limit - target.at) return -1
  target.bytes.set(bytes.subarray(range.start, range.end), target.at)
  return target.at + length
}
