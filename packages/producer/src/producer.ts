import { abortable, ClientError, createClient, delay, throwIfAborted } from '@kfk/client'
import type { Client } from '@kfk/client'
import { Admission } from './admission.js'
import { codecLoader } from './codec-loader.js'
import { ManyDelivery, SingleDelivery } from './delivery.js'
import type { Delivery } from './delivery.js'
import { IdempotenceState } from './idempotence-state.js'
import { resolveSettings } from './options.js'
import type { PostFailure, ProducerOptions, ResolvedSettings } from './options.js'
import { defaultPartitioner } from './partitioner.js'
import { PostPace } from './post-pace.js'
import type { ProducerBatch } from './producer-batch.js'
import type { CloseOptions, Producer, SendOptions } from './producer-api.js'
import { OutcomeWatch } from './outcome-watch.js'
import { ProducerIdSource } from './producer-id-source.js'
import { RecordAccumulator } from './record-accumulator.js'
import { RecordClock } from './record-clock.js'
import { emptyRecord, nameOf, serializeRecord } from './record.js'
import type {
  AnyRecord,
  AnyTopic,
  RecordMetadata,
  RecordScratch,
  SerializedRecord,
} from './record.js'
import { Sender } from './sender.js'
import { TopicCatalog } from './topic-catalog.js'

