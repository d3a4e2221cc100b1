import {
  batches,
  decodeRecords,
  errorCodes,
  readControlRecord,
  RecordBatchBuilder,
} from '@kfk/protocol'
import type { Partition, TransactionMarker } from '../context.js'
import type { Clock, TimerHandle } from '../runtime/clock.js'

/** Most bytes of one read while loading: some thousand records, a few ms of decoding. */
const LOAD_BYTES = 1024 * 1024
/** While loading, other work gets its turn after this many bytes. */
const LOAD_YIELD_BYTES = 4 * 1024 * 1024
/**
 * Largest record batch that is written; a commit of more partitions takes several. Kafka's default
 * `message.max.bytes`, roughly.
 */
const MAX_BATCH_BYTES = 1_000_000

/** Called once: NONE when everything below an offset is committed, else why it may not be. */
export type CommitCallback = (errorCode: number) => void

/** The producer whose transaction records are a part of. */
export interface LogProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** How a transaction ended that has records in this log. */
export interface LogTransactionEnd {
  readonly producerId: bigint
  readonly committed: boolean
}

interface Waiter<R> {
  readonly offset: number
  readonly deadline: number
  /** Undefined once it was called. */
  callback: CommitCallback | undefined
  readonly records: readonly R[]
  readonly producerId?: bigint | undefined
  readonly end?: LogTransactionEnd
}

/** How records look in the log. */
export interface CoordinatorRecordFormat<R> {
  encode(record: R): { key: Uint8Array; value: Uint8Array | null }
  /** Undefined: a record that this coordinator does not know. */
  decode(key: Uint8Array, value: Uint8Array | null): R | undefined
}

export interface CoordinatorLogOptions<R> {
  readonly partition: Partition
  readonly clock: Clock
  readonly format: CoordinatorRecordFormat<R>
  /** How long a write may take to be committed before it is answered with an error, ms. */
  readonly commitTimeoutMs: number
  /**
   * Applies a committed record: the only way into the durable state. With a producer id it counts
   * only once that producer's transaction ends well.
   */
  readonly replay: (record: R, producerId?: bigint) => void
  /** A record is gone whose writer was told before that it takes too long. */
  readonly dropped?: (record: R) => void
  /** Applies the end of a transaction. */
  readonly replayEnd?: (end: LogTransactionEnd) => void
}

/**
 * A partition as an event-sourced coordinator uses it: records are appended at once, replayed when
 * they are committed, and whoever waits for them is answered after that. So the state that is read
 * is never ahead of the log.
 */
export class CoordinatorLog<R> {
  readonly #options: CoordinatorLogOptions<R>
  /** In the order of the log. */
  readonly #waiting: Waiter<R>[] = []
  readonly #unsubscribe: (() => void)[]
  #timer: TimerHandle | undefined
  #closedWith: number | undefined

