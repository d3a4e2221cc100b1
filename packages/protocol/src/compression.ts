import { ProtocolError } from './errors.js'
import { COMPRESSION_MASK } from './records/layout.js'

/** How the records of a batch are compressed; the position is Kafka's number for it. */
export type CompressionType = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Compression types in the order of their numbers in the batch attributes. */
export const compressionTypes: readonly CompressionType[] = [
  'none',
  'gzip',
  'snappy',
  'lz4',
  'zstd',
]

/**
 * The compression type in a batch's attributes. ProtocolError UNSUPPORTED_COMPRESSION for 5 to 7.
 */
export function compressionTypeOf(attributes: number): CompressionType {
  const type = compressionTypes[attributes & COMPRESSION_MASK]
  if (type !== undefined) return type
  const number = attributes & COMPRESSION_MASK
  throw new ProtocolError(
    'KFK_PROTOCOL_UNSUPPORTED_COMPRESSION',
    `unknown compression type ${number}`,
  )
}

/** The number of a compression type in the batch attributes. */
export function compressionNumber(type: CompressionType): number {
  return compressionTypes.indexOf(type)
}

/** Compression in another thread. */
export interface ApartCompression {
  /** Fewer bytes are compressed sooner than handed over. */
  readonly minBytes: number
  /** `bytes` must not change until the promise is settled. */
  compress(bytes: Uint8Array, level?: number): Promise<Uint8Array>
}

/** One compression format. What is synchronous keeps nothing of its input. */
export interface CompressionCodec {
  /** @param level the format's own level; ignored by snappy and lz4 */
  compress(bytes: Uint8Array, level?: number): Uint8Array
  /**
   * The same in memory that the codec's next call overwrites: for who copies the output anyway. A
   * format that has no such memory leaves it out.
   */
  compressBriefly?(bytes: Uint8Array, level?: number): Uint8Array
  /** The same in another thread, where there is one. */
  readonly apart?: ApartCompression | undefined
  /**
   * @throws ProtocolError TOO_LARGE when the output would be above `maxOutputBytes` (found out
   * before or while decoding, never by allocating it), MALFORMED when the bytes are not this format
   */
  decompress(bytes: Uint8Array, limit: { maxOutputBytes: number }): Uint8Array
}
