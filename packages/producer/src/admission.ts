import { ClientError, EarliestTimer, kafkaError } from '@kfk/client'
import type { Clock, SerializedData, TopicMetadata } from '@kfk/client'
import { bufferFull, noPartition } from './admission-errors.js'
import type { Delivery } from './delivery.js'
import { Fifo } from './fifo.js'
import type { ProducerBatch } from './producer-batch.js'
import type { PartitionQueue } from './partition-queue.js'
import type { RecordAccumulator } from './record-accumulator.js'
import { estimateBytes, recordOverheadBytes } from './record.js'
import type { SerializedRecord } from './record.js'
import type { TopicCatalog } from './topic-catalog.js'
import { messageTooLarge } from './verdict.js'

export interface AdmissionOptions {
  readonly accumulator: RecordAccumulator
  readonly topics: TopicCatalog
  readonly clock: Clock
  /** A record waits so long for metadata and memory (`max.block.ms`). */
  readonly maxBlockMs: number
  /** Keyless records stay with a partition until its batch closes. */
  readonly isSticky: boolean
  /** Largest record, in bytes. */
  readonly maxRecordBytes: number
  /** A record that nobody waits for was given up. */
  readonly onPostFailure: (error: unknown, topic: string) => void
  /** Somebody waits for memory: lingering batches should leave. */
  readonly onBlocked: () => void
}

interface Waiting {
  readonly topic: string
  /** Undefined while an asynchronous serde is at work. */
  record: SerializedRecord | undefined
  /** Undefined for `post`. */
  readonly delivery: Delivery | undefined
  readonly startedMs: number
  /**
   * Memory counted for it while it waits: posted records are held here, others by their senders.
   */
  chargedBytes: number
  failed: boolean
  onPlaced: (() => void) | undefined
}

/** What is known of a topic, asked for once for several records of one turn of the event loop. */
interface KnownTopic {
  readonly name: string
  metadata: TopicMetadata | undefined
  /** The look at which it was known, and no record waited that has to go first; -1: none. */
  look: number
  readonly queues: (PartitionQueue | undefined)[]
}

