import type { CompressionCodec, CompressionType } from './compression.js'
import { ProtocolError } from './errors.js'

/**
 * What a batch may expand to when the caller sets no limit: 64 MiB, far above what a producer's
 * batch holds (Kafka's default is 1 MiB on the wire) and far below what hurts a process.
 */
export const DEFAULT_MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024

const codecs: Record<CompressionType, CompressionCodec | undefined> = {
  none: {
    compress: (bytes) => bytes,
    decompress(bytes, { maxOutputBytes }) {
      if (bytes.length > maxOutputBytes)
        throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', 'too large')
      return bytes
    },
  },
  gzip: undefined,
  snappy: undefined,
  lz4: undefined,
  zstd: undefined,
}

function codecOf(type: CompressionType): CompressionCodec {
  const codec = codecs[type]
  if (codec === undefined) {
    throw new ProtocolError('KFK_PROTOCOL_UNSUPPORTED_COMPRESSION', `no codec for ${type}`)
  }
  return codec
}

/** The registry of compression codecs. Synchronous; every error is a ProtocolError. */
export const compressionCodecs = {
  /** Compresses; `level` is the format's own (gzip 1-9, zstd 1-22) and its default when absent. */
  compress(type: CompressionType, bytes: Uint8Array, level?: number): Uint8Array {
    return codecOf(type).compress(bytes, level)
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

/** Loads what a compression type needs ahead of its first use (the WASM of zstd, where used). */
export async function prepareCompression(type: CompressionType): Promise<void> {
  codecOf(type)
}
