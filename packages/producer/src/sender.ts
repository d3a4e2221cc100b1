import { backoffMs, ClientError, EarliestTimer, kafkaError } from '@kfk/client'
import type { Client } from '@kfk/client'
import { apis } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'
import type { PartitionQueue } from './partition-queue.js'
import { produceAnswers, produceBody, produceVersions } from './produce-request.js'
import type { PartitionAnswer, SentBatch } from './produce-request.js'
import type { ProducerBatch } from './producer-batch.js'
import type { ProducerIdSource } from './producer-id-source.js'
import type { RecordAccumulator } from './record-accumulator.js'
import type { TopicCatalog } from './topic-catalog.js'
import { isStaleMetadata, judge } from './verdict.js'

export interface SenderOptions {
  readonly client: Client
  readonly accumulator: RecordAccumulator
  readonly topics: TopicCatalog
  /** Somebody waits for memory: nothing lingers. */
  readonly isBlocked: () => boolean
  /** Undefined without idempotence. */
  readonly producerIds: ProducerIdSource | undefined
  readonly acks: number
  readonly compression: CompressionType
  readonly lingerMs: number
  readonly maxRequestBytes: number
  readonly maxInFlight: number
  readonly requestTimeoutMs: number
  readonly deliveryTimeoutMs: number
}

/** Produce has a connection of its own: nothing that waits at the broker holds it up. */
const produceLane = 'produce'

