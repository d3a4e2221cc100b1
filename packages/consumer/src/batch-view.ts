import type { BatchCursor } from '@kfk/protocol'
import { ClientError } from '@kfk/client'
import type { BatchView, ConsumerRecord, RecordView } from './consumer-record.js'
import type { TopicPartition } from './topic-partition.js'

const inspect = Symbol.for('nodejs.util.inspect.custom')

/** The records of a fetched batch, from `wanted` on: those before it are passed over. */
export interface ReadableBatch {
  /** Before the first record of the batch, also of those that are passed over. */
  readonly cursor: BatchCursor
  readonly recordCount: number
  readonly wanted: number
}

export interface BatchViewOptions extends ReadableBatch {
  readonly place: TopicPartition
  readonly nextOffset: number
  readonly highWatermark: number
  readonly signal: AbortSignal
  readonly commit: () => Promise<void>
}

/** A batch as a handler gets it, until it is done with it. */
export class FetchedBatchView implements BatchView {
  readonly recordCount: number
  readonly bytes: Uint8Array
  readonly signal: AbortSignal
  readonly #options: BatchViewOptions
  #over = false

  constructor(options: BatchViewOptions) {
    this.recordCount = options.recordCount
    this.bytes = options.cursor.source.bytes
    this.signal = options.signal
    this.#options = options
  }

  get topic(): string {
    return this.#options.place.topic
  }

  get partition(): number {
    return this.#options.place.partition
  }

  get nextOffset(): bigint {
    return BigInt(this.#options.nextOffset)
  }

  get highWatermark(): bigint {
    return BigInt(this.#options.highWatermark)
  }

  get over(): boolean {
    return this.#over
  }

  /** The handler is done: the memory may be used again. */
  end(): void {
    this.#over = true
  }

  commit(): Promise<void> {
    return this.#options.commit()
  }

  [Symbol.iterator](): Iterator<RecordView> {
    const { place, cursor, wanted } = this.#options
    return new RecordSteps(this, new SteppingRecord(place, cursor.again()), wanted)
  }
}

/** One record after the other, each in the same object: a step allocates nothing. */
class RecordSteps implements Iterator<RecordView> {
  readonly #batch: FetchedBatchView
  readonly #record: SteppingRecord
  readonly #wanted: number
  readonly #result: { done: boolean; value: RecordView }
  readonly #cursor: BatchCursor

  constructor(batch: FetchedBatchView, record: SteppingRecord, wanted: number) {
    this.#batch = batch
    this.#record = record
    this.#cursor = record.cursor
    this.#wanted = wanted
    this.#result = { done: false, value: record }
  }

  next(): IteratorResult<RecordView, undefined> {
    if (this.#batch.over) throw overError()
    const cursor = this.#cursor
    while (cursor.advance()) {
      if (this.#record.position >= this.#wanted) {
        return this.#result as IteratorResult<RecordView, undefined>
      }
    }
    return { done: true, value: undefined }
  }
}

function overError(): ClientError {
  const message = 'A batch was read after its handler had returned: its memory is used again.'
  return new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
}

/** The record at which a cursor stands. */
class SteppingRecord implements RecordView {
  readonly cursor: BatchCursor
  readonly #place: TopicPartition

  constructor(place: TopicPartition, cursor: BatchCursor) {
    this.#place = place
    this.cursor = cursor
  }

  get topic(): string {
    return this.#place.topic
  }

  get partition(): number {
    return this.#place.partition
  }

  get offset(): bigint {
    return BigInt(this.position)
  }

  get position(): number {
    return this.cursor.source.baseOffset + this.cursor.offsetDelta
  }

  get timestamp(): Date {
    return new Date(this.timestampMs)
  }

  get timestampMs(): number {
    return this.cursor.source.timestamp(this.cursor.timestampDelta)
  }

  get keyStart(): number {
    return this.cursor.keyAt
  }

  get keyLength(): number {
    return this.cursor.keyLength
  }

  get valueStart(): number {
    return this.cursor.valueAt
  }

  get valueLength(): number {
    return this.cursor.valueLength
  }

  get key(): Uint8Array | null {
    return this.cursor.source.view(this.cursor.keyAt, this.cursor.keyLength)
  }

  get value(): Uint8Array | null {
    return this.cursor.source.view(this.cursor.valueAt, this.cursor.valueLength)
  }

  get headers(): ConsumerRecord['headers'] {
    return this.cursor.source.headers(this.cursor.valueAt, this.cursor.valueLength)
  }

  [inspect](): ConsumerRecord {
    const { topic, partition, offset, timestamp, key, value, headers } = this
    return { topic, partition, offset, timestamp, key, value, headers }
  }
}
