import type { RecordPlaces, RecordSource } from '@kfk/protocol'
import type { ConsumerRecord } from './consumer-record.js'
import type { TopicPartition } from './topic-partition.js'

const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * A record as it was fetched, where its parts lie in its batch. Fields are made when they are asked
 * for: most applications want the value only. There is one object a record between the batch and
 * the application, so this one is small, and declares what it would otherwise write twice.
 */
export class FetchedRecord implements ConsumerRecord {
  declare private readonly place: TopicPartition
  declare private readonly source: RecordSource
  declare private readonly offsetDelta: number
  declare private readonly timestampDelta: number
  declare private readonly keyAt: number
  declare private readonly keyLength: number
  declare private readonly valueAt: number
  declare private readonly valueLength: number

  constructor(place: TopicPartition, source: RecordSource, places: RecordPlaces) {
    this.place = place
    this.source = source
    this.offsetDelta = places.offsetDelta
    this.timestampDelta = places.timestampDelta
    this.keyAt = places.keyAt
    this.keyLength = places.keyLength
    this.valueAt = places.valueAt
    this.valueLength = places.valueLength
  }

  get topic(): string {
    return this.place.topic
  }

  get partition(): number {
    return this.place.partition
  }

  get offset(): bigint {
    return BigInt(this.position)
  }

  /** The offset as a number, for those inside. */
  get position(): number {
    return this.source.baseOffset + this.offsetDelta
  }

  get timestamp(): Date {
    return new Date(this.source.timestamp(this.timestampDelta))
  }

  get key(): Uint8Array | null {
    return this.source.view(this.keyAt, this.keyLength)
  }

  get value(): Uint8Array | null {
    return this.source.view(this.valueAt, this.valueLength)
  }

  get headers(): ConsumerRecord['headers'] {
    return this.source.headers(this.valueAt, this.valueLength)
  }

  [inspect](): ConsumerRecord<unknown, unknown> {
    const { topic, partition, offset, timestamp, key, value, headers } = this
    return { topic, partition, offset, timestamp, key, value, headers }
  }
}
