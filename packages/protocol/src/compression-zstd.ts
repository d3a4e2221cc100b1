import * as zlib from 'node:zlib'
import type { CompressionCodec } from './compression.js'
import { isOutputLimitError } from './compression-gzip.js'
import { loadZstdWasm, type ZstdEngine } from './compression-zstd-wasm.js'
import { zstdFramesOf, type ZstdFrame } from './compression-zstd-frames.js'
import { ProtocolError } from './errors.js'

/** zstd's and Kafka's default level. */
const DEFAULT_LEVEL = 3

/** zstd in node:zlib, from Node 22.15 on; the types of older versions do not know it. */
interface ZlibZstd {
  readonly zstdCompressSync?: (
    bytes: Uint8Array,
    options: { params: Record<number, number> },
  ) => Uint8Array
  readonly zstdDecompressSync?: (
    bytes: Uint8Array,
    options: { maxOutputLength: number },
  ) => Uint8Array
  readonly constants: { readonly ZSTD_c_compressionLevel?: number }
}

let engine: ZstdEngine | undefined

/** The engine: node:zlib where it has zstd, else WASM, loaded at first use (about 10 ms). */
export function zstdEngine(): ZstdEngine {
  engine ??= zlibEngine(zlib as unknown as ZlibZstd) ?? loadWasm()
  return engine
}

function loadWasm(): ZstdEngine {
  try {
    return loadZstdWasm()
  } catch (cause) {
    const message = 'zstd is not available: @bokuweb/zstd-wasm does not load'
    throw new ProtocolError('KFK_PROTOCOL_UNSUPPORTED_COMPRESSION', message, { cause })
  }
}

function zlibEngine(module: ZlibZstd): ZstdEngine | undefined {
  const { zstdCompressSync, zstdDecompressSync } = module
  const levelParameter = module.constants.ZSTD_c_compressionLevel
  if (!zstdCompressSync || !zstdDecompressSync || levelParameter === undefined) return undefined
  const compress = (bytes: Uint8Array, level: number): Uint8Array =>
    zstdCompressSync(bytes, { params: { [levelParameter]: level } })
  return {
    compress,
    compressBriefly: compress,
    decompressFrame(frame, capacity) {
      try {
        const output = zstdDecompressSync(frame, { maxOutputLength: Math.max(1, capacity) })
        return output.length > capacity ? 'tooLarge' : output
      } catch (cause) {
        if (isOutputLimitError(cause)) return 'tooLarge'
        throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'not valid zstd', { cause })
      }
    },
  }
}

/** zstd frames (RFC 8878), one after another, with or without a content size. */
export const zstdCodec: CompressionCodec = {
  compress(bytes, level = DEFAULT_LEVEL) {
    return zstdEngine().compress(bytes, level)
  },

  compressBriefly(bytes, level = DEFAULT_LEVEL) {
    return zstdEngine().compressBriefly(bytes, level)
  },

  decompress(bytes, { maxOutputBytes }) {
    const outputs: Uint8Array[] = []
    let total = 0
    for (const frame of zstdFramesOf(bytes)) {
      const output = decompressFrame(bytes, frame, maxOutputBytes - total)
      total += output.length
      outputs.push(output)
    }
    return outputs.length === 1 ? outputs[0]! : Buffer.concat(outputs, total)
  },
}

function decompressFrame(bytes: Uint8Array, frame: ZstdFrame, limit: number): Uint8Array {
  const capacity = frame.contentBytes >= 0 ? frame.contentBytes : Math.min(frame.mostBytes, limit)
  if (capacity <= limit) {
    const output = zstdEngine().decompressFrame(bytes.subarray(frame.start, frame.end), capacity)
    if (output !== 'tooLarge') return output
  }
  throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', `zstd output is above ${limit} bytes`)
}