  constructor(options: CoordinatorLogOptions<R>) {
    const { partition } = options
    this.#options = options
    this.#unsubscribe = [
      partition.onHighWatermark((highWatermark) => this.#advance(highWatermark)),
      partition.log.onRollback(({ endOffset }) =>
        this.#drop(endOffset, errorCodes.COORDINATOR_NOT_AVAILABLE),
      ),
      partition.log.onPoisoned(() => this.#drop(0, errorCodes.NOT_COORDINATOR)),
    ]
  }

  /** What was written and is not committed yet, in order. */
  *pending(): IterableIterator<R> {
    for (const { records } of this.#waiting) yield* records
  }

  /**
   * Replays everything that the partition holds. Afterwards the log takes appends.
   *
   * @throws what reading throws (StoreError, ProtocolError): the partition must not be served
   */
  async load(signal: AbortSignal): Promise<void> {
    const { partition, clock } = this.#options
    const end = partition.logEndOffset
    if (partition.highWatermark < end) await partition.whenCommitted(end, signal)
    let sinceYield = 0
    let from = partition.logStartOffset
    while (from < end && !signal.aborted) {
      const read = partition.read({ from, maxBytes: LOAD_BYTES, maxOffset: end })
      const slice = read instanceof Promise ? await read : read
      this.#replayAll(slice.bytes, from)
      if (slice.nextOffset <= from) break
      from = slice.nextOffset
      sinceYield += slice.bytes.length
      if (sinceYield < LOAD_YIELD_BYTES) continue
      sinceYield = 0
      await new Promise<void>((resolve) => clock.setTimer(0, resolve))
    }
    signal.throwIfAborted()
  }

  /**
   * Appends records as one unit: `callback` is called, never during this call, when the last of
   * them is committed and all are replayed, or with the error after which nobody may rely on them.
   * Returns an error code when they could not even be appended.
   */
  append(records: readonly R[], callback: CommitCallback, producer?: LogProducer): number {
    if (this.#closedWith !== undefined) return this.#closedWith
    const { partition, clock, commitTimeoutMs } = this.#options
    const chunks = this.#encode(records, clock.now(), producer)
    const deadline = clock.monotonicMs() + commitTimeoutMs
    for (const [index, chunk] of chunks.entries()) {
      const result = partition.append(chunk.bytes, { origin: 'coordinator' })
      if (result.errorCode !== errorCodes.NONE) return coordinatorError(result.errorCode)
      const last = index === chunks.length - 1
      this.#waiting.push({
        offset: result.lastOffset + 1,
        deadline,
        callback: last ? callback : undefined,
        records: chunk.records,
        producerId: producer?.producerId,
      })
    }
    this.#arm()
    return errorCodes.NONE
  }

  /** Appends the end of a transaction, like `append`; the errors are those of the partition. */
  appendEnd(marker: TransactionMarker, callback: CommitCallback): number {
    if (this.#closedWith !== undefined) return this.#closedWith
    const { partition, clock, commitTimeoutMs } = this.#options
    const result = partition.endTransaction(marker)
    if (result.errorCode !== errorCodes.NONE) return result.errorCode
    const { producerId, committed } = marker
    this.#waiting.push({
      offset: result.lastOffset + 1,
      deadline: clock.monotonicMs() + commitTimeoutMs,
      callback,
      records: [],
      end: { producerId, committed },
    })
    this.#arm()
    return errorCodes.NONE
  }

  /** Calls back when all that is written so far is committed: at once, if it is. */
  afterAll(callback: CommitCallback): void {
    const last = this.#waiting.at(-1)
    if (last === undefined) {
      callback(this.#closedWith ?? errorCodes.NONE)
      return
    }
    const { offset, deadline } = last
    this.#waiting.push({ offset, deadline, callback, records: [] })
  }

  /** Ends every wait with `errorCode`; later appends get it too. */
  close(errorCode: number): void {
    this.#closedWith ??= errorCode
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#timer?.cancel()
    this.#drop(0, errorCode)
  }

  #advance(highWatermark: number): void {
    const open = this.#waiting.findIndex(({ offset }) => offset > highWatermark)
    const done = this.#waiting.splice(0, open < 0 ? this.#waiting.length : open)
    // All of the state first: what a callback reads is as of now.
    const { replay, replayEnd } = this.#options
    for (const { records, producerId, end } of done) {
      for (const record of records) replay(record, producerId)
      if (end !== undefined) replayEnd?.(end)
    }
    for (const { callback } of done) callback?.(errorCodes.NONE)
  }

