import type { CompressionCodec } from './compression.js'
import {
  compressBlock,
  decompressBlock,
  maxCompressedBlockBytes,
  readBlock,
  type SnappyBlock,
} from './compression-snappy-block.js'
import type { NativeBlockCodecSource } from './compression-native.js'
import { Workspace } from './compression-workspace.js'
import { ProtocolError } from './errors.js'
import { plainView, uninitialized } from './records/plain-view.js'
import { readInt32, writeInt32 } from './records/big-endian.js'

/**
 * Snappy in Xerial's framing, as Kafka writes it: a header `82 'SNAPPY' 00 | version 1 BE 32 |
 * compatible version 1 BE 32`, then blocks `size BE 32 | raw snappy` of 32 KB of input each. Raw
 * snappy without framing is read too (librdkafka and Go clients may send it).
 */
const XERIAL_HEADER = Uint8Array.of(
  0x82,
  0x53,
  0x4e,
  0x41,
  0x50,
  0x50,
  0x59,
  0,
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  1,
)
/** The first 8 bytes tell the framing; the versions follow. */
const XERIAL_MAGIC_BYTES = 8
const BLOCK_BYTES = 32 * 1024

function malformed(): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', 'not valid snappy')
}

function hasXerialMagic(bytes: Uint8Array, at: number): boolean {
  if (bytes.length - at < XERIAL_HEADER.length) return false
  for (let index = 0; index < XERIAL_MAGIC_BYTES; index++) {
    if (bytes[at + index] !== XERIAL_HEADER[index]) return false
  }
  return true
}

/** The blocks of `bytes`, whichever framing they have. */
function blocksOf(bytes: Uint8Array): SnappyBlock[] {
  if (!hasXerialMagic(bytes, 0)) return [readBlock(bytes, 0, bytes.length)]
  const blocks: SnappyBlock[] = []
  let at = XERIAL_HEADER.length
  while (at < bytes.length) {
    // Streams that were written one after another: each has its header.
    if (hasXerialMagic(bytes, at)) {
      at += XERIAL_HEADER.length
      continue
    }
    if (bytes.length - at < 4) throw malformed()
    const size = readInt32(bytes, at)
    at += 4
    if (size <= 0 || size > bytes.length - at) throw malformed()
    blocks.push(readBlock(bytes, at, at + size))
    at += size
  }
  return blocks
}

/**
 * Snappy in Xerial's framing over the raw codec in TypeScript, or a native one where there is one.
 */
export class SnappyCodec implements CompressionCodec {
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
    const most = XERIAL_HEADER.length + blocks * (4 + maxCompressedBlockBytes(BLOCK_BYTES))
    const output = this.output.atLeast(most)
    output.set(XERIAL_HEADER)
    let at = XERIAL_HEADER.length
    for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
      const end = Math.min(start + BLOCK_BYTES, bytes.length)
      const blockEnd = this.compressBlock(bytes, { start, end }, output, at + 4)
      writeInt32(output, at, blockEnd - at - 4)
      at = blockEnd
    }
    return output.subarray(0, at)
  }

  decompress(input: Uint8Array, limit: { maxOutputBytes: number }): Uint8Array {
    const bytes = plainView(input)
    const blocks = blocksOf(bytes)
    let total = 0
    for (const block of blocks) total += block.outputBytes
    if (total > limit.maxOutputBytes) {
      const message = `snappy output is ${total} bytes, above ${limit.maxOutputBytes}`
      throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', message)
    }
    const output = uninitialized(total)
    let at = 0
    for (const block of blocks) {
      this.decompressBlock(bytes, block, output, at)
      at += block.outputBytes
    }
    return output
  }

  private compressBlock(
    bytes: Uint8Array,
    range: { start: number; end: number },
    output: Uint8Array,
    at: number,
  ): number {
    const native = this.native()?.compress(bytes.subarray(range.start, range.end))
    if (native === undefined || native.length > output.length - at) {
      return compressBlock(bytes, range, output, at)
    }
    output.set(native, at)
    return at + native.length
  }

  /** The portable code has the last word on what is wrong. */
  private decompressBlock(
    bytes: Uint8Array,
    block: SnappyBlock,
    output: Uint8Array,
    at: number,
  ): void {
    const { outputBytes } = block
    const native = this.native()?.decompress(bytes.subarray(block.start, block.end), outputBytes)
    if (native?.length === outputBytes) output.set(native, at)
    else decompressBlock(bytes, block, output, at)
  }
}
