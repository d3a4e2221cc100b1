import type { DecodedRecord } from '@kfk/protocol'
import type { ConsumerRecord } from './consumer-record.js'
import type { TopicPartition } from './topic-partition.js'

const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * A record whose fields are made when they are asked for: most applications want the value only.
 */
export class LazyRecord implements ConsumerRecord {
  constructor(
    protected readonly place: TopicPartition,
    protected readonly source: DecodedRecord,
  ) {}

  get topic(): string {
    return this.place.topic
  }

  get partition(): number {
    return this.place.partition
  }

  get offset(): bigint {
    return BigInt(this.source.offset)
  }

  get timestamp(): Date {
    return new Date(this.source.timestamp)
  }

  get key(): Uint8Array | null {
    return this.source.key
  }

  get value(): Uint8Array | null {
    return this.source.value
  }

  get headers(): ConsumerRecord['headers'] {
    return this.source.headers
  }

  [inspect](): ConsumerRecord<unknown, unknown> {
    const { topic, partition, offset, timestamp, key, value, headers } = this
    return { topic, partition, offset, timestamp, key, value, headers }
  }
}

/** A record whose key and value have gone through the serdes of their topic. */
export class TypedRecord implements ConsumerRecord<unknown, unknown> {
  constructor(
    private readonly raw: LazyRecord,
    readonly key: unknown,
    readonly value: unknown,
  ) {}

  get topic(): string {
    return this.raw.topic
  }

  get partition(): number {
    return this.raw.partition
  }

  get offset(): bigint {
    return this.raw.offset
  }

  get timestamp(): Date {
    return this.raw.timestamp
  }

  get headers(): ConsumerRecord['headers'] {
    return this.raw.headers
  }

  [inspect](): ConsumerRecord<unknown, unknown> {
    const { topic, partition, offset, timestamp, key, value, headers } = this
    return { topic, partition, offset, timestamp, key, value, headers }
  }
}