  /** What was written from `endOffset` on is gone, or nobody will ever know. */
  #drop(endOffset: number, errorCode: number): void {
    const kept = this.#waiting.findIndex(({ offset }) => offset > endOffset)
    const dropped = kept < 0 ? [] : this.#waiting.splice(kept)
    for (const { callback, records } of dropped) {
      if (callback !== undefined) callback(errorCode)
      else for (const record of records) this.#options.dropped?.(record)
    }
  }

  /** One timer for all: they have the same patience, so the oldest is due first. */
  #arm(): void {
    const next = this.#waiting.find(({ callback }) => callback !== undefined)
    if (this.#timer !== undefined || next === undefined) return
    const { clock } = this.#options
    const delayMs = Math.max(Math.ceil(next.deadline - clock.monotonicMs()), 0)
    this.#timer = clock.setTimer(delayMs, () => this.#expire())
  }

  /**
   * Answers those who have waited too long. Their records stay: should they be committed after all,
   * they count.
   */
  #expire(): void {
    this.#timer = undefined
    const now = this.#options.clock.monotonicMs()
    const late = this.#waiting.filter(({ deadline }) => deadline <= now)
    for (const waiter of late) {
      const { callback } = waiter
      waiter.callback = undefined
      callback?.(errorCodes.COORDINATOR_NOT_AVAILABLE)
    }
    this.#arm()
  }

  #replayAll(bytes: Uint8Array, from: number): void {
    const { format, replay, replayEnd } = this.#options
    for (const { record, producerId, end } of readRecords(format, bytes, from)) {
      if (record !== undefined) replay(record, producerId)
      if (end !== undefined) replayEnd?.(end)
    }
  }

  #encode(
    records: readonly R[],
    timestamp: number,
    producer: LogProducer | undefined,
  ): { bytes: Uint8Array; records: readonly R[] }[] {
    const chunks: { bytes: Uint8Array; records: readonly R[] }[] = []
    const newBuilder = (): RecordBatchBuilder =>
      new RecordBatchBuilder({
        maxBytes: MAX_BATCH_BYTES,
        ...(producer && { ...producer, baseSequence: 0, transactional: true }),
      })
    let builder = newBuilder()
    let start = 0
    for (const [index, record] of records.entries()) {
      const encoded = { ...this.#options.format.encode(record), timestamp }
      if (builder.tryAppend(encoded)) continue
      chunks.push({ bytes: builder.build(), records: records.slice(start, index) })
      builder = newBuilder()
      builder.tryAppend(encoded)
      start = index
    }
    chunks.push({ bytes: builder.build(), records: records.slice(start) })
    return chunks
  }
}

/** What is to be replayed, in order. */
export interface LogEntry<R> {
  readonly record?: R
  /** Whose transaction the record is a part of; undefined: of none. */
  readonly producerId?: bigint | undefined
  readonly end?: LogTransactionEnd
}

/**
 * The records of whole batches from offset `from` on; of types that the coordinator does not know,
 * nothing.
 */
export function* readRecords<R>(
  format: CoordinatorRecordFormat<R>,
  bytes: Uint8Array,
  from: number,
): IterableIterator<LogEntry<R>> {
  for (const { header, bytes: batch } of batches(bytes)) {
    if (header.lastOffset < from) continue
    const { isControl, isTransactional } = header
    const producerId = isTransactional ? header.producerId : undefined
    const records = decodeRecords(batch)
    if (isControl) {
      const type = records[0] && readControlRecord(records[0])?.type
      if (type === undefined || producerId === undefined) continue
      yield { end: { producerId, committed: type === 'commit' } }
      continue
    }
    for (const { offset, key, value } of records) {
      const record = offset >= from && key !== null ? format.decode(key, value) : undefined
      if (record !== undefined) yield { record, producerId }
    }
  }
}

/** How Kafka tells clients of a coordinator that its own log has refused an append. */
function coordinatorError(appendError: number): number {
  switch (appendError) {
    case errorCodes.UNKNOWN_TOPIC_OR_PARTITION:
    case errorCodes.NOT_ENOUGH_REPLICAS:
    case errorCodes.REQUEST_TIMED_OUT:
      return errorCodes.COORDINATOR_NOT_AVAILABLE
    case errorCodes.NOT_LEADER_OR_FOLLOWER:
    case errorCodes.KAFKA_STORAGE_ERROR:
      return errorCodes.NOT_COORDINATOR
    default:
      return errorCodes.UNKNOWN_SERVER_ERROR
  }
}
