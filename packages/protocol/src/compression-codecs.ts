import type { ApartCompression, CompressionCodec, CompressionType } from './compression.js'
import { gzipCodec } from './compression-gzip.js'
import { Lz4Codec } from './compression-lz4.js'
import { nativeLz4, nativeSnappy } from './compression-native.js'
import { SnappyCodec } from './compression-snappy.js'
import { zstdCodec, zstdEngine } from './compression-zstd.js'
import { ProtocolError } from './errors.js'

/**
 * What a batch may expand to when the caller sets no limit: 64 MiB, far above what a producer's
 * batch holds (Kafka's default is 1 MiB on the wire) and far below what hurts a process.
 */
export const DEFAULT_MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024

const noneCodec: CompressionCodec = {
  compress: (bytes) => bytes,
  decompress(bytes, { maxOutputBytes }) {
    if (bytes.length <= maxOutputBytes) return bytes
    const message = `${bytes.length} bytes, above ${maxOutputBytes}`
    throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', message)
  },
}

const codecs: Readonly<Record<CompressionType, CompressionCodec>> = {
  none: noneCodec,
  gzip: gzipCodec,
  snappy: new SnappyCodec(nativeSnappy),
  lz4: new Lz4Codec(nativeLz4),
  zstd: zstdCodec,
}

function codecOf(type: CompressionType): CompressionCodec {
  // Callers in JavaScript, and configs, may name anything.
  if (Object.hasOwn(codecs, type)) return codecs[type]
  throw new ProtocolError('KFK_PROTOCOL_UNSUPPORTED_COMPRESSION', `no codec for ${type}`)
}

/** The registry of compression codecs. What is synchronous throws nothing but ProtocolErrors. */
export const compressionCodecs = {
  /** Compresses; `level` is the format's own (gzip 1-9, zstd 1-22) and its default when absent. */
  compress(type: CompressionType, bytes: Uint8Array, level?: number): Uint8Array {
    return codecOf(type).compress(bytes, level)
  },

  /** {@link compress} for a moment: the next call of this registry may overwrite the output. */
  compressBriefly(type: CompressionType, bytes: Uint8Array, level?: number): Uint8Array {
    const codec = codecOf(type)
    return codec.compressBriefly?.(bytes, level) ?? codec.compress(bytes, level)
  },

  /** Compression in another thread, so that the event loop is not held up; undefined: none here. */
  apart(type: CompressionType): ApartCompression | undefined {
    return codecOf(type).apart
  },

  /**
   * Decompresses to at most `maxOutputBytes`.
   *
   * @throws ProtocolError TOO_LARGE above the limit, MALFORMED when the bytes are not of this type,
   *   UNSUPPORTED_COMPRESSION when the type is not available
   */
  decompress(
    type: CompressionType,
    bytes: Uint8Array,
    limit: { maxOutputBytes: number } = { maxOutputBytes: DEFAULT_MAX_DECOMPRESSED_BYTES },
  ): Uint8Array {
    return codecOf(type).decompress(bytes, limit)
  },
}

/**
 * Loads what a compression type needs before its first use. Only zstd needs anything (WASM, about
 * 10 ms, on Node before 22.15); without this the first batch pays for it.
 *
 * @throws ProtocolError UNSUPPORTED_COMPRESSION when the type is unknown or cannot be loaded here
 */
export async function prepareCompression(type: CompressionType): Promise<void> {
  codecOf(type)
  if (type === 'zstd') zstdEngine()
}
