import {
  abortable,
  abortedError,
  ClientError,
  createClient,
  delay,
  throwIfAborted,
} from '@kfk/client'
import type { Client, TopicDefinition } from '@kfk/client'
import { prepareCompression } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'
import { Admission } from './admission.js'
import { ManyDelivery, SingleDelivery } from './delivery.js'
import type { Delivery } from './delivery.js'
import { IdempotenceState } from './idempotence-state.js'
import { resolveSettings } from './options.js'
import type { PostFailure, ProducerOptions, ResolvedSettings } from './options.js'
import { defaultPartitioner } from './partitioner.js'
import type { ProducerBatch } from './producer-batch.js'
import type { CloseOptions, Producer, SendOptions } from './producer-api.js'
import { ProducerIdSource } from './producer-id-source.js'
import { RecordAccumulator } from './record-accumulator.js'
import { serializeHeaders, serializePart } from './record.js'
import type { ProducerRecord, RecordMetadata } from './record.js'
import { Sender } from './sender.js'
import { TopicCatalog } from './topic-catalog.js'

const defaultCloseTimeoutMs = 30_000
/** `post` asks for a pause when the buffer is this full, so that there is room for those who have not seen it yet. */
const readyShare = 0.75

/**
 * Makes a producer, by default idempotent and with acks 'all'. Nothing is contacted before the first record.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function createProducer(options: ProducerOptions): Producer {
  return new LogProducer(options)
}

type AnyRecord = ProducerRecord<unknown, unknown>
type AnyTopic = TopicDefinition | string

/** What the last `new Promise(captureSettlers)` can be settled with. */
const captured = {
  resolve: undefined as unknown as (metadata: RecordMetadata) => void,
  reject: undefined as unknown as (error: unknown) => void,
}

function captureSettlers(
  resolve: (metadata: RecordMetadata) => void,
  reject: (error: unknown) => void,
): void {
  captured.resolve = resolve
  captured.reject = reject
}

interface FlushWaiter {
  readonly batches: Set<ProducerBatch>
  readonly resolve: () => void
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
  readonly #flushes = new Set<FlushWaiter>()
  #timestamp = 0
  #timestampUses = 0
  #timestampScheduled = false
  #readyWaiters: (() => void)[] = []
  #closing: Promise<void> | undefined

