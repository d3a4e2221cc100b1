import { PlacedRecord, type RecordSource } from '@kfk/protocol'
import type { ConsumerRecord } from './consumer-record.js'
import type { TopicPartition } from './topic-partition.js'

const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * A record as it was fetched. Fields are made when they are asked for: most applications want the
 * value only. There is one object a record between the batch and the application, so it is small.
 */
export class FetchedRecord extends PlacedRecord implements ConsumerRecord {
  declare private readonly place: TopicPartition

  constructor(place: TopicPartition, source: RecordSource, numbers: Int32Array, at: number) {
    super(source, numbers, at)
    this.place = place
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

  get timestamp(): Date {
    return new Date(this.timestampMs)
  }

  [inspect](): ConsumerRecord<unknown, unknown> {
    const { topic, partition, offset, timestamp, key, value, headers } = this
    return { topic, partition, offset, timestamp, key, value, headers }
  }
}
