import type { ConsumerRecord } from './consumer-record.js'
import type { FetchedRecord } from './fetched-record.js'

const inspect = Symbol.for('nodejs.util.inspect.custom')

/** A record whose key and value have gone through the serdes of their topic. */
export class TypedRecord implements ConsumerRecord<unknown, unknown> {
  constructor(
    private readonly raw: FetchedRecord,
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

  /** See {@link FetchedRecord.position}. */
  get position(): number {
    return this.raw.position
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