  constructor(options: ProducerOptions) {
    const settings = resolveSettings(options)
    this.#settings = settings
    this.#ownsClient = !('client' in options)
    const client = 'client' in options ? options.client : createClient(options)
    this.#client = client
    this.#onPostFailure =
      options.onPostFailure ??
      ((error, records) => client.logger.warn('posted records were lost', { ...records, error }))
    const { signal } = this.#abort
    const idempotence = settings.idempotent ? new IdempotenceState() : undefined
    const accumulator = new RecordAccumulator({
      ...settings,
      idempotence,
      clock: client.clock,
      partitioner: options.partitioner ?? defaultPartitioner(client.random),
    })
    const topics = new TopicCatalog({
      client,
      signal,
      loadTimeoutMs: settings.maxBlockMs,
      prepare: codecLoader(settings.compression),
      onLoaded: (topic) => this.#admission.drain(topic),
      onFailed: (topic, error) => {
        this.#admission.fail(error, topic)
        this.#sender.failAll(error, topic)
      },
      onRefreshed: () => this.#sender.wake(),
    })
    this.#accumulator = accumulator
    this.#admission = new Admission({
      accumulator,
      topics,
      clock: client.clock,
      maxBlockMs: settings.maxBlockMs,
      maxRecordBytes: settings.maxRequestBytes,
      onPostFailure: (error, topic) =>
        this.#onPostFailure(error, { topic, partition: undefined, count: 1 }),
      onBlocked: () => this.#sender.wake(),
    })
    this.#sender = new Sender({
      ...settings,
      client,
      accumulator,
      topics,
      isBlocked: () => this.#admission.isBlocked,
      producerIds:
        idempotence &&
        new ProducerIdSource({
          client,
          state: idempotence,
          signal,
          onGranted: () => this.#sender.wake(),
          onFailed: (error) => this.#sender.failAll(error),
        }),
      maxInFlight: Math.min(client.maxInFlight, 5),
    })
    accumulator.onBatch = (batch) => this.#opened(batch)
    accumulator.onFull = () => this.#sender.wake()
    accumulator.onRoom = () => this.#hasRoom()
  }

  get ready(): Promise<void> {
    if (this.#isReady()) return Promise.resolve()
    return new Promise((resolve) => this.#readyWaiters.push(resolve))
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
    if (signal?.aborted === true) return Promise.reject<RecordMetadata>(abortedError(signal))
    // No closure of its own: this is once per record.
    const promise = new Promise<RecordMetadata>(captureSettlers)
    const delivery = new SingleDelivery(captured.resolve, captured.reject, signal)
    try {
      this.#submit(topic, input, delivery, 0)
    } catch (error) {
      delivery.fail(error)
    }
    return promise
  }

  post(topic: AnyTopic, record: AnyRecord): boolean {
    this.#submit(topic, record, undefined, 0)
    return this.#isReady()
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
        records.forEach((record, position) => this.#submit(topic, record, delivery, position))
      } catch (error) {
        delivery.fail(error)
      }
    })
  }

  /** Everything that is waiting or in a batch now has an outcome. */
  async #settled(): Promise<void> {
    await this.#admission.placed()
    const batches = new Set<ProducerBatch>()
    for (const batch of this.#accumulator.incomplete.keys()) if (!batch.settled) batches.add(batch)
    if (batches.size === 0) return
    await new Promise<void>((resolve) => this.#flushes.add({ batches, resolve }))
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
    for (const resolve of this.#readyWaiters.splice(0)) resolve()
    if (this.#ownsClient) await this.#client.close()
  }

  #submit(
    topic: AnyTopic,
    record: AnyRecord,
    delivery: Delivery | undefined,
    position: number,
  ): void {
    if (this.#closing !== undefined) {
      throw new ClientError('KFK_CLIENT_CLOSED', 'The producer was closed.')
    }
    const name = typeof topic === 'string' ? topic : topic.name
    const key = serializePart(topic, 'key', record.key)
    const value = serializePart(topic, 'value', record.value)
    const { partition } = record
    const headers = serializeHeaders(record.headers)
    const timestamp = record.timestamp ?? this.#now()
    if (key instanceof Promise || value instanceof Promise) {
      const pending = Promise.all([key, value]).then(([keyData, valueData]) => {
        return { key: keyData, value: valueData, headers, timestamp, partition }
      })
      this.#admission.submitLater(name, pending, delivery, position)
    } else {
      const serialized = { key, value, headers, timestamp, partition }
      this.#admission.submit(name, serialized, delivery, position)
    }
  }

  /** The time, asked of the machine once for up to 32 records of one turn of the event loop. */
  #now(): number {
    if (this.#timestampUses === 0) {
      this.#timestamp = this.#client.clock.now()
      this.#timestampUses = 32
      if (!this.#timestampScheduled) {
        this.#timestampScheduled = true
        setImmediate(() => {
          this.#timestampScheduled = false
          this.#timestampUses = 0
        })
      }
    }
    this.#timestampUses -= 1
    return this.#timestamp
  }

  #opened(batch: ProducerBatch): void {
    batch.onSettled = (error) => {
      const { unwatchedCount } = batch
      if (error !== undefined && unwatchedCount > 0) {
        const queue = this.#accumulator.incomplete.get(batch)!
        const { topic, index: partition } = queue
        this.#onPostFailure(error, { topic, partition, count: unwatchedCount })
      }
      for (const flush of this.#flushes) {
        if (!flush.batches.delete(batch) || flush.batches.size > 0) continue
        this.#flushes.delete(flush)
        flush.resolve()
      }
    }
    this.#sender.opened(batch)
  }

  #hasRoom(): void {
    this.#admission.drainAll()
    if (this.#readyWaiters.length === 0 || !this.#isReady()) return
    for (const resolve of this.#readyWaiters.splice(0)) resolve()
  }

  #isReady(): boolean {
    return this.#accumulator.usedBytes < this.#settings.bufferBytes * readyShare
  }
}

/** Some codecs are loaded on first use. */
function codecLoader(compression: CompressionType): () => Promise<void> {
  let loaded: Promise<void> | undefined
  const load = async (): Promise<void> => {
    try {
      if (compression !== 'none') await prepareCompression(compression)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `Compression '${compression}' cannot be used: ${reason}`
      throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message, { cause })
    }
  }
  return () => (loaded ??= load())
}

function isMany(input: AnyRecord | readonly AnyRecord[]): input is readonly AnyRecord[] {
  return Array.isArray(input)
}
