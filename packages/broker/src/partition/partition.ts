import { StoreError } from '@kfk/log-store'
import type { Log, LogSlice, ProducerEntry, ProducerTracker, ReadRequest } from '@kfk/log-store'
import { type BatchHeader, errorCodes, writeControlRecord } from '@kfk/protocol'
import type {
  Clock,
  CommitWaiter,
  Partition,
  PartitionAppendResult,
  TransactionMarker,
  Verification,
} from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import type { AppendRules, Refusal } from './append-rules.js'
import { admitClientBatch } from './append-validation.js'
import { CommitQueue } from './commit-queue.js'
import { producersOf } from './partition-files.js'
import { checkSequence } from './producer-sequences.js'
import { isOpenUnder, markerRefusal, Verifications } from './transactional-appends.js'

/** What a partition is made of. */
export interface PartitionParts {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  /** Only coordinators and the controller write to it. */
  readonly internal: boolean
  readonly log: Log
  readonly leaderEpoch: number
  readonly rules: AppendRules
  readonly clock: Clock
  /** The high watermark has advanced: requests may wait for it. */
  readonly onAdvance: (key: string) => void
}

const internalTopic: Refusal = {
  errorCode: errorCodes.INVALID_TOPIC_EXCEPTION,
  errorMessage: 'Clients cannot append to an internal topic',
}

/**
 * A partition that this broker leads. At replication factor 1 the high watermark is what the log
 * lets be acknowledged: under flush.messages = 1 that is on the medium.
 *
 * Appends are synchronous and in order of their calls; so are the releases of those who wait for
 * them.
 */
export class LeaderPartition implements Partition {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  readonly internal: boolean
  readonly key: string
  readonly log: Log
  readonly leaderEpoch: number
  readonly producers: ProducerTracker
  closed = false
  rules: AppendRules
  committedBytes = 0
  /** Bytes appended since it was opened. */
  #appendedBytes = 0
  /** The high watermark up to which `committedBytes` counts. */
  #countedOffset: number
  readonly #clock: Clock
  readonly #onAdvance: (key: string) => void
  readonly #waiters = new CommitQueue()
  readonly #verifications = new Verifications()
  readonly #listeners = new Set<(highWatermark: number) => void>()
  readonly #unsubscribe: (() => void)[]
  /** Why nothing will be committed any more: the directory failed, or the partition is closed. */
  #ended: StoreError | undefined

  constructor(parts: PartitionParts) {
    const { topic, topicId, index, log } = parts
    this.topic = topic
    this.topicId = topicId
    this.index = index
    this.internal = parts.internal
    this.key = `${topic}-${index}`
    this.log = log
    this.leaderEpoch = parts.leaderEpoch
    this.producers = producersOf(log)
    this.rules = parts.rules
    this.#clock = parts.clock
    this.#onAdvance = parts.onAdvance
    this.#countedOffset = log.acknowledgedOffset
    this.#unsubscribe = [
      log.onAcknowledged((offset) => this.#advanced(offset)),
      log.onRollback(({ endOffset, error }) => {
        this.#waiters.fail(endOffset, error)
      }),
      log.onPoisoned((error) => {
        this.#ended ??= error
        this.#waiters.fail(-1, error)
      }),
    ]
  }

  get logStartOffset(): number {
    return this.log.logStartOffset
  }

  get logEndOffset(): number {
    return this.log.logEndOffset
  }

  get highWatermark(): number {
    return this.log.acknowledgedOffset
  }

  get lastStableOffset(): number {
    return this.log.lastStableOffset(this.highWatermark)
  }

