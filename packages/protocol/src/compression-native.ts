import { optionalPeer } from './records/optional-peer.js'

/**
 * A native codec of single blocks, used when its package is installed: three to five times as fast
 * as the portable code on 64 KB of JSON. Undefined means "not here, not this one": the portable
 * codec does it, or says what is wrong.
 */
export interface NativeBlockCodec {
  compress(block: Uint8Array): Uint8Array | undefined
  /** @param maxBytes what the block may expand to; the package allocates no more */
  decompress(block: Uint8Array, maxBytes: number): Uint8Array | undefined
}

/** Finds the codec at first use, and remembers when there is none. */
export type NativeBlockCodecSource = () => NativeBlockCodec | undefined

/** Smaller blocks are as fast without the call into native code. */
const NATIVE_MIN_BYTES = 1024

interface Lz4Napi {
  /** Both put the output's size, LE 32, before the block. */
  compressSync(input: Buffer): Buffer
  uncompressSync(input: Buffer): Buffer
}

interface SnappyNapi {
  compressSync(input: Buffer, options: SnappyOptions): Buffer
  uncompressSync(input: Buffer, options: SnappyOptions): Buffer
}

interface SnappyOptions {
  readonly copyOutputData: boolean
}

/** A buffer of memory that is not V8's own costs 0.1 ms in the end, to copy a block 0.003. */
const snappyOptions: SnappyOptions = { copyOutputData: true }

function once(load: () => NativeBlockCodec | undefined): NativeBlockCodecSource {
  let loaded = false
  let codec: NativeBlockCodec | undefined
  return () => {
    if (!loaded) codec = load()
    loaded = true
    return codec
  }
}

function attempt(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** LZ4 blocks by lz4-napi. */
export const nativeLz4: NativeBlockCodecSource = once(() => {
  const lz4 = optionalPeer<Lz4Napi>('lz4-napi')
  return (
    lz4 && {
      compress(block) {
        if (block.length < NATIVE_MIN_BYTES) return undefined
        return attempt(() => lz4.compressSync(bufferOf(block)).subarray(4))
      },
      decompress(block, maxBytes) {
        if (block.length < NATIVE_MIN_BYTES) return undefined
        const input = Buffer.allocUnsafe(4 + block.length)
        input.writeUInt32LE(maxBytes, 0)
        input.set(block, 4)
        return attempt(() => lz4.uncompressSync(input))
      },
    }
  )
})

/** Raw snappy blocks by snappy. The caller has checked the size that the block claims. */
export const nativeSnappy: NativeBlockCodecSource = once(() => {
  const snappy = optionalPeer<SnappyNapi>('snappy')
  return (
    snappy && {
      compress(block) {
        if (block.length < NATIVE_MIN_BYTES) return undefined
        return attempt(() => snappy.compressSync(bufferOf(block), snappyOptions))
      },
      decompress(block) {
        if (block.length < NATIVE_MIN_BYTES) return undefined
        return attempt(() => snappy.uncompressSync(bufferOf(block), snappyOptions))
      },
    }
  )
})
