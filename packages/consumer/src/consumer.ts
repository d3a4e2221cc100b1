import { ClientError, createClient, type Client } from '@kfk/client'
import { Assignments } from './assignments.js'
import type { AssignedPartition } from './assigned-partition.js'
import type { BatchView, ConsumerRecord, RecordBatch } from './consumer-record.js'
import { Delivery } from './delivery.js'
import { Fetcher } from './fetcher.js'
import type { GroupMembership } from './group-membership.js'
import { Handover } from './handover.js'
import { releaseLane, takeLane } from './lane-numbers.js'
import { LoneAssignment } from './lone-assignment.js'
import { OffsetCommitter, type CommitBounds } from './offset-committer.js'
import { resolveSettings } from './options.js'
import type { ConsumerOptions, RecordOf, ResolvedSettings, Subscription } from './options.js'
import { lagOf, type PartitionLag } from './partition-lag.js'
import { membershipFor } from './protocol-choice.js'
import { RecordDecoder } from './record-decoder.js'
import {
  RecordLoops,
  type BatchOptions,
  type PartitionRecords,
  type RunOptions,
} from './record-loops.js'
import type { TopicPartition } from './topic-partition.js'

/** A partition and offset, for `seek` and `commit`: the offset is the next one to read. */
export interface TopicPartitionOffset extends TopicPartition {
  readonly offset: bigint
  /** Kept with a committed offset, for whoever looks at the group; `seek` does not use it. */
  readonly metadata?: string
}

/** The batch type of a subscription. */
export type BatchOf<T> =
  RecordOf<T> extends ConsumerRecord<infer Key, infer Value> ? RecordBatch<Key, Value> : never

export interface CloseOptions {
  /** Bound of waiting for handlers and of the last commit, in milliseconds. Default 10000. */
  readonly timeoutMs?: number
  /** Stops waiting for handlers. */
  readonly signal?: AbortSignal
}

const closeTimeoutMs = 10_000

/**
 * Reads topics, alone or sharing them with the other members of a group.
 *
 * Order: records of a partition come in offset order, one at a time. Delivery: at least once. What
 * counts as processed, and is committed, is a record or batch after which the loop asked for the
 * next one, or whose handler has returned; fetched but unprocessed records are never committed.
 * Connects at the first read.
 *
 * Several loops may run at once; each record goes to one of them. Loops end on `close`, also those
 * begun afterwards; other methods then reject with KFK_CLIENT_CLOSED. Heartbeats do not depend on
 * loops and handlers.
 */
