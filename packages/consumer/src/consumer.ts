import { abortedError, ClientError, createClient, kafkaError, type Client } from '@kfk/client'
import { Assignments } from './assignments.js'
import type { ConsumerRecord, RecordBatch } from './consumer-record.js'
import { Delivery } from './delivery.js'
import { Fetcher } from './fetcher.js'
import { GroupDriver } from './group-driver.js'
import { releaseLane, takeLane } from './lane-numbers.js'
import { commitOffsets, type OffsetToCommit } from './offset-commits.js'
import { resolveSettings } from './options.js'
import type { ConsumerOptions, RecordOf, ResolvedSettings, Subscription } from './options.js'
import type { AssignedPartition, TakenRecords } from './assigned-partition.js'
import { RecordDecoder } from './record-decoder.js'
import type { TopicPartition } from './topic-partition.js'

export interface BatchOptions {
  /** Most records in a batch. Default 500. */
  readonly maxRecords?: number
  readonly signal?: AbortSignal
}

export interface RunOptions {
  /** Handlers running at once, each on another partition. Default: one for each partition. */
  readonly concurrency?: number
  readonly signal?: AbortSignal
}

/** Where a partition stands. */
export interface PartitionLag extends TopicPartition {
  /** Next offset to be processed. */
  readonly position: bigint
  readonly highWatermark: bigint
  readonly lag: bigint
}

/** A partition and offset, for `seek` and `commit`: the offset is the next one to read. */
export interface TopicPartitionOffset extends TopicPartition {
  readonly offset: bigint
}

const defaultMaxRecords = 500
const closeTimeoutMs = 10_000
/** REBALANCE_IN_PROGRESS: the generation goes on, a commit in it may be tried again. */
const rebalanceInProgress = 27

/**
 * Reads topics, alone or sharing them with the other members of a group.
 *
 * Order: records of a partition come in offset order, one at a time. Delivery: at least once. What counts as processed,
 * and is committed, is a record or batch after which the loop asked for the next one, or whose handler has returned;
 * fetched but unprocessed records are never committed. Connects at the first read.
 */
