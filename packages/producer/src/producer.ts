import { abortable, ClientError, createClient, delay, throwIfAborted } from '@kfk/client'
import type { Client } from '@kfk/client'
import { Admission } from './admission.js'
import { codecLoader } from './codec-loader.js'
import { deliver } from './delivery.js'
import type { Delivery } from './delivery.js'
import { IdempotenceState } from './idempotence-state.js'
import { resolveSettings } from './options.js'
import type { PostFailure, ProducerOptions, ResolvedSettings } from './options.js'
import { defaultPartitioner } from './partitioner.js'
import { PostPace } from './post-pace.js'
import { ProducerBatch } from './producer-batch.js'
import type { CloseOptions, FlushOptions, Producer, SendOptions, Sent } from './producer-api.js'
import { OutcomeWatch } from './outcome-watch.js'
import { ProducerIdSource } from './producer-id-source.js'
import { RecordAccumulator } from './record-accumulator.js'
import { RecordClock } from './record-clock.js'
import { emptyRecord, nameOf, serializeRecord } from './record.js'
import type { AnyRecord, AnyTopic, RecordScratch, SerializedRecord } from './record.js'
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

  send<Each extends boolean = false>(
    topic: AnyTopic,
    record: AnyRecord,
    options?: SendOptions<Each>,
  ): Promise<Sent<Each>>
  send<Each extends boolean = false>(
    topic: AnyTopic,
    records: readonly AnyRecord[],
    options?: SendOptions<Each>,
  ): Promise<Sent<Each>[]>
  send(
    topic: AnyTopic,
    input: AnyRecord | readonly AnyRecord[],
    options?: SendOptions,
  ): Promise<Sent<boolean> | Sent<boolean>[]> {
    try {
      throwIfAborted(options?.signal)
      return isMany(input)
        ? this.#sendMany(topic, input, options)
        : this.#sendOne(topic, input, options)
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as thrown
      return Promise.reject(error)
    }
  }

  post(topic: AnyTopic, record: AnyRecord): boolean {
    if (this.#tryFollow(topic, record) === undefined) {
      const entered = this.#enter(topic, record)
      if (!(entered instanceof ProducerBatch)) this.#admit(nameOf(topic), entered, undefined)
    }
    return this.#pace.isReady
  }

  async flush(options: FlushOptions = {}): Promise<void> {
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

  /** Its batch, if it goes where the one before went and there is nothing else to look at. */
  #tryFollow(topic: AnyTopic, record: AnyRecord): ProducerBatch | undefined {
    const { value } = record
    return typeof topic === 'string' &&
      (value instanceof Uint8Array || typeof value === 'string') &&
      isPlain(record) &&
      this.#closing === undefined &&
      this.#recordClock.again()
      ? this.#admission.tryFollow(topic, value)
      : undefined
  }

  /** The batch that it went into, as its last record, or what has to wait. */
  #enter(
    topic: AnyTopic,
    record: AnyRecord,
  ): ProducerBatch | SerializedRecord | Promise<SerializedRecord> {
    // Taken away meanwhile: a serde or a partitioner might send, too.
    const scratch = this.#scratch ?? emptyRecord()
    this.#scratch = undefined
    const serialized = this.#serialize(topic, record, scratch)
    if (serialized !== scratch) return serialized
    const batch = this.#admission.tryEnter(nameOf(topic), scratch)
    if (batch === undefined) return scratch
    this.#scratch = scratch
    if (isPlain(record)) this.#admission.follow(batch)
    return batch
  }

  /** Of the record that `#enter` has just let in. */
  get #enteredTimestamp(): number {
    return this.#scratch!.timestamp
  }

  #sendOne(
    topic: AnyTopic,
    record: AnyRecord,
    options: SendOptions | undefined,
  ): Promise<Sent<boolean>> {
    const { each, signal } = options ?? {}
    if (signal !== undefined) return this.#sendMany(topic, [record], options).then(firstOf)
    const followed = each === true ? undefined : this.#tryFollow(topic, record)
    if (followed !== undefined) return followed.outcome.watch()
    const entered = this.#enter(topic, record)
    if (!(entered instanceof ProducerBatch)) {
      const waits = (delivery: Delivery): void => this.#admit(nameOf(topic), entered, delivery)
      return deliver(1, options, waits).then(firstOf)
    }
    const { outcome, recordCount } = entered
    if (each !== true) return outcome.watch()
    return outcome.watchRecord(recordCount - 1, this.#enteredTimestamp)
  }

  #sendMany(
    topic: AnyTopic,
    records: readonly AnyRecord[],
    options: SendOptions | undefined,
  ): Promise<Sent<boolean>[]> {
    if (records.length === 0) return Promise.resolve([])
    const name = nameOf(topic)
    return deliver(records.length, options, (delivery) => {
      for (const record of records) {
        const entered = this.#enter(topic, record)
        if (entered instanceof ProducerBatch) delivery.entered(entered, this.#enteredTimestamp)
        else this.#admit(name, entered, delivery)
      }
    })
  }

  /** Everything that is waiting or in a batch now has an outcome. */
  async #settled(): Promise<void> {
    await this.#admission.placed()
    const open = [...this.#accumulator.incomplete.keys()].filter(({ settled }) => !settled)
    await this.#outcomes.of(open.map(({ outcome }) => outcome))
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
  ): void {
    if (record instanceof Promise) this.#admission.submitLater(topic, record, delivery)
    else this.#admission.submit(topic, record, delivery)
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
    const { outcome } = batch
    outcome.onSettled = (error, count) => {
      if (count > 0) this.#reportPostFailure(error, { ...outcome.target, count })
      this.#outcomes.settled(outcome)
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

function firstOf<Part>(parts: readonly Part[]): Part {
  return parts[0]!
}
