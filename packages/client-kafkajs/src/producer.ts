import type { Client, TopicMetadata } from '@kfk/client'
import {
  createProducer as createOurProducer,
  type Producer as OurProducer,
  type ProducerRecord as OurRecord,
} from '@kfk/producer'
import type { CompressionType } from '@kfk/protocol'
import type { KafkaConfig } from './config.js'
import { translated } from './error-translation.js'
import {
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  KafkaJSNumberOfRetriesExceeded,
} from './errors.js'
import { Instrumentation } from './instrumentation.js'
import { Link } from './link.js'
import type { Logger } from './logger.js'
import { partitionMetadataOf } from './topic-metadata.js'
import { Partitioners } from './partitioners.js'
import { ProduceAnswers } from './produce-answers.js'
import type {
  Message,
  Producer,
  ProducerBatch,
  ProducerConfig,
  ProducerEvents,
  RecordMetadata,
} from './producer-api.js'
import { messagesByTopic, ourRecord } from './producer-records.js'
import { asError, retrying, waitingTimeMs } from './retry.js'

const events: ProducerEvents = {
  CONNECT: 'producer.connect',
  DISCONNECT: 'producer.disconnect',
  REQUEST: 'producer.network.request',
  REQUEST_TIMEOUT: 'producer.network.request_timeout',
  REQUEST_QUEUE_SIZE: 'producer.network.request_queue_size',
}

const compressionNames: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const acksNames = new Map<number, 0 | 1 | 'all'>([
  [-1, 'all'],
  [0, 0],
  [1, 1],
])
const defaultTimeoutMs = 30_000
/** kafkajs leaves the size of messages to the broker. */
const maxRequestBytes = 32 * 1024 * 1024
const bufferBytes = 128 * 1024 * 1024
/** Different `acks`, `compression` and `timeout` of sends: each is a producer of ours. */
const maxWays = 32

/** How a send is made. */
interface Way {
  readonly acks: number
  readonly timeout: number
  readonly compression: number
}

/** Makes a kafkajs producer of a {@link OurProducer}. */
export function createProducer(
  config: KafkaConfig,
  settings: ProducerConfig,
  rootLogger: Logger,
): Producer {
  const logger = rootLogger.namespace('Producer')
  const instrumentation = new Instrumentation('producer', events, logger)
  const answers = new ProduceAnswers()
  const link = new Link({
    config,
    settings,
    logger,
    observer: answers,
    events: {
      wantsRequests: () => instrumentation.hasListeners(events.REQUEST),
      request: (payload) => instrumentation.emit(events.REQUEST, payload),
      requestTimeout: (payload) => instrumentation.emit(events.REQUEST_TIMEOUT, payload),
    },
  })
  if (settings.idempotent === true && link.bounds.retries < 1) {
    throw new KafkaJSNonRetriableError(
      'Idempotent producer must allow retries to protect against transient errors',
    )
  }
  const sending = new Sending({ link, settings, answers })
  return {
    events,
    on: (name, listener) => instrumentation.on(name, listener),
    logger: () => logger,
    isIdempotent: () => settings.idempotent ?? false,
    connect: async () => {
      await link.connect()
      sending.status = 'connected'
      instrumentation.emit(events.CONNECT)
    },
    disconnect: async () => {
      sending.status = 'disconnecting'
      await sending.close()
      await link.disconnect()
      sending.status = 'disconnected'
      instrumentation.emit(events.DISCONNECT)
    },
    send: ({ topic, messages, ...way }) => {
      return sending.send({ ...way, topicMessages: [{ topic, messages }] })
    },
    sendBatch: (batch) => sending.send(batch),
    transaction: () => Promise.reject(transactionError(settings)),
  }
}

function transactionError({ transactionalId }: ProducerConfig): Error {
  return transactionalId === undefined || transactionalId === ''
    ? new KafkaJSNonRetriableError('Must provide transactional id for transactional producer')
    : new KafkaJSNotImplemented('Transactions are not supported by this client.')
}

interface SendingOptions {
  readonly link: Link
  readonly settings: ProducerConfig
  readonly answers: ProduceAnswers
}

/** The sends of one producer, while it is connected. */
class Sending {
  status: 'disconnected' | 'connected' | 'disconnecting' = 'disconnected'
  readonly #options: SendingOptions
  readonly #partition: ReturnType<NonNullable<ProducerConfig['createPartitioner']>>
  readonly #producers = new Map<string, Promise<OurProducer>>()

  constructor(options: SendingOptions) {
    this.#options = options
    const { createPartitioner = Partitioners.DefaultPartitioner } = options.settings
    this.#partition = createPartitioner()
  }