export class Consumer<T extends Subscription = Subscription> implements AsyncDisposable {
  readonly #client: Client
  readonly #ownsClient: boolean
  readonly #settings: ResolvedSettings
  readonly #assignments: Assignments
  readonly #delivery: Delivery
  readonly #fetcher: Fetcher
  readonly #decoder: RecordDecoder
  readonly #driver: GroupDriver | undefined
  readonly #lane = takeLane()
  #commitTimer: { cancel(): void } | undefined
  #started: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ConsumerOptions<T>) {
    this.#settings = resolveSettings(options)
    this.#ownsClient = !('client' in options)
    this.#client = 'client' in options ? options.client : createClient(options)
    const settings = this.#settings
    const topics = [
      ...new Set(settings.topics.map((each) => (typeof each === 'string' ? each : each.name))),
    ]
    const partitions = (): Iterable<AssignedPartition> => this.#assignments.all()
    this.#decoder = new RecordDecoder(settings.topics, settings.onInvalid)
    this.#delivery = new Delivery(partitions, () => this.#fetcher.wake())
    this.#fetcher = new Fetcher({
      client: this.#client,
      lane: this.#lane,
      settings,
      partitions,
      onRecords: () => this.#delivery.signal(),
      onOutOfRange: (partition) => this.#assignments.resetOutOfRange(partition),
      onError: (error) => this.#delivery.fail(error),
    })
    this.#assignments = new Assignments({
      client: this.#client,
      settings,
      topics,
      onReady: () => this.#fetcher.wake(),
      onError: (error) => this.#delivery.fail(error),
    })
    this.#driver = this.#makeDriver(topics)
  }

  /** Partitions that this consumer reads now. */
  assignment(): TopicPartition[] {
    return [...this.#assignments.all()].map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Membership of the group; undefined without one. `generation` is -1 while there is none. */
  get membership(): { readonly memberId: string; readonly generation: number } | undefined {
    return this.#driver && { memberId: this.#driver.memberId, generation: this.#driver.generation }
  }

  /** Record by record. Ends on `close`; throws ClientError. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RecordOf<T>, void, undefined> {
    for (;;) {
      const taken = await this.#take({})
      if (taken === undefined) return
      const { partition } = taken
      try {
        const records = await this.#decode(taken)
        for (const record of records) {
          if (partition.over || partition.seeks !== taken.seeks) break
          yield record as RecordOf<T>
          if (partition.seeks === taken.seeks) partition.progress(Number(record.offset) + 1)
        }
        if (!partition.over) this.#finish(taken)
      } finally {
        this.#putBack(taken)
      }
    }
  }

  /** Batches of one partition each, the partitions in turn. Asking for the next one says that the last is processed. */
  async *batches(options: BatchOptions = {}): AsyncGenerator<BatchOf<T>, void, undefined> {
    for (;;) {
      const taken = await this.#take(options)
      if (taken === undefined) return
      try {
        const records = await this.#decode(taken)
        if (records.length > 0) yield this.#batch(taken, records)
        this.#finish(taken)
      } finally {
        this.#putBack(taken)
      }
    }
  }

  /**
   * Calls `handler` for every record: partitions side by side, each in order. Resolves on `close` or when the signal
   * fires; rejects with what a handler throws, after the other handlers have ended. The record that failed and those
   * after it in its partition are not committed. `signal` in the handler fires when the partition is taken away.
   */
  async run(
    handler: (record: RecordOf<T>, context: { readonly signal: AbortSignal }) => unknown,
    options: RunOptions = {},
  ): Promise<void> {
    const stop = new AbortController()
    const work = async (): Promise<void> => {
      for (;;) {
        const taken = await this.#take(options, stop.signal)
        if (taken === undefined) return
        await this.#handle(taken, handler)
      }
    }
    const concurrency = options.concurrency ?? Math.max(1, this.#settings.assignment?.length ?? 64)
    const guarded = async (): Promise<void> => {
      try {
        await work()
      } catch (error) {
        stop.abort()
        this.#delivery.interrupt()
        throw error
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: concurrency }, guarded))
    const failed = ended.find((each) => each.status === 'rejected')
    if (failed) throw failed.reason
  }

  /**
   * Commits what has been processed, or the given offsets. Resolves when they are durable in the group. Rejects with
   * KFK_CLIENT_SERVER and the group's error: after ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID the partitions have other
   * owners, REBALANCE_IN_PROGRESS is retriable.
   */
  async commit(offsets?: readonly TopicPartitionOffset[]): Promise<void> {
    const wanted = offsets
      ? offsets.map(({ topic, partition, offset }) => ({
          topic,
          partition,
          offset: Number(offset),
        }))
      : this.#assignments.uncommitted()
    const errorCode = await this.#commit(wanted)
    if (errorCode !== 0) throw kafkaError(errorCode, null, { group: this.#settings.group })
  }

  /** Goes on reading a partition from `offset`. It must be assigned. */
  seek(partition: TopicPartition, offset: bigint | number): void {
    this.#assignments.get(partition).seek(Number(offset))
    this.#delivery.signal()
    this.#fetcher.wake()
  }

  /** Stops handing out (and, when enough is buffered, fetching) records of these partitions, or of all. */
  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const each of partitions) this.#assignments.get(each).paused = true
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const each of partitions) this.#assignments.get(each).paused = false
    this.#delivery.signal()
    this.#fetcher.wake()
  }

  /** How far behind each assigned partition is, by the high watermark of the last fetch; unknown ones are left out. */
  lag(): PartitionLag[] {
    return [...this.#assignments.all()].flatMap(
      ({ topic, partition, processed, highWatermark }) => {
        if (processed === undefined || highWatermark === undefined) return []
        const lag = BigInt(Math.max(0, highWatermark - processed))
        return [
          {
            topic,
            partition,
            position: BigInt(processed),
            highWatermark: BigInt(highWatermark),
            lag,
          },
        ]
      },
    )
  }

  /** Next offset to be processed; undefined while it is not known. */
  position(partition: TopicPartition): bigint | undefined {
    const { processed } = this.#assignments.get(partition)
    return processed === undefined ? undefined : BigInt(processed)
  }

  /** Joins and starts to fetch before the first record is asked for; loops do it by themselves. */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  /**
   * Ends loops, waits for handlers (at most `timeoutMs`, default 10000), commits what is processed, leaves the group,
   * and closes the client if it is this consumer's own. Idempotent.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? closeTimeoutMs)
    return this.#closing
  }

  /** Stops at once as if the process had died: commits nothing and tells nobody. For tests and last resorts. */
  async destroy(): Promise<void> {
    this.#closing ??= Promise.resolve()
    this.#stop()
    this.#driver?.destroy()
    this.#assignments.endAll('the consumer was destroyed')
    releaseLane(this.#lane)
    if (this.#ownsClient) await this.#client.close({ timeoutMs: 0 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #makeDriver(topics: readonly string[]): GroupDriver | undefined {
    const { group, assignment } = this.#settings
    if (group === undefined || assignment !== undefined) return undefined
    return new GroupDriver({
      client: this.#client,
      lane: this.#lane,
      group,
      topics,
      settings: this.#settings,
      hooks: {
        assigned: (partitions) => this.#assignments.begin(partitions),
        release: (partitions) => this.#release(partitions),
        lost: (partitions) => this.#assignments.lose(partitions),
        failed: (error) => this.#delivery.fail(error),
      },
    })
  }

  async #start(): Promise<void> {
    if (this.#settings.commitIntervalMs !== undefined && this.#settings.group !== undefined) {
      this.#commitLater(this.#settings.commitIntervalMs)
    }
    if (this.#driver) this.#driver.start()
    else await this.#assignments.beginAlone()
  }

  /** `stop` ends the loop quietly, the caller's own signal with KFK_CLIENT_ABORTED. */
  async #take(
    options: BatchOptions,
    stop?: AbortSignal,
  ): Promise<(TakenRecords & { seeks: number }) | undefined> {
    const { signal, maxRecords = defaultMaxRecords } = options
    if (this.#closing) return undefined
    this.start().catch((error: unknown) => this.#delivery.fail(error as ClientError))
    const interrupt = (): void => this.#delivery.interrupt()
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      const taken = await this.#delivery.take(
        maxRecords,
        () => signal?.aborted === true || stop?.aborted === true,
      )
      if (taken === undefined && signal?.aborted === true && !this.#delivery.closed)
        throw abortedError(signal)
      return taken && { ...taken, seeks: taken.partition.seeks }
    } finally {
      signal?.removeEventListener('abort', interrupt)
    }
  }

  async #decode(taken: TakenRecords): Promise<readonly ConsumerRecord[]> {
    const decoded = this.#decoder.decode(taken.partition, taken.records)
    return (decoded instanceof Promise ? await decoded : decoded) as readonly ConsumerRecord[]
  }

  #batch(taken: TakenRecords, records: readonly ConsumerRecord[]): BatchOf<T> {
    const { partition, nextOffset } = taken
    const { topic, partition: index, signal, highWatermark } = partition
    const batch: RecordBatch = {
      topic,
      partition: index,
      records,
      nextOffset: BigInt(nextOffset),
      highWatermark: BigInt(highWatermark ?? nextOffset),
      signal,
      commit: () => this.commit([{ topic, partition: index, offset: BigInt(nextOffset) }]),
    }
    return batch as BatchOf<T>
  }

  async #handle(
    taken: TakenRecords & { seeks: number },
    handler: (record: RecordOf<T>, context: { readonly signal: AbortSignal }) => unknown,
  ): Promise<void> {
    const { partition } = taken
    const context = { signal: partition.signal }
    try {
      const records = await this.#decode(taken)
      for (const record of records) {
        if (partition.over || partition.seeks !== taken.seeks) return
        // A handler that returns nothing to wait for costs no turn of the event loop.
        const result = handler(record as RecordOf<T>, context)
        if (result instanceof Promise) await result
        if (partition.seeks === taken.seeks) partition.progress(Number(record.offset) + 1)
      }
      this.#finish(taken)
    } finally {
      this.#putBack(taken)
    }
  }

  /** Unless the application has moved the position meanwhile. */
  #finish(taken: TakenRecords & { seeks: number }): void {
    if (taken.partition.seeks === taken.seeks) taken.partition.finish()
  }

  #putBack({ partition }: TakenRecords): void {
    partition.putBack()
    this.#delivery.signal()
    this.#fetcher.wake()
  }

  async #release(partitions: readonly TopicPartition[]): Promise<void> {
    const ending = this.#assignments.end(partitions, 'the partition was revoked')
    this.#delivery.signal()
    await this.#drain(ending, this.#settings.rebalanceTimeoutMs)
    if (this.#settings.commitIntervalMs !== undefined) {
      await this.#commit(this.#assignments.uncommittedOf(ending)).catch((error: unknown) => {
        this.#client.logger.warn(
          'offsets could not be committed before the partitions were given up',
          { error },
        )
      })
    }
    await this.#settings.rebalance.revoked?.(partitions)
  }

  async #drain(partitions: readonly AssignedPartition[], timeoutMs: number): Promise<void> {
    const drained = Promise.all(partitions.map((each) => each.drained()))
    let timer: { cancel(): void } | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#client.clock.setTimer(timeoutMs, resolve)
    })
    await Promise.race([drained, late])
    timer?.cancel()
  }

  async #commit(offsets: readonly OffsetToCommit[]): Promise<number> {
    const { group, groupInstanceId, rebalanceTimeoutMs } = this.#settings
    if (group === undefined) {
      const message = 'Offsets are committed to a group: create the consumer with `group`.'
      throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
    }
    if (offsets.length === 0) return 0
    const { memberId = '', generation = -1 } = this.#driver ?? {}
    const identity = {
      group,
      memberId,
      generation,
      groupInstanceId: this.#driver ? groupInstanceId : null,
    }
    const timeoutMs = Math.min(rebalanceTimeoutMs, 60_000)
    const errorCode = await commitOffsets({ client: this.#client, timeoutMs }, identity, offsets)
    if (errorCode === 0) this.#assignments.markCommitted(offsets)
    else this.#driver?.committed(errorCode)
    return errorCode
  }

  #commitLater(intervalMs: number): void {
    this.#commitTimer = this.#client.clock.setTimer(intervalMs, () => {
      const offsets = this.#assignments.uncommitted()
      this.#commit(offsets)
        .then((errorCode) => {
          if (errorCode === 0 || errorCode === rebalanceInProgress) return
          this.#client.logger.warn('offsets were not committed: the group has moved on', {
            errorCode,
          })
        })
        .catch((error: unknown) =>
          this.#client.logger.warn('offsets could not be committed', { error }),
        )
        .finally(() => {
          if (!this.#closing) this.#commitLater(intervalMs)
        })
    })
  }

  #stop(): void {
    this.#commitTimer?.cancel()
    this.#delivery.close()
    this.#fetcher.stop()
    this.#assignments.stop()
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#stop()
    const all = [...this.#assignments.all()]
    await this.#drain(all, timeoutMs)
    if (
      this.#settings.commitIntervalMs !== undefined &&
      this.#settings.group !== undefined &&
      this.#started
    ) {
      await this.#commit(this.#assignments.uncommittedOf(all)).catch((error: unknown) => {
        this.#client.logger.warn('offsets could not be committed on close', { error })
      })
    }
    await this.#driver?.leave()
    const partitions = this.assignment()
    this.#assignments.endAll('the consumer is closed')
    if (partitions.length > 0) await this.#settings.rebalance.revoked?.(partitions)
    releaseLane(this.#lane)
    if (this.#ownsClient) await this.#client.close()
  }
}

/** The batch type of a subscription. */
export type BatchOf<T> =
  RecordOf<T> extends ConsumerRecord<infer Key, infer Value> ? RecordBatch<Key, Value> : never

/**
 * Makes a consumer. Nothing is contacted before the first read.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function createConsumer<const T extends Subscription = string>(
  options: ConsumerOptions<T>,
): Consumer<T> {
  return new Consumer(options)
}