/**
 * Takes ready batches, groups them by leader into requests, and settles them by the answers. With a linger of 0 a batch
 * leaves as soon as its leader has a free request; while all are taken, batches grow: load makes large batches.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #inFlight = new Map<number, number>()
  readonly #wakeTimer: EarliestTimer
  readonly #expiryTimer: EarliestTimer
  #scheduled = false
  #flushing = 0
  #closed = false

  constructor(options: SenderOptions) {
    this.#options = options
    const { clock } = options.client
    this.#wakeTimer = new EarliestTimer(clock, () => this.#drain())
    this.#expiryTimer = new EarliestTimer(clock, () => this.#expire())
  }

  /** Batches may be ready: looks soon, once for all that happens in this turn of the event loop. */
  wake(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    const drain = (): void => {
      this.#scheduled = false
      this.#drain()
    }
    // Idle: leave at once. Busy: let the answers and sends of this turn come together first.
    if (this.#inFlight.size === 0) process.nextTick(drain)
    else setImmediate(drain)
  }

  /** A batch was opened: it leaves by its linger, and is given up at its deadline. */
  opened(batch: ProducerBatch): void {
    this.#expiryTimer.at(batch.deadlineMs)
    const { lingerMs } = this.#options
    if (lingerMs > 0 && this.#flushing === 0) this.#wakeTimer.at(batch.createdMs + lingerMs)
    else this.wake()
  }

  /** While flushing, batches do not linger. */
  beginFlush(): void {
    this.#flushing += 1
    this.wake()
  }

  endFlush(): void {
    this.#flushing -= 1
  }

  /** Stops; whatever is not settled fails with `error`. */
  close(error: ClientError): void {
    this.#closed = true
    this.#wakeTimer.cancel()
    this.#expiryTimer.cancel()
    this.failAll(error)
  }

  /** Gives up all batches, or those of one topic. */
  failAll(error: unknown, topic?: string): void {
    for (const [batch, queue] of [...this.#options.accumulator.incomplete]) {
      if (topic === undefined || queue.topic === topic) this.#giveUp(queue, batch, error)
    }
  }

  #drain(): void {
    if (this.#closed) return
    const now = this.#options.client.clock.monotonicMs()
    // A partition may fill several requests.
    for (;;) {
      const requests = this.#collect(now)
      if (requests.size === 0) return
      for (const [leaderId, sent] of requests) this.#dispatch(leaderId, sent)
    }
  }

  #collect(now: number): Map<number, SentBatch[]> {
    const { accumulator, maxInFlight, maxRequestBytes } = this.#options
    const requests = new Map<number, SentBatch[]>()
    const sizes = new Map<number, number>()
    for (const queue of [...accumulator.active]) {
      const candidate = this.#candidate(queue, now)
      if (candidate === undefined) continue
      const { leaderId, sent } = candidate
      if ((this.#inFlight.get(leaderId) ?? 0) >= maxInFlight) continue
      const size = (sizes.get(leaderId) ?? 0) + sent.batch.sizeInBytes
      const request = requests.get(leaderId)
      if (request !== undefined && size > maxRequestBytes) continue
      if (!queue.number(sent.batch)) {
        this.#options.producerIds?.request()
        continue
      }
      accumulator.close(queue)
      queue.take(sent.batch)
      // To the end of the line, for fairness among partitions.
      accumulator.active.delete(queue)
      if (queue.waiting.length > 0) accumulator.active.add(queue)
      sizes.set(leaderId, size)
      if (request === undefined) requests.set(leaderId, [sent])
      else request.push(sent)
    }
    return requests
  }

  /** The batch of this queue that may leave now, and to whom. */
  #candidate(
    queue: PartitionQueue,
    now: number,
  ): { readonly leaderId: number; readonly sent: SentBatch } | undefined {
    const batch = queue.next()
    if (batch === undefined) return undefined
    if (queue.retryAtMs > now) {
      this.#wakeTimer.at(queue.retryAtMs)
      return undefined
    }
    if (!this.#isReady(queue, batch, now)) {
      this.#wakeTimer.at(batch.createdMs + this.#options.lingerMs)
      return undefined
    }
    const { topics } = this.#options
    topics.keepFresh(queue.topic, now)
    const topic = topics.current(queue.topic)
    const leaderId = topic?.partitions[queue.index]?.leaderId ?? -1
    if (topic === undefined || leaderId < 0) {
      topics.refresh(queue.topic)
      return undefined
    }
    return { leaderId, sent: { queue, batch, topic } }
  }

  #isReady(queue: PartitionQueue, batch: ProducerBatch, now: number): boolean {
    const { lingerMs, isBlocked } = this.#options
    if (lingerMs === 0 || this.#flushing > 0 || batch !== queue.open) return true
    return now >= batch.createdMs + lingerMs || isBlocked()
  }

  #dispatch(leaderId: number, taken: readonly SentBatch[]): void {
    const { client, acks, compression, requestTimeoutMs } = this.#options
    const sent = taken.filter((one) => this.#encode(one))
    if (sent.length === 0) return
    this.#inFlight.set(leaderId, (this.#inFlight.get(leaderId) ?? 0) + 1)
    const returned = (): void => {
      const rest = this.#inFlight.get(leaderId)! - 1
      if (rest > 0) this.#inFlight.set(leaderId, rest)
      else this.#inFlight.delete(leaderId)
      this.wake()
    }
    client
      .request(
        apis.produce,
        produceBody(sent, { acks, timeoutMs: requestTimeoutMs }),
        { nodeId: leaderId },
        {
          ...produceVersions(sent, compression),
          lane: produceLane,
          timeoutMs: requestTimeoutMs,
          noResponse: acks === 0,
        },
      )
      .then(
        (response) => {
          const answers = acks === 0 ? [] : produceAnswers(sent, response)
          sent.forEach((one, at) => this.#answered(one, acks === 0 ? unacknowledged : answers[at]))
          returned()
        },
        (error: unknown) => {
          for (const one of sent) this.#failed(one, error)
          returned()
        },
      )
  }

  /** Compresses and seals; a batch that cannot be encoded fails alone. */
  #encode({ queue, batch }: SentBatch): boolean {
    try {
      batch.encode()
      return true
    } catch (error) {
      queue.returned(batch)
      this.#giveUp(queue, batch, error)
      return false
    }
  }

  #answered({ queue, batch }: SentBatch, answer: PartitionAnswer | undefined): void {
    queue.returned(batch)
    if (answer === undefined) {
      this.#retry(queue, batch, kafkaError(-1, 'the response leaves the partition out'))
      return
    }
    const { errorCode, errorMessage } = answer
    const verdict = judge({
      errorCode,
      idempotent: queue.sequence !== undefined,
      isFirstOutstanding: queue.isFirstOutstanding(batch),
    })
    if (verdict === 'taken') {
      queue.failures = 0
      queue.sequence?.succeeded(batch.order)
      batch.succeed(queue.index, answer)
      this.#options.accumulator.release(batch)
      return
    }
    const error = kafkaError(errorCode, errorMessage, this.#details(queue, batch))
    if (verdict === 'fail') {
      this.#giveUp(queue, batch, explainSize(error, batch))
      return
    }
    if (verdict !== 'retry') queue.resetNumbers(verdict)
    if (isStaleMetadata(errorCode)) this.#options.topics.refresh(queue.topic)
    this.#retry(queue, batch, error)
  }

  /** The request got no answer. */
  #failed({ queue, batch }: SentBatch, error: unknown): void {
    queue.returned(batch)
    if (!(error instanceof ClientError) || !error.retriable) {
      this.#giveUp(queue, batch, error)
      return
    }
    this.#options.topics.refresh(queue.topic)
    this.#retry(queue, batch, error)
  }

  #retry(queue: PartitionQueue, batch: ProducerBatch, error: ClientError): void {
    const { client, accumulator } = this.#options
    if (batch.settled) {
      // Given up while it was on the wire.
      queue.sequence?.abandoned(batch.order)
      accumulator.release(batch)
      return
    }
    batch.lastError = error
    const waitMs = backoffMs(client.retryPolicy, queue.failures, client.random)
    queue.failures += 1
    queue.retry(batch, client.clock.monotonicMs() + waitMs)
    accumulator.active.add(queue)
    client.logger.debug('batch will be sent again', {
      ...this.#details(queue, batch),
      reason: error.message,
    })
  }

  #giveUp(queue: PartitionQueue, batch: ProducerBatch, error: unknown): void {
    const { accumulator } = this.#options
    queue.abandon(batch)
    if (queue.waiting.length === 0) accumulator.active.delete(queue)
    batch.fail(error)
    accumulator.release(batch)
  }

  #expire(): void {
    const { client, accumulator, deliveryTimeoutMs } = this.#options
    const now = client.clock.monotonicMs()
    let earliest = Infinity
    for (const [batch, queue] of [...accumulator.incomplete]) {
      if (batch.settled) continue
      if (batch.deadlineMs > now) earliest = Math.min(earliest, batch.deadlineMs)
      else this.#giveUp(queue, batch, batch.expiry(queue.toString(), deliveryTimeoutMs))
    }
    if (earliest < Infinity) this.#expiryTimer.at(earliest)
    this.wake()
  }

  #details(queue: PartitionQueue, batch: ProducerBatch): Record<string, unknown> {
    const { topic, index: partition } = queue
    return { topic, partition, records: batch.recordCount, attempts: batch.attempts }
  }
}

/** With acks=0 nobody answers: taken, offset unknown. */
const unacknowledged: PartitionAnswer = {
  errorCode: 0,
  errorMessage: null,
  baseOffset: -1,
  logAppendTimeMs: -1,
}

const messageTooLarge = 10

function explainSize(error: ClientError, batch: ProducerBatch): ClientError {
  if (error.kafkaCode !== messageTooLarge) return error
  const sizes = `a batch of ${batch.recordCount} records, ${batch.encode().length} bytes`
  return kafkaError(
    messageTooLarge,
    `${sizes}, is larger than the topic allows; lower \`batchBytes\` or raise max.message.bytes`,
    error.details,
  )
}