  async send(batch: ProducerBatch): Promise<RecordMetadata[]> {
    const { acks = -1, timeout = defaultTimeoutMs, compression = 0, topicMessages = [] } = batch
    const { idempotent } = this.#options.settings
    if (idempotent === true && acks !== -1) {
      throw new KafkaJSNonRetriableError(
        "Not requiring ack for all messages invalidates the idempotent producer's EoS guarantees",
      )
    }
    const byTopic = messagesByTopic(topicMessages)
    this.#checkStatus()
    const producer = await this.#producer({ acks, timeout, compression })
    const sends = [...byTopic].map(([topic, messages]) => this.#sendTo(producer, topic, messages))
    const results = await Promise.all(sends)
    return acks === 0 ? [] : results.flat()
  }

  /** Waits for what is being sent. */
  async close(): Promise<void> {
    const producers = [...this.#producers.values()]
    this.#producers.clear()
    await Promise.all(producers.map(async (each) => (await each).close()))
  }

  async #sendTo(
    producer: OurProducer,
    name: string,
    messages: readonly Message[],
  ): Promise<RecordMetadata[]> {
    const { link } = this.#options
    const topic = await this.#topic(name)
    const partitionMetadata = partitionMetadataOf(topic)
    const now = Date.now()
    const firsts = new Map<number, OurRecord>()
    const rest: OurRecord[] = []
    for (const message of messages) {
      const partition = this.#partition({ topic: name, partitionMetadata, message })
      const record = ourRecord(message, partition, now)
      if (firsts.has(partition)) rest.push(record)
      else firsts.set(partition, record)
    }
    try {
      // Where the first of each partition is is all that is told; to know it of every one costs.
      const [sent] = await Promise.all([
        producer.send(name, [...firsts.values()], { each: true }),
        producer.send(name, rest),
      ])
      return sent.map(({ partition, offset }) => this.#result(topic, partition, offset))
    } catch (thrown) {
      const error = asError(translated(thrown))
      link.logger.error(`Failed to send messages: ${error.message}`)
      if (!(error instanceof KafkaJSError) || !error.retriable) throw error
      const { retries: retryCount, maxRetryTime: retryTime } = link.bounds
      throw new KafkaJSNumberOfRetriesExceeded(error, { retryCount, retryTime })
    }
  }

  /** Mostly known. */
  async #topic(name: string): Promise<TopicMetadata> {
    const { link } = this.#options
    const client = await link.client()
    return (
      client.metadata.cached(name) ??
      retrying(link.bounds, () => client.metadata.topic(name), { bail: true })
    )
  }

  #result(topic: TopicMetadata, partition: number, base: bigint): RecordMetadata {
    const { logAppendTime, logStartOffset } = this.#options.answers.of(topic, partition)
    return {
      topicName: topic.name,
      partition,
      errorCode: 0,
      baseOffset: String(base),
      logAppendTime: String(logAppendTime),
      logStartOffset: String(logStartOffset),
    }
  }

  #producer(way: Way): Promise<OurProducer> {
    const key = `${way.acks} ${way.timeout} ${way.compression}`
    let producer = this.#producers.get(key)
    if (producer === undefined) {
      if (this.#producers.size >= maxWays) {
        throw new KafkaJSNonRetriableError(
          `A producer sends in at most ${maxWays} combinations of acks, compression and timeout`,
        )
      }
      producer = this.#options.link.client().then((client) => this.#open(client, way))
      producer.catch(() => this.#producers.delete(key))
      this.#producers.set(key, producer)
    }
    return producer
  }

  #open(client: Client, { acks, timeout, compression }: Way): OurProducer {
    const { link, settings } = this.#options
    const ourAcks = acksNames.get(acks)
    const codec = compressionNames[compression]
    if (ourAcks === undefined) throw new KafkaJSNonRetriableError(`Invalid acks ${acks}`)
    if (codec === undefined)
      throw new KafkaJSNonRetriableError(`Invalid compression ${compression}`)
    const patienceMs = waitingTimeMs(link.bounds) + link.requestTimeoutMs
    return createOurProducer({
      client,
      acks: ourAcks,
      // Without doubles and disorder, as long as nobody has to say that they want it.
      ...(settings.idempotent === undefined ? {} : { idempotent: settings.idempotent }),
      compression: codec,
      requestTimeoutMs: timeout,
      deliveryTimeoutMs: patienceMs,
      maxBlockMs: patienceMs,
      maxRequestBytes,
      bufferBytes,
    })
  }

  #checkStatus(): void {
    if (this.status === 'disconnecting') {
      throw new KafkaJSNonRetriableError(
        "The producer is disconnecting; therefore, it can't safely accept messages anymore",
      )
    }
    if (this.status === 'disconnected') throw new KafkaJSError('The producer is disconnected')
  }
}