const defaultCloseTimeoutMs = 30_000
/** More than a broker remembers batches would make retries ambiguous (KIP-98). */
const maxInFlightRequests = 5
/**
 * Makes a producer, by default idempotent and with acks 'all'. Nothing is contacted before the
 * first record.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function createProducer(options: ProducerOptions): Producer {
  return new LogProducer(options)
}

class LogProducer implements Producer {
  readonly #client: Client
  readonly #ownsClient: boolean
  readonly #settings: ResolvedSettings
  readonly #accumulator: RecordAccumulator
  readonly #admission: Admission
  readonly #sender: Sender
  readonly #onPostFailure: (error: unknown, records: PostFailure) => void
  readonly #abort = new AbortController()
  readonly #outcomes = new OutcomeWatch()
  readonly #recordClock: RecordClock
  readonly #pace: PostPace
  #scratch: RecordScratch | undefined
  #closing: Promise<void> | undefined

  constructor(options: ProducerOptions) {
    const settings = resolveSettings(options)
    this.#settings = settings
    this.#ownsClient = !('client' in options)
    const client = 'client' in options ? options.client : createClient(options)
    this.#client = client
    this.#recordClock = new RecordClock(
      client.clock,
      () => this.#admission.lookAgain(),
      (ended) => (ended ? this.#pace.turnEnded() : this.#pace.turnBegins()),
    )
    this.#onPostFailure =
      options.onPostFailure ??
      ((error, records) => client.logger.warn('posted records were lost', { ...records, error }))
    const idempotence = settings.idempotent ? new IdempotenceState() : undefined
    this.#accumulator = new RecordAccumulator({
      ...settings,
      idempotence,
      clock: client.clock,
      partitioner: options.partitioner ?? defaultPartitioner(client.random),
    })
    this.#pace = new PostPace(this.#accumulator, settings.bufferBytes)
    const topics = this.#createTopics()
    this.#admission = this.#createAdmission(topics, options.partitioner === undefined)
    this.#sender = this.#createSender(topics, idempotence)
    this.#accumulator.onBatch = (batch) => this.#opened(batch)
    this.#accumulator.onFull = () => this.#sender.wake()
    this.#accumulator.onRoom = () => {
      this.#admission.drainAll()
      this.#pace.hasRoom()
    }
  }

  get ready(): Promise<void> {
    return this.#pace.ready()
  }

  send(topic: AnyTopic, record: AnyRecord, options?: SendOptions): Promise<RecordMetadata>
  send(
    topic: AnyTopic,
    records: readonly AnyRecord[],
    options?: SendOptions,
  ): Promise<RecordMetadata[]>
  send(
    topic: AnyTopic,
    input: AnyRecord | readonly AnyRecord[],
    options?: SendOptions,
  ): Promise<RecordMetadata> | Promise<RecordMetadata[]> {
    const signal = options?.signal
    if (isMany(input)) return this.#sendMany(topic, input, signal)
    return this.#sendOne(topic, input, signal)
  }

  post(topic: AnyTopic, record: AnyRecord): boolean {
    const { value } = record
    const follows =
      typeof topic === 'string' &&
      (value instanceof Uint8Array || typeof value === 'string') &&
      isPlain(record) &&
      this.#closing === undefined &&
      this.#recordClock.again() &&
      this.#admission.tryFollow(topic, value)
    if (!follows) this.#postAny(topic, record)
    return this.#pace.isReady
  }

  async flush(options: SendOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    this.#sender.beginFlush()
    try {
      await abortable(this.#settled(), options.signal)
    } finally {
      this.#sender.endFlush()
    }
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? defaultCloseTimeoutMs)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #postAny(topic: AnyTopic, record: AnyRecord): void {
    // Taken away meanwhile: a serde or a partitioner might post, too.
    const scratch = this.#scratch ?? emptyRecord()
    this.#scratch = undefined
    const serialized = this.#serialize(topic, record, scratch)
    const name = nameOf(topic)
    const batch = serialized === scratch ? this.#admission.tryEnter(name, scratch) : undefined
    if (batch === undefined) this.#admit(name, serialized, undefined, 0)
    else {
      this.#scratch = scratch
      if (isPlain(record)) this.#admission.follow(batch)
    }
  }

  #sendOne(
    topic: AnyTopic,
    record: AnyRecord,
    signal: AbortSignal | undefined,
  ): Promise<RecordMetadata> {
    try {
      throwIfAborted(signal)
      const serialized = this.#serialize(topic, record, emptyRecord())
      const name = nameOf(topic)
      if (signal === undefined && !(serialized instanceof Promise)) {
        const batch = this.#admission.tryEnter(name, serialized)
        if (batch !== undefined) return batch.watchLast(serialized.timestamp)
      }
      return new Promise((resolve, reject) => {
        const delivery = new SingleDelivery(resolve, reject, signal)
        try {
          this.#admit(name, serialized, delivery, 0)
        } catch (error) {
          delivery.fail(error)
        }
      })
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as thrown
      return Promise.reject(error)
    }
  }

  #sendMany(
    topic: AnyTopic,
    records: readonly AnyRecord[],
    signal: AbortSignal | undefined,
  ): Promise<RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal)
      if (records.length === 0) {
        resolve([])
        return
      }
      const delivery = new ManyDelivery(records.length, resolve, reject, signal)
      try {
        records.forEach((record, position) =>
          this.#admit(
            nameOf(topic),
            this.#serialize(topic, record, emptyRecord()),
            delivery,
            position,
          ),
        )
      } catch (error) {
        delivery.fail(error)
      }
    })
  }

  /** Everything that is waiting or in a batch now has an outcome. */
  async #settled(): Promise<void> {
    await this.#admission.placed()
    const open = [...this.#accumulator.incomplete.keys()].filter(({ settled }) => !settled)
    await this.#outcomes.of(open)
  }

  async #close(timeoutMs: number): Promise<void> {
    const done = new AbortController()
    const bound = delay(this.#client.clock, timeoutMs, done.signal).catch(() => {})
    await Promise.race([this.flush(), bound])
    done.abort()
    this.#abort.abort()
    const error = new ClientError('KFK_CLIENT_CLOSED', 'The producer was closed.')
    this.#admission.close(error)
    this.#sender.close(error)
    this.#pace.release()
    if (this.#ownsClient) await this.#client.close()
  }

  #serialize(
    topic: AnyTopic,
    record: AnyRecord,
    target: RecordScratch,
  ): SerializedRecord | Promise<SerializedRecord> {
    if (this.#closing !== undefined) {
      throw new ClientError('KFK_CLIENT_CLOSED', 'The producer was closed.')
    }
    const now = this.#recordClock.now()
    return serializeRecord(topic, record, record.timestamp ?? now, target)
  }

  #admit(
    topic: string,
    record: SerializedRecord | Promise<SerializedRecord>,
    delivery: Delivery | undefined,
    position: number,
  ): void {
    if (record instanceof Promise) {
      this.#admission.submitLater(topic, record, delivery, position)
    } else this.#admission.submit(topic, record, delivery, position)
  }

  #createTopics(): TopicCatalog {
    return new TopicCatalog({
      client: this.#client,
      signal: this.#abort.signal,
      loadTimeoutMs: this.#settings.maxBlockMs,
      prepare: codecLoader(this.#settings.compression),
      onLoaded: (topic) => this.#admission.drain(topic),
      onFailed: (topic, error) => {
        this.#admission.fail(error, topic)
        this.#sender.failAll(error, topic)
      },
      onRefreshed: () => this.#sender.wake(),
    })
  }

  #createAdmission(topics: TopicCatalog, isSticky: boolean): Admission {
    return new Admission({
      accumulator: this.#accumulator,
      topics,
      clock: this.#client.clock,
      maxBlockMs: this.#settings.maxBlockMs,
      isSticky,
      maxRecordBytes: this.#settings.maxRequestBytes,
      onPostFailure: (error, topic) =>
        this.#reportPostFailure(error, { topic, partition: undefined, count: 1 }),
      onBlocked: () => this.#sender.wake(),
    })
  }

  #createSender(topics: TopicCatalog, idempotence: IdempotenceState | undefined): Sender {
    const client = this.#client
    const producerIds =
      idempotence &&
      new ProducerIdSource({
        client,
        state: idempotence,
        signal: this.#abort.signal,
        onGranted: () => this.#sender.wake(),
        onFailed: (error) => this.#sender.failAll(error),
      })
    return new Sender({
      ...this.#settings,
      client,
      accumulator: this.#accumulator,
      topics,
      isBlocked: () => this.#admission.isBlocked,
      producerIds,
      maxInFlight: Math.min(client.maxInFlight, maxInFlightRequests),
    })
  }

  #reportPostFailure(error: unknown, records: PostFailure): void {
    try {
      this.#onPostFailure(error, records)
    } catch (thrown) {
      this.#client.logger.error('onPostFailure threw', { error: thrown })
    }
  }

  #opened(batch: ProducerBatch): void {
    batch.onSettled = (error) => {
      const { unwatchedCount } = batch
      if (error !== undefined && unwatchedCount > 0) {
        const queue = this.#accumulator.incomplete.get(batch)!
        const { topic, index: partition } = queue
        this.#reportPostFailure(error, { topic, partition, count: unwatchedCount })
      }
      this.#outcomes.settled(batch)
    }
    this.#sender.opened(batch)
  }
}

/** Nothing is said of it but its value. */
function isPlain({ key, partition, timestamp, headers }: AnyRecord): boolean {
  return (
    (key === undefined || key === null) &&
    partition === undefined &&
    timestamp === undefined &&
    headers === undefined
  )
}

function isMany(input: AnyRecord | readonly AnyRecord[]): input is readonly AnyRecord[] {
  return Array.isArray(input)
}
