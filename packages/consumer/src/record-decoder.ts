import { ClientError, type Serde, type TopicDefinition } from '@kfk/client'
import { sendDeadLetter } from './dead-letters.js'
import type { FetchedRecord } from './fetched-record.js'
import type { ConsumerSettings, Subscription } from './options.js'
import type { TopicPartition } from './topic-partition.js'
import { TypedRecord } from './typed-record.js'

type OnInvalid = NonNullable<ConsumerSettings<Subscription>['onInvalid']>

/** A record as the application gets it, with its offset as a number. */
export type ReadableRecord = FetchedRecord | TypedRecord

/** Records as the application gets them. */
export interface ReadableRecords {
  readonly records: readonly ReadableRecord[]
  /**
   * Why the record after the last one cannot be read, when `onInvalid` says to throw: to be thrown
   * after them.
   */
  readonly failure?: { readonly error: unknown; readonly offset: number }
}

/** Turns what was fetched into what the application asked for. */
export class RecordDecoder {
  readonly #topics: ReadonlyMap<string, TopicDefinition>
  readonly #onInvalid: OnInvalid

  constructor(topics: readonly Subscription[], onInvalid: OnInvalid) {
    const typed = topics.filter((topic) => typeof topic !== 'string')
    this.#topics = new Map(typed.map((topic) => [topic.name, topic as unknown as TopicDefinition]))
    this.#onInvalid = onInvalid
  }

  /** Its records are as they were fetched: no serde reads them. */
  isPlain({ topic }: TopicPartition): boolean {
    return !this.#topics.has(topic)
  }

  /**
   * The records in order, up to the first that must not be passed over. Returns a promise only if a
   * serde does.
   */
  decode(
    place: TopicPartition,
    records: readonly FetchedRecord[],
  ): ReadableRecords | Promise<ReadableRecords> {
    const definition = this.#topics.get(place.topic)
    if (definition === undefined) return { records }
    const decoding = new Decoding(definition, this.#onInvalid)
    for (const [index, each] of records.entries()) {
      const done = decoding.add(each)
      if (done instanceof Promise) return decoding.rest(done, records.slice(index + 1))
      if (!done) break
    }
    return decoding.result
  }
}

/** The decoding of one run of records. */
class Decoding {
  readonly #definition: TopicDefinition
  readonly #onInvalid: OnInvalid
  readonly #records: ReadableRecord[] = []
  #failure: ReadableRecords['failure']

  constructor(definition: TopicDefinition, onInvalid: OnInvalid) {
    this.#definition = definition
    this.#onInvalid = onInvalid
  }

  get result(): ReadableRecords {
    const failure = this.#failure
    return { records: this.#records, ...(failure && { failure }) }
  }

  /** False when the run ends here. */
  add(raw: FetchedRecord): boolean | Promise<boolean> {
    let part: 'key' | 'value' = 'key'
    let key: unknown
    try {
      key = read(this.#definition.key, raw.key)
      part = 'value'
      const value = read(this.#definition.value, raw.value)
      if (key instanceof Promise || value instanceof Promise) {
        return this.#addLater(raw, key, value)
      }
      return this.#push(new TypedRecord(raw, key, value))
    } catch (cause) {
      // The value has failed already: nobody waits for the key any more.
      if (key instanceof Promise) key.catch(() => undefined)
      return this.#invalid(raw, cause, part)
    }
  }

  async rest(first: Promise<boolean>, records: readonly FetchedRecord[]): Promise<ReadableRecords> {
    let goOn = await first
    for (const each of records) {
      if (!goOn) break
      goOn = await this.add(each)
    }
    return this.result
  }

  async #addLater(raw: FetchedRecord, key: unknown, value: unknown): Promise<boolean> {
    const [readKey, readValue] = await Promise.allSettled([key, value])
    if (readKey.status === 'rejected') return this.#invalid(raw, readKey.reason, 'key')
    if (readValue.status === 'rejected') return this.#invalid(raw, readValue.reason, 'value')
    return this.#push(new TypedRecord(raw, readKey.value, readValue.value))
  }

  #push(record: TypedRecord): boolean {
    this.#records.push(record)
    return true
  }

  #invalid(raw: FetchedRecord, cause: unknown, part: 'key' | 'value'): boolean | Promise<boolean> {
    // The record may be sound: what its serde needs to read it is away. It is not passed over.
    if (cause instanceof ClientError && cause.retriable) {
      this.#failure = { error: cause, offset: raw.position }
      return false
    }
    if (this.#onInvalid === 'skip') return true
    const error = invalidRecord(raw, cause, part)
    const refuses = (thrown: unknown): false => {
      this.#failure = { error: thrown, offset: raw.position }
      return false
    }
    if (typeof this.#onInvalid === 'object') {
      return sendDeadLetter(this.#onInvalid, raw, error).then(() => true, refuses)
    }
    try {
      if (this.#onInvalid === 'throw') throw error
      this.#onInvalid(error, raw)
      return true
    } catch (thrown) {
      return refuses(thrown)
    }
  }
}

function invalidRecord(raw: FetchedRecord, cause: unknown, part: 'key' | 'value'): ClientError {
  const { topic, partition, offset } = raw
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ClientError(
    'KFK_CLIENT_INVALID_DATA',
    `The ${part} of ${topic}-${partition} at offset ${offset} is invalid: ${reason}. See \`onInvalid\`, or seek past it.`,
    { cause, details: { topic, partition, offset, part } },
  )
}

function read(serde: Serde<unknown>, data: Uint8Array | null): unknown {
  return data === null ? null : serde.deserialize(data)
}