export class Consumer<T extends Subscription = Subscription> implements AsyncDisposable {
  readonly #client: Client
  readonly #ownsClient: boolean
  readonly #settings: ResolvedSettings
  readonly #assignments: Assignments
  readonly #delivery: Delivery
  readonly #fetcher: Fetcher
  readonly #loops: RecordLoops
  readonly #committer: OffsetCommitter
  readonly #handover: Handover
  readonly #driver: GroupMembership | undefined
  readonly #lone: LoneAssignment | undefined
  readonly #lane: number
  #started: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ConsumerOptions<T>) {
    const settings = resolveSettings(options)
    const client = 'client' in options ? options.client : createClient(options)
    const lane = takeLane()
    const names = settings.topics.map((each) => (typeof each === 'string' ? each : each.name))
    const topics = [...new Set(names)]
    const onReady = (): void => this.#wake()
    const onError = (error: unknown): void => delivery.fail(error)
    const assignments = new Assignments({ client, settings, onReady, onError })
    const partitions = (): Iterable<AssignedPartition> => assignments.all()
    const delivery = new Delivery(partitions, () => this.#fetcher.wake())
    const committer = new OffsetCommitter({
      client,
      settings,
      held: () => assignments.held(),
      holderOf: (partition) => assignments.holderOf(partition),
      member: () => this.#driver,
    })
    this.#loops = new RecordLoops({
      delivery,
      clock: client.clock,
      decoder: new RecordDecoder(settings.topics, settings.onInvalid),
      partitions,
      start: () => void this.#begin().catch(onError),
      onDone: () => this.#fetcher.wake(),
      commit: (partition, nextOffset) => committer.commitOf(partition, nextOffset),
    })
    this.#fetcher = new Fetcher({
      client,
      lane,
      settings,
      partitions,
      find: (key) => assignments.find(key),
      onRecords: () => delivery.signal(),
      onOutOfRange: (partition) => assignments.resetOutOfRange(partition),
      onDiverging: (partition, endOffset) => assignments.resetDiverging(partition, endOffset),
    })
    this.#settings = settings
    this.#client = client
    this.#ownsClient = !('client' in options)
    this.#lane = lane
    this.#assignments = assignments
    this.#delivery = delivery
    this.#committer = committer
    this.#handover = new Handover({ client, settings, assignments, delivery, committer })
    this.#driver = this.#makeDriver(topics)
    this.#lone = this.#driver
      ? undefined
      : new LoneAssignment({ client, settings, topics, assignments })
  }

  /** Partitions that this consumer reads now. */
  assignment(): TopicPartition[] {
    return this.#assignments.announced()
  }

  /** Membership of the group; undefined without one. `generation` is -1 while there is none. */
  get membership(): { readonly memberId: string; readonly generation: number } | undefined {
    return this.#driver && { memberId: this.#driver.memberId, generation: this.#driver.generation }
  }

  /**
   * Record by record. Ends on `close`; throws ClientError. A loop that is left by `break` or an
   * error can be followed by another one, which begins with the record at which the first was left.
   */
  [Symbol.asyncIterator](): AsyncGenerator<RecordOf<T>, void, undefined> {
    return this.#loops.records() as AsyncGenerator<RecordOf<T>, void, undefined>
  }

  /**
   * Batches of one partition each, the partitions in turn. Asking for the next one says that the
   * last is processed.
   */
  batches(options: BatchOptions = {}): AsyncGenerator<BatchOf<T>, void, undefined> {
    return this.#loops.batches(options) as AsyncGenerator<BatchOf<T>, void, undefined>
  }

  /**
   * The partitions as they are assigned, each to be iterated by itself, all side by side. Their
   * iterations end when the partition goes to another member; a partition that comes back is given
   * again. Ends on `close`.
   */
  partitions(): AsyncGenerator<PartitionRecords<RecordOf<T>>, void, undefined> {
    const partitions = this.#loops.partitions()
    return partitions as AsyncGenerator<PartitionRecords<RecordOf<T>>, void, undefined>
  }

  /**
   * Calls `handler` for every record: partitions side by side, each in order. Resolves on `close`;
   * rejects with what a handler throws, or KFK_CLIENT_ABORTED when the signal fires, in each case
   * after the handlers that are running. The record that failed and those after it in its partition
   * are not committed: another `run` begins with it. `signal` in the handler fires when the
   * partition is taken away.
   */
  run(
    handler: (record: RecordOf<T>, context: { readonly signal: AbortSignal }) => unknown,
    options: RunOptions = {},
  ): Promise<void> {
    return this.#loops.run(handler as Parameters<RecordLoops['run']>[0], options)
  }

  /**
   * Calls `handler` for every record batch as it lies in the log: the fastest way, which makes no
   * object a record. Partitions side by side, each in order; a promise is waited for only if the
   * handler returned one. A batch is processed when its handler is done, and what it was given is
   * good until then: see {@link BatchView}. Keys and values are bytes, whatever the topic's
   * definition says.
   *
   * Resolves and rejects as {@link run}; a batch whose handler failed comes again as a whole.
   */
  runBatches(handler: (batch: BatchView) => unknown, options: RunOptions = {}): Promise<void> {
    return this.#loops.runBatches(handler, options)
  }

  /**
   * Commits what has been processed, or the given offsets. Resolves when they are durable in the
   * group; commits are sent one after the other. A rebalance under way is waited for. Rejects with
   * KFK_CLIENT_SERVER: after ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID the
   * partitions have other owners, and their records are read again there.
   */
  async commit(
    offsets?: readonly TopicPartitionOffset[],
    bounds: CommitBounds = {},
  ): Promise<void> {
    if (offsets === undefined) {
      return this.#committer.commitProcessed(this.#assignments.held(), bounds)
    }
    const wanted = offsets.map(({ topic, partition, offset, metadata = '' }) => ({
      topic,
      partition,
      offset: checkOffset(offset),
      metadata,
    }))
    return this.#committer.commit(wanted, bounds)
  }

  /**
   * Goes on reading a partition from `offset`. It must be assigned. What a loop has in hand is not
   * processed then.
   */
  seek(partition: TopicPartition, offset: bigint | number): void {
    this.#assignments.get(partition).seek(checkOffset(offset))
    this.#wake()
  }

  /**
   * Hands out and fetches no more records of these partitions, or of all. What is fetched already
   * is kept.
   */
  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const each of partitions) this.#assignments.get(each).paused = true
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const each of partitions) this.#assignments.get(each).paused = false
    this.#wake()
  }

  /**
   * How far behind each assigned partition is, by the high watermark of the last fetch; unknown
   * ones are left out.
   */
  lag(): PartitionLag[] {
    return [...this.#assignments.all()].flatMap((each) => lagOf(each) ?? [])
  }

  /** Next offset to be processed; undefined while it is not known. */
  position(partition: TopicPartition): bigint | undefined {
    const { processed } = this.#assignments.get(partition)
    return processed === undefined ? undefined : BigInt(processed)
  }

  /** Joins and starts to fetch before the first record is asked for; loops do it by themselves. */
  async start(): Promise<void> {
    if (this.#closing) throw new ClientError('KFK_CLIENT_CLOSED', 'The consumer is closed.')
    return this.#begin()
  }

  /**
   * Ends loops, waits for handlers, commits what is processed, leaves the group, and closes the
   * client if it is this consumer's own. Inside a loop use `break` instead: the record in hand
   * would be waited for. Rejects with what the `revoked` listener throws, after everything else is
   * done. Idempotent.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  /**
   * Stops at once as if the process had died: commits nothing and tells nobody. For tests and last
   * resorts.
   */
  async destroy(): Promise<void> {
    this.#closing ??= Promise.resolve()
    this.#stop()
    this.#committer.close()
    this.#driver?.destroy()
    this.#assignments.endAll('the consumer was destroyed')
    // The lane stays taken on a shared client: a JoinGroup may still wait on its connection.
    if (!this.#ownsClient) return
    releaseLane(this.#lane)
    await this.#client.close({ timeoutMs: 0 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #makeDriver(topics: readonly string[]): GroupMembership | undefined {
    const { group, assignment } = this.#settings
    if (group === undefined || assignment !== undefined) return undefined
    return membershipFor({
      client: this.#client,
      lane: this.#lane,
      group,
      topics,
      settings: this.#settings,
      hooks: {
        assigned: (partitions, tenure) => this.#assignments.begin(partitions, { tenure }),
        release: (partitions, tenure) => this.#handover.release(partitions, tenure),
        fence: (partitions) => this.#assignments.fence(partitions),
        lost: () => this.#assignments.reportLost(),
        failed: (error) => this.#delivery.fail(error),
      },
    })
  }

  #begin(): Promise<void> {
    if (this.#closing) return Promise.resolve()
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<void> {
    this.#committer.start()
    this.#driver?.start()
    await this.#lone?.start()
  }

  #wake(): void {
    this.#delivery.signal()
    this.#fetcher.wake()
  }

  #stop(): void {
    this.#committer.stopAutomatic()
    this.#lone?.stop()
    this.#assignments.stop()
    this.#fetcher.stop()
    this.#delivery.close()
  }

  async #close({ timeoutMs = closeTimeoutMs, signal }: CloseOptions): Promise<void> {
    this.#stop()
    const deadlineMs = this.#client.clock.monotonicMs() + timeoutMs
    // The last commit gets its chance even if handlers have used up the time.
    const leftMs = (): number => Math.max(1000, deadlineMs - this.#client.clock.monotonicMs())
    await this.#handover.drain(this.#assignments.held(), timeoutMs, signal)
    await this.#handover.commit([...this.#assignments.all()], { timeoutMs: leftMs() })
    await this.#handover.atMost(leftMs(), this.#handover.current)
    try {
      const partitions = this.assignment()
      if (partitions.length > 0) {
        const told = Promise.resolve(this.#settings.rebalance.revoked?.(partitions))
        await this.#handover.atMost(leftMs(), told)
      }
    } finally {
      this.#committer.close()
      this.#assignments.endAll('the consumer is closed')
      await this.#driver?.leave()
      releaseLane(this.#lane)
      if (this.#ownsClient) await this.#client.close()
    }
  }
}

function checkOffset(offset: bigint | number): number {
  const value = Number(offset)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', `${offset} is not an offset.`)
}

/**
 * Makes a consumer. Nothing is contacted before the first read.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function createConsumer<const T extends Subscription = string>(
  options: ConsumerOptions<T>,
): Consumer<T> {
  return new Consumer(options)
}
