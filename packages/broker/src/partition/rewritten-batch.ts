import {
  type BatchHeader,
  type CompressionType,
  decodeRecords,
  encodeRecordBatch,
  readBatchHeader,
} from '@kfk/protocol'

/** Other bytes to be appended than those that the client has sent. */
export class RewrittenBatch {
  readonly bytes: Uint8Array
  readonly header: BatchHeader

  constructor(bytes: Uint8Array, header: BatchHeader = readBatchHeader(bytes)) {
    this.bytes = bytes
    this.header = header
  }
}

/** How a topic wants its batches compressed. */
export interface TopicCompression {
  readonly type: CompressionType
  /** The codec's own; its default when undefined. */
  readonly level: number | undefined
}

/**
 * The batch with the same records, which bear their producer's times, compressed in another way.
 *
 * @throws ProtocolError when its records cannot be read
 */
export function recompressed(
  batch: { readonly bytes: Uint8Array; readonly header: BatchHeader },
  compression: TopicCompression,
  maxDecompressedBytes: number,
): RewrittenBatch {
  const { bytes, header } = batch
  const records = decodeRecords(bytes, { verifyChecksum: false, maxDecompressedBytes })
  return new RewrittenBatch(
    encodeRecordBatch(records, {
      compression: compression.type,
      ...(compression.level !== undefined && { compressionLevel: compression.level }),
      transactional: header.isTransactional,
      producerId: header.producerId,
      producerEpoch: header.producerEpoch,
      baseSequence: header.baseSequence,
    }),
  )
}
