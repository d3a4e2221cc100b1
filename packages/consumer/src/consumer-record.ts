import type { RecordHeader } from '@kfk/protocol'

/**
 * One record as an application sees it. Bytes are views on the fetch answer that the record came
 * in, made when a field is read: a record or a view that is kept keeps the whole answer in memory,
 * which `prefetchBytes` counts until the record is processed only. Copy what is to stay for long.
 */
export interface ConsumerRecord<Key = Uint8Array | null, Value = Uint8Array | null> {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** When it happened (CreateTime) or was appended (LogAppendTime), as the topic is configured. */
  readonly timestamp: Date
  /** Null for a keyless record. */
  readonly key: Key
  /** Null for a tombstone. */
  readonly value: Value
  readonly headers: readonly RecordHeader[]
}

/** Records of one partition, in order. */
export interface RecordBatch<Key = Uint8Array | null, Value = Uint8Array | null> {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ConsumerRecord<Key, Value>[]
  /** Offset after the last record: what a commit of this batch stores. */
  readonly nextOffset: bigint
  /** The partition's high watermark when the batch was fetched. */
  readonly highWatermark: bigint
  /**
   * Fires when the partition goes to another member: what is not committed by then is read again
   * elsewhere.
   */
  readonly signal: AbortSignal
  /** Commits up to and including this batch now. See `Consumer.commit` for the errors. */
  commit(): Promise<void>
}
