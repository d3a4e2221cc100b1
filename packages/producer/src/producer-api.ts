import type { TopicDefinition } from '@kfk/client'
import type { BatchMetadata, ProducerRecord, RecordMetadata } from './record.js'

export interface SendOptions<Each extends boolean = boolean> {
  /**
   * True: tells of each record where it is, which costs a promise and an object a record. Default
   * false: tells of the batch that it went into.
   */
  readonly each?: Each | undefined
  /**
   * Ends the wait with KFK_CLIENT_ABORTED. A record that has not entered the buffer is not sent;
   * one that has may still be delivered.
   */
  readonly signal?: AbortSignal | undefined
}

/** What a `send` tells of a record: its batch, or with `each` the record itself. */
export type Sent<Each extends boolean> = Each extends true ? RecordMetadata : BatchMetadata

export interface FlushOptions {
  /** Ends the wait with KFK_CLIENT_ABORTED; what was sent stays sent. */
  readonly signal?: AbortSignal | undefined
}

export interface CloseOptions {
  /** Bound of delivering what is left, in milliseconds. Default 30000. */
  readonly timeoutMs?: number
}

/**
 * Sends records. Records of one partition are appended in the order of the calls. All methods may
 * be called concurrently; errors are ClientErrors.
 */
export interface Producer extends AsyncDisposable {
  /**
   * Resolves when the record is acknowledged as `acks` says. Waits while the buffer is full.
   *
   * Records that go into one batch have one fate, and are told of it together: by one promise for
   * all who sent them, unless they ask for `each`, give a signal, or the record had to wait before
   * it entered a batch. Who sends and neither awaits nor catches is told of a failure by
   * `unhandledRejection`, but only if nobody else who sent a record of the batch heeds it: what
   * nobody waits for is for `post`.
   */
  send<Key, Value, Each extends boolean = false>(
    topic: TopicDefinition<Key, Value, unknown, unknown>,
    record: ProducerRecord<Key, Value>,
    options?: SendOptions<Each>,
  ): Promise<Sent<Each>>
  /**
   * Resolves when all are acknowledged: with the batches that they went into, in order, or with
   * `each` in the order of `records`. Rejects with the first failure, while others may have been
   * delivered.
   */
  send<Key, Value, Each extends boolean = false>(
    topic: TopicDefinition<Key, Value, unknown, unknown>,
    records: readonly ProducerRecord<Key, Value>[],
    options?: SendOptions<Each>,
  ): Promise<Sent<Each>[]>
  send<Each extends boolean = false>(
    topic: string,
    record: ProducerRecord,
    options?: SendOptions<Each>,
  ): Promise<Sent<Each>>
  send<Each extends boolean = false>(
    topic: string,
    records: readonly ProducerRecord[],
    options?: SendOptions<Each>,
  ): Promise<Sent<Each>[]>
  /**
   * Sends without telling the outcome; failures go to `onPostFailure`. Never waits: false says that
   * `await producer.ready` is due, because the brokers are behind (16 MiB are in the buffer, or a
   * quarter of it if that is more, or three quarters if that is less), or because a mebibyte was
   * posted in this turn of the event loop and nothing leaves before it has ended.
   * @throws ClientError KFK_CLIENT_BUFFER_FULL when it is full, _INVALID_DATA, _CLOSED
   */
  post<Key, Value>(
    topic: TopicDefinition<Key, Value, unknown, unknown>,
    record: ProducerRecord<Key, Value>,
  ): boolean
  post(topic: string, record: ProducerRecord): boolean
  /** Resolves when `post` may go on; at once if it may now. */
  readonly ready: Promise<void>
  /**
   * Resolves when every record sent so far is delivered or has failed; nothing lingers meanwhile.
   */
  flush(options?: FlushOptions): Promise<void>
  /**
   * Takes no more records, delivers what is left within the bound, fails the rest with
   * KFK_CLIENT_CLOSED. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>
}