  append(
    batches: Uint8Array,
    options: {
      readonly origin: 'client' | 'coordinator' | 'controller'
      readonly verified?: Verification | undefined
    },
  ): PartitionAppendResult {
    if (this.#ended !== undefined) return this.#failed(this.#ended)
    if (options.origin !== 'client') return this.#write(batches, undefined)
    if (this.internal) return this.#refused(internalTopic)
    const admitted = admitClientBatch(batches, this.rules, this.#clock.now())
    if ('errorCode' in admitted) return this.#refused(admitted)
    const { verified } = options
    if ('bytes' in admitted) return this.#writeOnce(admitted.bytes, admitted.header, verified)
    return this.#writeOnce(batches, admitted, verified)
  }

  /** Unless the producer has sent it before, or has no such transaction here. */
  #writeOnce(
    batch: Uint8Array,
    header: BatchHeader,
    verified: Verification | undefined,
  ): PartitionAppendResult {
    if (header.producerId < 0n) return this.#write(batch, header)
    const entry = this.producers.get(header.producerId)
    const verdict = checkSequence(entry, header)
    if (verdict === 'append') {
      const refusal = this.#verifications.refusal(entry, header, verified)
      return refusal === undefined ? this.#write(batch, header) : this.#refused(refusal)
    }
    if ('errorCode' in verdict) return this.#refused(verdict)
    const { lastOffset, offsetDelta, timestamp } = verdict.duplicate
    return {
      errorCode: errorCodes.NONE,
      baseOffset: lastOffset - offsetDelta,
      lastOffset,
      // Kafka's answer tells the largest time of the original, whoever has set it.
      logAppendTimeMs: timestamp,
      logStartOffset: this.log.logStartOffset,
      duplicate: true,
    }
  }

  hasOpenTransaction(producerId: bigint, producerEpoch: number): boolean {
    return isOpenUnder(this.producers.get(producerId), producerEpoch)
  }

  beginVerification(producerId: bigint): Verification {
    return this.#verifications.begin(producerId)
  }

  dropVerification(producerId: bigint, verification: Verification): void {
    this.#verifications.drop(producerId, verification)
  }

  endTransaction(marker: TransactionMarker): PartitionAppendResult {
    if (this.#ended !== undefined) return this.#failed(this.#ended)
    const refusal = markerRefusal(this.producers.get(marker.producerId), marker)
    if (refusal !== undefined) return this.#refused(refusal)
    this.#verifications.forget(marker.producerId)
    const { producerId, producerEpoch, coordinatorEpoch } = marker
    const type = marker.committed ? 'commit' : 'abort'
    const batch = { producerId, producerEpoch, timestamp: this.#clock.now() }
    return this.#write(writeControlRecord({ type, coordinatorEpoch }, batch), undefined)
  }

  producer(producerId: bigint): ProducerEntry | undefined {
    return this.producers.get(producerId)
  }

  producerEntries(): Iterable<ProducerEntry> {
    return this.producers.entries()
  }

  whenCommitted(offset: number, signal?: AbortSignal): Promise<void> {
    if (this.highWatermark >= offset) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = (): void => {
        reject(signal!.reason as Error)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const committed = (failure?: Error): void => {
        signal?.removeEventListener('abort', onAbort)
        if (failure === undefined) resolve()
        else reject(failure)
      }
      this.onceCommitted({ offset, committed })
    })
  }

  onceCommitted(waiter: CommitWaiter): void {
    if (this.highWatermark >= waiter.offset) waiter.committed()
    else if (this.#ended !== undefined) waiter.committed(this.#ended)
    else this.#waiters.add(waiter)
  }

  onHighWatermark(listener: (highWatermark: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  read(request: ReadRequest): LogSlice | Promise<LogSlice> {
    const bounded =
      request.maxOffset === undefined ? { ...request, maxOffset: this.highWatermark } : request
    return this.log.readNow(bounded) ?? this.log.read(bounded)
  }

  /**
   * Stops serving (the topic is deleted, or the broker stops): those who wait get an error. The log
   * stays open.
   */
  close(): void {
    this.closed = true
    this.#ended = new StoreError('KFK_STORE_CLOSED', `${this.key} is not served here any more`)
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#waiters.fail(-1, this.#ended)
    this.#listeners.clear()
    this.#onAdvance(this.key)
  }

  #write(batches: Uint8Array, header: BatchHeader | undefined): PartitionAppendResult {
    try {
      const { baseOffset, lastOffset } = this.log.append(batches, { leaderEpoch: this.leaderEpoch })
      this.#appendedBytes += batches.length
      const stamped = header !== undefined && this.rules.logAppendTime
      return {
        errorCode: errorCodes.NONE,
        baseOffset,
        lastOffset,
        logAppendTimeMs: stamped ? header.maxTimestamp : -1,
        logStartOffset: this.log.logStartOffset,
      }
    } catch (error) {
      return this.#failed(error)
    }
  }

  #advanced(offset: number): void {
    const end = this.log.logEndOffset
    const share = offset >= end ? 1 : (offset - this.#countedOffset) / (end - this.#countedOffset)
    this.committedBytes += (this.#appendedBytes - this.committedBytes) * share
    this.#countedOffset = offset
    // Readers first: what they get is on its way to somebody who waits for it; an acknowledgement
    // has done its part once it is decided.
    this.#onAdvance(this.key)
    this.#waiters.release(offset)
    for (const listener of this.#listeners) listener(offset)
  }

  #failed(error: unknown): PartitionAppendResult {
    const errorMessage = error instanceof Error ? error.message : String(error)
    return this.#refused({ errorCode: toErrorCode(error), errorMessage, early: true })
  }

  #refused({ early, ...refusal }: Refusal): PartitionAppendResult {
    return {
      ...refusal,
      baseOffset: -1,
      lastOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: early === true ? -1 : this.log.logStartOffset,
    }
  }
}
