import { CompressionTypes } from './enums.js'

/** Makes what compresses and decompresses in kafkajs. */
export type CodecFactory = () => unknown

/**
 * Where kafkajs's programs register codecs that they have installed. All four are built in here:
 * what is registered is kept, and not used.
 */
export const CompressionCodecs: Record<
  CompressionTypes.GZIP | CompressionTypes.Snappy | CompressionTypes.LZ4 | CompressionTypes.ZSTD,
  CodecFactory
> = {
  [CompressionTypes.GZIP]: () => undefined,
  [CompressionTypes.Snappy]: () => undefined,
  [CompressionTypes.LZ4]: () => undefined,
  [CompressionTypes.ZSTD]: () => undefined,
}
