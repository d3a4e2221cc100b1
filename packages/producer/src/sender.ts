import { EarliestTimer } from '@kfk/client'
import type { Client, ClientError } from '@kfk/client'
import { apis } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'
import { BatchCompressor } from './batch-compressor.js'
import { BatchSettler, unacknowledged } from './batch-settler.js'
import type { PartitionQueue } from './partition-queue.js'
import { produceAnswers, produceBody, produceVersions } from './produce-request.js'
import type { SentBatch } from './produce-request.js'
import type { ProducerBatch } from './producer-batch.js'
import type { ProducerIdSource } from './producer-id-source.js'
import type { RecordAccumulator } from './record-accumulator.js'
import type { TopicCatalog } from './topic-catalog.js'

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

/** So many batches of a partition are compressed before the first of them leaves. */
const maxCompressedAhead = 2

/** Produce has a connection of its own: nothing that waits at the broker holds it up. */
const produceLane = 'produce'

/**
 * Takes ready batches, groups them by leader into requests, and settles them by the answers. With a
 * linger of 0 a batch leaves as soon as its leader has a free request; while all are taken, batches
 * grow: load makes large batches.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #inFlight = new Map<number, number>()
  readonly #wakeTimer: EarliestTimer
  readonly #expiryTimer: EarliestTimer
  readonly #settler: BatchSettler
  readonly #compressor = new BatchCompressor(() => this.wake())
  #scheduled = false
  #flushing = 0
  #closed = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#settler = new BatchSettler(options)
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
      if (topic === undefined || queue.topic === topic) this.#settler.giveUp(queue, batch, error)
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
      this.#compressAhead(queue)
      const candidate = this.#candidate(queue, now)
      if (candidate === undefined) continue
      const { leaderId, sent } = candidate
      if ((this.#inFlight.get(leaderId) ?? 0) >= maxInFlight) continue
      const size = (sizes.get(leaderId) ?? 0) + sent.batch.sizeInBytes
      const request = requests.get(leaderId)
      if (request !== undefined && size > maxRequestBytes) continue
      if (!this.#isCompressed(queue, sent.batch)) continue
      if (!queue.number(sent.batch)) {
        this.#options.producerIds?.request()
        continue
      }
      // An older one that leaves does not end the batch that takes records.
      if (queue.open === sent.batch) accumulator.close(queue)
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

  /** Full batches are compressed while they wait, or while the one before is. */
  #compressAhead({ waiting, open }: PartitionQueue): void {
    for (let at = 0; at < maxCompressedAhead && at < waiting.length; at += 1) {
      const batch = waiting[at]!
      if (batch !== open) this.#compressor.isDone(batch)
    }
  }

  /** False, and the batch takes no more records, while another thread compresses it. */
  #isCompressed(queue: PartitionQueue, batch: ProducerBatch): boolean {
    if (this.#compressor.isDone(batch)) return true
    if (batch === queue.open && batch.compressing) this.#options.accumulator.close(queue)
    return false
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
          const answers = acks === 0 ? undefined : produceAnswers(sent, response)
          sent.forEach((one, at) =>
            this.#settler.answered(one, answers === undefined ? unacknowledged : answers[at]),
          )
          returned()
        },
        (error: unknown) => {
          for (const one of sent) this.#settler.failed(one, error)
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
      this.#settler.giveUp(queue, batch, error)
      return false
    }
  }

  #expire(): void {
    const { client, accumulator, deliveryTimeoutMs } = this.#options
    const now = client.clock.monotonicMs()
    let earliest = Infinity
    for (const [batch, queue] of [...accumulator.incomplete]) {
      if (batch.settled) continue
      if (batch.deadlineMs > now) earliest = Math.min(earliest, batch.deadlineMs)
      else this.#settler.giveUp(queue, batch, batch.expiry(queue.toString(), deliveryTimeoutMs))
    }
    if (earliest < Infinity) this.#expiryTimer.at(earliest)
    this.wake()
  }
}