/**
 * Lets records into the accumulator: at once if the topic is known and there is room; otherwise
 * they wait in order, per topic, for metadata, for a serde, or for memory, and within a bound of
 * time.
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #waiting = new Map<string, Fifo<Waiting>>()
  readonly #timer: EarliestTimer
  readonly #topics = new Map<string, KnownTopic>()
  #recent: KnownTopic | undefined
  #look = 0
  /** Where the last record went. */
  #placedIn: PartitionQueue | undefined
  /** Its batch, if others may follow it. */
  #followed: ProducerBatch | undefined
  #blocked = false

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#timer = new EarliestTimer(options.clock, () => this.#expire())
  }

  /** Somebody waits for memory. */
  get isBlocked(): boolean {
    return this.#blocked
  }

  /**
   * Takes a record; `delivery` is undefined for `post`. Throws MESSAGE_TOO_LARGE,
   * KFK_CLIENT_INVALID_ARGUMENT for an impossible partition, or (only for `post`)
   * KFK_CLIENT_BUFFER_FULL.
   */
  submit(topic: string, record: SerializedRecord, delivery: Delivery | undefined): void {
    const { accumulator } = this.#options
    const size = this.#checkedSize(record)
    const hasRoom = accumulator.hasRoom(size)
    const known = hasRoom ? this.#open(topic) : undefined
    if (known !== undefined) {
      const batch = this.#place(known, known.metadata!, record, undefined)
      delivery?.entered(batch, record.timestamp)
      return
    }
    if (delivery === undefined && !hasRoom) throw bufferFull()
    const waiting = this.#enqueue(topic, record, delivery)
    if (delivery === undefined) {
      waiting.chargedBytes = size
      accumulator.charge(size)
    }
    this.drain(topic)
  }

  /**
   * Takes a record if it can enter at once, and gives the batch that it went into, where it is the
   * last one; undefined, with nothing done, if it would have to wait. Throws like `submit`.
   */
  tryEnter(topic: string, record: SerializedRecord): ProducerBatch | undefined {
    const hasRoom = this.#options.accumulator.hasRoom(this.#checkedSize(record))
    const known = hasRoom ? this.#open(topic) : undefined
    return known === undefined ? undefined : this.#place(known, known.metadata!, record, undefined)
  }

  /**
   * What comes next may follow the record that has just entered, without being looked at in all
   * detail: that had no key, named no partition, and was stamped with the time of now.
   */
  follow(batch: ProducerBatch): void {
    if (this.#options.isSticky) this.#followed = batch
  }

  /**
   * Takes a value that goes to the same topic as the record before it, within the same look at the
   * clock, and gives its batch. Undefined, with nothing done, when that cannot be followed, or
   * anything has happened since.
   */
  tryFollow(topic: string, value: SerializedData): ProducerBatch | undefined {
    const batch = this.#followed
    const known = this.#recent
    if (batch === undefined || known === undefined || known.name !== topic) return undefined
    if (known.look !== this.#look || this.#placedIn?.open !== batch) return undefined
    const { accumulator, maxRecordBytes } = this.#options
    const bytes = recordOverheadBytes + value.length
    if (bytes > maxRecordBytes) return undefined
    return accumulator.tryAppendValue(batch, value, bytes) ? batch : undefined
  }

  /** Time has passed: what was known of topics may have changed. */
  lookAgain(): void {
    this.#look += 1
  }

  /**
   * Takes a place in the line of the topic for a record that an asynchronous serde is still at work
   * on.
   */
  submitLater(
    topic: string,
    pending: Promise<SerializedRecord>,
    delivery: Delivery | undefined,
  ): void {
    if (delivery === undefined && !this.#options.accumulator.hasRoom(0)) throw bufferFull()
    const waiting = this.#enqueue(topic, undefined, delivery)
    pending
      .then((record) => {
        this.#checkedSize(record)
        waiting.record = record
      })
      .catch((error: unknown) => this.#failOne(waiting, error))
      .finally(() => this.drain(topic))
    this.drain(topic)
  }

  /** Lets in what can enter now. */
  drain(topic: string): void {
    const line = this.#waiting.get(topic)
    if (line === undefined) return
    if (this.#options.topics.current(topic) === undefined) {
      if (line.length > 0) this.#options.topics.load(topic)
      return
    }
    for (let head = line.peek(); head !== undefined; head = line.peek()) {
      if (!head.failed && head.delivery?.done !== true) {
        if (head.record === undefined) return
        if (!this.#makeRoom(head)) return
        this.#enter(head, head.record)
      }
      line.shift()
      this.#left(head)
    }
    this.#waiting.delete(topic)
  }

  /** Memory has become free. */
  drainAll(): void {
    if (this.#waiting.size === 0) return
    this.#blocked = false
    for (const topic of [...this.#waiting.keys()]) this.drain(topic)
  }

  /** Resolves when everything that waits now has entered or failed. */
  placed(): Promise<void> {
    const waiting = [...this.#waiting.values()].flatMap((line) => line.toArray())
    if (waiting.length === 0) return Promise.resolve()
    return new Promise((resolve) => {
      let missing = waiting.length
      const onPlaced = (): void => {
        missing -= 1
        if (missing === 0) resolve()
      }
      for (const one of waiting) {
        const earlier = one.onPlaced
        one.onPlaced =
          earlier === undefined
            ? onPlaced
            : () => {
                earlier()
                onPlaced()
              }
      }
    })
  }

  /** Fails what waits for this topic, or everything. */
  fail(error: unknown, topic?: string): void {
    for (const [name, line] of [...this.#waiting]) {
      if (topic !== undefined && name !== topic) continue
      this.#waiting.delete(name)
      for (const waiting of line.toArray()) this.#failOne(waiting, error)
    }
  }

  close(error: unknown): void {
    this.#timer.cancel()
    this.fail(error)
  }

  #enqueue(
    topic: string,
    record: SerializedRecord | undefined,
    delivery: Delivery | undefined,
  ): Waiting {
    const startedMs = this.#options.clock.monotonicMs()
    const waiting: Waiting = {
      topic,
      record,
      delivery,
      startedMs,
      chargedBytes: 0,
      failed: false,
      onPlaced: undefined,
    }
    let line = this.#waiting.get(topic)
    if (line === undefined) this.#waiting.set(topic, (line = new Fifo()))
    line.push(waiting)
    // Whoever comes now goes behind it.
    this.#knownTopic(topic).look = -1
    this.#timer.at(startedMs + this.#options.maxBlockMs)
    return waiting
  }

  /** The topic with its metadata, if it is known and nobody waits before. */
  #open(topic: string): KnownTopic | undefined {
    const known = this.#knownTopic(topic)
    if (known.look === this.#look) return known
    known.metadata = this.#waiting.has(topic) ? undefined : this.#options.topics.current(topic)
    if (known.metadata === undefined) return undefined
    known.look = this.#look
    return known
  }

  #knownTopic(name: string): KnownTopic {
    const recent = this.#recent
    if (recent !== undefined && recent.name === name) return recent
    let known = this.#topics.get(name)
    if (known === undefined) {
      known = { name, metadata: undefined, look: -1, queues: [] }
      this.#topics.set(name, known)
    }
    this.#recent = known
    return known
  }

  #makeRoom(head: Waiting): boolean {
    const { accumulator, onBlocked } = this.#options
    if (head.chargedBytes > 0 || accumulator.hasRoom(estimateBytes(head.record!))) return true
    this.#blocked = true
    onBlocked()
    return false
  }

  #enter(head: Waiting, record: SerializedRecord): void {
    this.#options.accumulator.charge(-head.chargedBytes)
    head.chargedBytes = 0
    try {
      const { topic, delivery, startedMs } = head
      const metadata = this.#options.topics.current(topic)!
      const batch = this.#place(this.#knownTopic(topic), metadata, record, startedMs)
      delivery?.entered(batch, record.timestamp)
    } catch (error) {
      this.#failOne(head, error)
    }
  }

  #place(
    known: KnownTopic,
    metadata: TopicMetadata,
    record: SerializedRecord,
    startedMs: number | undefined,
  ): ProducerBatch {
    const { accumulator, topics } = this.#options
    const partition = accumulator.choosePartition(record, metadata)
    if (partition < 0) {
      topics.refresh(known.name)
      throw noPartition(known.name, record.partition, metadata.partitions.length)
    }
    const queue = (known.queues[partition] ??= accumulator.queue(known.name, partition))
    this.#placedIn = queue
    this.#followed = undefined
    return accumulator.append(queue, record, startedMs)
  }

  #failOne(waiting: Waiting, error: unknown): void {
    if (waiting.failed) return
    waiting.failed = true
    if (waiting.delivery === undefined) this.#options.onPostFailure(error, waiting.topic)
    else waiting.delivery.fail(error)
    this.#left(waiting)
  }

  #left(waiting: Waiting): void {
    if (waiting.chargedBytes > 0) {
      this.#options.accumulator.charge(-waiting.chargedBytes)
      waiting.chargedBytes = 0
    }
    waiting.onPlaced?.()
    waiting.onPlaced = undefined
  }

  #expire(): void {
    const { clock, maxBlockMs } = this.#options
    const now = clock.monotonicMs()
    for (const [topic, line] of [...this.#waiting]) {
      for (const waiting of line.toArray()) {
        if (waiting.startedMs + maxBlockMs > now) {
          this.#timer.at(waiting.startedMs + maxBlockMs)
          break
        }
        this.#failOne(waiting, this.#expiry(waiting))
      }
      line.filter(({ failed }) => !failed)
      this.drain(topic)
    }
  }

  #expiry({ topic, record }: Waiting): ClientError {
    const { maxBlockMs, topics } = this.#options
    const what =
      record === undefined
        ? 'its serde'
        : topics.current(topic) === undefined
          ? 'the metadata of the topic'
          : 'room in the buffer (`bufferBytes`)'
    return new ClientError(
      'KFK_CLIENT_TIMEOUT',
      `A record of topic "${topic}" waited ${maxBlockMs} ms for ${what}.`,
      { retriable: true, details: { topic, maxBlockMs } },
    )
  }

  #checkedSize(record: SerializedRecord): number {
    const { maxRecordBytes } = this.#options
    const bytes = estimateBytes(record)
    if (bytes <= maxRecordBytes) return bytes
    throw kafkaError(
      messageTooLarge,
      `a record of ${bytes} bytes is larger than \`maxRequestBytes\` (${maxRecordBytes})`,
      { bytes, maxRecordBytes },
    )
  }
}
