import { invalidData, type ClientError, type Serde, type TopicDefinition } from '@kfk/client'
import type { DecodedRecord } from '@kfk/protocol'
import type { ConsumerRecord } from './consumer-record.js'
import type { ConsumerSettings, Subscription } from './options.js'
import type { TopicPartition } from './topic-partition.js'

type AnyRecord = ConsumerRecord<unknown, unknown>
type AnyTopic = TopicDefinition

/** A record whose offset and time are made when they are asked for: most applications want the value only. */
class LazyConsumerRecord implements AnyRecord {
  constructor(
    private readonly place: TopicPartition,
    readonly key: unknown,
    readonly value: unknown,
    private readonly source: DecodedRecord,
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

  get headers(): ConsumerRecord['headers'] {
    return this.source.headers
  }
}

/** Turns what was fetched into what the application asked for. */
export class RecordDecoder {
  readonly #topics: ReadonlyMap<string, AnyTopic>
  readonly #onInvalid: NonNullable<ConsumerSettings<Subscription>['onInvalid']>

  constructor(
    topics: readonly Subscription[],
    onInvalid: NonNullable<ConsumerSettings<Subscription>['onInvalid']>,
  ) {
    const typed = topics.filter((topic) => typeof topic !== 'string')
    this.#topics = new Map(typed.map((topic) => [topic.name, topic as unknown as AnyTopic]))
    this.#onInvalid = onInvalid
  }

  /**
   * The records in order. Returns a promise only if a serde does. With `onInvalid: 'throw'` a bad record throws
   * KFK_CLIENT_INVALID_DATA; otherwise it is left out.
   */
  decode(
    place: TopicPartition,
    records: readonly DecodedRecord[],
  ): AnyRecord[] | Promise<AnyRecord[]> {
    const definition = this.#topics.get(place.topic)
    if (definition === undefined) {
      return records.map((each) => new LazyConsumerRecord(place, each.key, each.value, each))
    }
    const decoded: AnyRecord[] = []
    for (const [index, each] of records.entries()) {
      try {
        const key = read(definition.key, each.key)
        const value = read(definition.value, each.value)
        if (key instanceof Promise || value instanceof Promise) {
          return this.#decodeLater(definition, place, records.slice(index), decoded)
        }
        decoded.push(new LazyConsumerRecord(place, key, value, each))
      } catch (cause) {
        this.#invalid(cause, place, each)
      }
    }
    return decoded
  }

  async #decodeLater(
    definition: AnyTopic,
    place: TopicPartition,
    records: readonly DecodedRecord[],
    decoded: AnyRecord[],
  ): Promise<AnyRecord[]> {
    for (const each of records) {
      try {
        const key = await read(definition.key, each.key)
        const value = await read(definition.value, each.value)
        decoded.push(new LazyConsumerRecord(place, key, value, each))
      } catch (cause) {
        this.#invalid(cause, place, each)
      }
    }
    return decoded
  }

  #invalid(cause: unknown, place: TopicPartition, record: DecodedRecord): void {
    if (this.#onInvalid === 'skip') return
    const error: ClientError = invalidData(cause, { topic: place.topic, part: 'value' })
    if (this.#onInvalid === 'throw') throw error
    const raw = new LazyConsumerRecord(place, record.key, record.value, record)
    this.#onInvalid(error, raw as ConsumerRecord)
  }
}

function read(serde: Serde<unknown>, data: Uint8Array | null): unknown {
  return data === null ? null : serde.deserialize(data)
}
