import type { Clock, SerializedData, TopicMetadata } from '@kfk/client'
import type { CompressionType } from '@kfk/protocol'
import { BatchOutcome } from './batch-outcome.js'
import { BufferPool } from './buffer-pool.js'
import { PartitionSequence } from './idempotence-state.js'
import type { IdempotenceState } from './idempotence-state.js'
import { PartitionQueue } from './partition-queue.js'
import type { Partitioner } from './partitioner.js'
import { ProducerBatch } from './producer-batch.js'
import type { SerializedRecord } from './record.js'

export interface RecordAccumulatorOptions {
  /** With 0 nobody tells when a batch has been read from its memory. */
  readonly acks: number
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly compression: CompressionType
  readonly deliveryTimeoutMs: number
  readonly partitioner: Partitioner
  /** Undefined without idempotence. */
  readonly idempotence: IdempotenceState | undefined
  readonly clock: Clock
}

/**
 * Open and full batches by partition, within a bound of memory. A batch's memory is free again when
 * its outcome is known *and* nothing of it is on the wire.
 */
export class RecordAccumulator {
  /** Queues with waiting batches, the longest waiting first. */
  readonly active = new Set<PartitionQueue>()
  /** Batches whose outcome is open. */
  readonly incomplete = new Map<ProducerBatch, PartitionQueue>()
  /** Called when memory has become free. */
  onRoom: () => void = () => {}
  /** Called when a batch became full: it leaves without lingering. */
  onFull: () => void = () => {}
  /** Called with each new batch. */
  onBatch: (batch: ProducerBatch) => void = () => {}
  readonly #options: RecordAccumulatorOptions
  readonly #queues = new Map<string, PartitionQueue[]>()
  readonly #pool: BufferPool | undefined
  #usedBytes = 0
  #nextOrder = 0

  constructor(options: RecordAccumulatorOptions) {
    this.#options = options
    const { acks, batchBytes, bufferBytes } = options
    this.#pool = acks === 0 ? undefined : new BufferPool(batchBytes, bufferBytes)
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** A record larger than the whole buffer may enter when it is alone. */
  hasRoom(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#options.bufferBytes
  }

  /** Counts memory that is held for the producer elsewhere. */
  charge(bytes: number): void {
    this.#usedBytes += bytes
  }

  /** Frees memory; `onRoom` is called. */
  free(bytes: number): void {
    this.#usedBytes -= bytes
    this.onRoom()
  }

  /**
   * The partition of a record: named, or chosen by the partitioner; -1 when the topic does not have
   * it.
   */
  choosePartition(record: SerializedRecord, topic: TopicMetadata): number {
    const partition = record.partition ?? this.#options.partitioner.partition(record.key, topic)
    const exists = Number.isInteger(partition) && topic.partitions[partition] !== undefined
    return exists ? partition : -1
  }

  /** The batches of one partition. */
  queue(topic: string, partition: number): PartitionQueue {
    let queues = this.#queues.get(topic)
    if (queues === undefined) this.#queues.set(topic, (queues = []))
    let queue = queues[partition]
    if (queue === undefined) {
      const { idempotence } = this.#options
      const sequence = idempotence === undefined ? undefined : new PartitionSequence(idempotence)
      queues[partition] = queue = new PartitionQueue(topic, partition, sequence)
    }
    return queue
  }

  /**
   * The batch that the record went into. `startedMs`: when it was sent, in monotonic milliseconds;
   * undefined: now.
   */
  append(
    queue: PartitionQueue,
    record: SerializedRecord,
    startedMs: number | undefined,
  ): ProducerBatch {
    const { open } = queue
    if (open?.tryAppend(record) === true) {
      this.#grow(open)
      if (open.chargedBytes >= this.#options.batchBytes) this.#closeFull(queue)
      return open
    }
    if (open !== undefined) this.#closeFull(queue)
    return this.#begin(queue, record, startedMs)
  }

  /**
   * Appends to this open batch what is only a value, stamped like the record before it; false, with
   * nothing done, when it is not as simple as that.
   */
  tryAppendValue(batch: ProducerBatch, value: SerializedData, estimatedBytes: number): boolean {
    if (this.#usedBytes + estimatedBytes > this.#options.bufferBytes) return false
    if (!batch.tryAppendValue(value)) return false
    this.#grow(batch)
    return true
  }

  /** The open batch takes no more records. */
  close(queue: PartitionQueue): void {
    if (queue.open === undefined) return
    queue.open = undefined
    this.#options.partitioner.batchClosed?.(queue.topic, queue.index)
  }

  /** A batch that has come back from the wire goes in parts, which take its place. */
  split(batch: ProducerBatch, queue: PartitionQueue): void {
    const parts = batch.split()
    for (const part of parts) {
      this.incomplete.set(part, queue)
      this.#grow(part)
    }
    queue.putBack(parts)
    this.active.add(queue)
    this.release(batch)
  }

  /** To be called when a batch is settled or has come back from the wire. */
  release(batch: ProducerBatch): void {
    if (!batch.settled || batch.inFlight) return
    if (!this.incomplete.delete(batch)) return
    batch.release()
    this.free(batch.chargedBytes)
  }

  /** Appends to a new batch. */
  #begin(
    queue: PartitionQueue,
    record: SerializedRecord,
    startedMs: number | undefined,
  ): ProducerBatch {
    const batch = this.#newBatch(queue, startedMs)
    // May throw (an impossible timestamp): the batch is known to nobody yet.
    batch.tryAppend(record)
    this.incomplete.set(batch, queue)
    queue.open = batch
    queue.waiting.push(batch)
    this.active.add(queue)
    this.#grow(batch)
    this.onBatch(batch)
    if (batch.chargedBytes >= this.#options.batchBytes) this.#closeFull(queue)
    return batch
  }

  #closeFull(queue: PartitionQueue): void {
    this.close(queue)
    this.onFull()
  }

  #grow(batch: ProducerBatch): void {
    const { sizeInBytes } = batch
    this.#usedBytes += sizeInBytes - batch.chargedBytes
    batch.chargedBytes = sizeInBytes
  }

  #newBatch(queue: PartitionQueue, startedMs: number | undefined): ProducerBatch {
    const { batchBytes, compression, deliveryTimeoutMs, clock } = this.#options
    const createdMs = clock.monotonicMs()
    this.#nextOrder += 1
    return new ProducerBatch({
      outcome: new BatchOutcome({ topic: queue.topic, partition: queue.index }),
      compression,
      maxBytes: batchBytes,
      expectedBytes: queue.expectedBatchBytes,
      pool: this.#pool,
      order: this.#nextOrder,
      createdMs,
      deadlineMs: (startedMs ?? createdMs) + deliveryTimeoutMs,
    })
  }
}
