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

/**
 * One record of a {@link BatchView}. The next step of the iteration makes the same object the next
 * record; what its fields have given is good until the handler is done with the batch.
 */
export interface RecordView extends ConsumerRecord {
  /** The offset as a number, which costs no object. */
  readonly position: number
  /** The timestamp in milliseconds since 1970, which costs no object. */
  readonly timestampMs: number
  /** Where the key begins in `bytes` of the batch. Of no meaning without a key. */
  readonly keyStart: number
  /** In bytes; -1 for a keyless record. */
  readonly keyLength: number
  /** Where the value begins in `bytes` of the batch. Of no meaning for a tombstone. */
  readonly valueStart: number
  /** In bytes; -1 for a tombstone. */
  readonly valueLength: number
}

/**
 * The records of one record batch as it lies in the log, for {@link Consumer.runBatches}. It, its
 * records, and all bytes of them are good until the handler has returned, or the promise that it
 * returned is settled: then the memory is used for other records. Copy what is to stay.
 */
export interface BatchView extends Iterable<RecordView> {
  readonly topic: string
  readonly partition: number
  readonly recordCount: number
  /** What keys and values lie in; decompressed, if the batch was compressed. */
  readonly bytes: Uint8Array
  /** Offset after the last record: what a commit of this batch stores. */
  readonly nextOffset: bigint
  /** The partition's high watermark when the batch was fetched. */
  readonly highWatermark: bigint
  /** Fires when the partition goes to another member. */
  readonly signal: AbortSignal
  /** Commits up to and including this batch now. See `Consumer.commit` for the errors. */
  commit(): Promise<void>
}
