import { createAdmin, type Client } from '@kfk/client'
import { createConsumer, type Consumer as OurConsumer, type TopicPartition } from '@kfk/consumer'
import type { PartitionAssigner } from './assigner-api.js'
import { ourAssignors, PartitionAssigners } from './assigners.js'
import { BatchHandling } from './batch-handling.js'
import type { ConsumerConfig, ConsumerEvents, ConsumerRunConfig } from './consumer-api.js'
import { translated } from './error-translation.js'
import { KafkaJSProtocolError } from './errors.js'
import type { GroupWatch } from './group-watch.js'
import type { Instrumentation } from './instrumentation.js'
import type { Link } from './link.js'
import { OffsetCommits } from './offset-commits.js'
import { keyOf, Progress } from './partition-progress.js'
import { byTopic, type PausedPartitions } from './paused-partitions.js'
import { asError, retrying } from './retry.js'

export interface ConsumerRunOptions {
  readonly link: Link
  readonly config: ConsumerConfig
  readonly run: ConsumerRunConfig
  /** By topic, whether to begin at its beginning. */
  readonly topics: ReadonlyMap<string, boolean>
  readonly paused: PausedPartitions
  /** Of partitions that were not assigned when the program sought; applied when they are. */
  readonly pendingSeeks: Map<string, number | 'earliest' | 'latest'>
  readonly watch: GroupWatch
  readonly instrumentation: Instrumentation<ConsumerEvents>
}

/** Messages that a handler of batches gets at once, at most. */
const maxBatchMessages = 10_000
/** kafkajs's defaults where they differ from those of our consumer. */
const defaults = {
  sessionTimeout: 30_000,
  rebalanceTimeout: 60_000,
  heartbeatInterval: 3000,
  maxBytes: 10 * 1024 * 1024,
  maxWaitTimeInMs: 5000,
}

/** From `run` until `stop` or a crash: one membership of the group. */
export class ConsumerRun {
  readonly progress = new Progress()
  readonly commits: OffsetCommits
  readonly #options: ConsumerRunOptions
  readonly #consumer: OurConsumer<string>
  readonly #client: Client
  readonly #handling: BatchHandling
  readonly #abort = new AbortController()
  /** Not subscribed to, but given by another client's assigner. */
  readonly #foreign = new Set<string>()
  #joined: () => void = () => undefined
  #working: Promise<void> = Promise.resolve()

  constructor(client: Client, options: ConsumerRunOptions) {
    const { link, config, run, instrumentation } = options
    this.#options = options
    this.#client = client
    this.#consumer = createConsumer({
      client,
      ...consumerSettings(options, client),
      rebalance: {
        assigned: (partitions) => this.#assigned(partitions),
        revoked: (partitions) => this.#revoked(partitions),
        lost: (partitions) => this.#ended(partitions),
      },
    })
    this.commits = new OffsetCommits({
      consumer: this.#consumer,
      progress: this.progress,
      groupId: config.groupId,
      run,
      instrumentation,
    })
    this.#handling = new BatchHandling({
      run,
      logger: link.logger,
      instrumentation,
      progress: this.progress,
      commits: this.commits,
      paused: options.paused,
      isRunning: () => !this.#abort.signal.aborted,
      pause: (partition) => this.pause([partition]),
      readAgainFrom: (partition, offset) => this.#consumer.seek(partition, offset),
    })
  }

  get membership(): { readonly memberId: string; readonly generation: number } {
    return this.#consumer.membership ?? { memberId: '', generation: -1 }
  }

  get assignment(): TopicPartition[] {
    return this.#consumer.assignment()
  }

  /**
   * Joins the group and begins to read. Resolves when it has joined, or is stopped; what goes wrong
   * is told to `onCrash`, then and later.
   */
  async start(onCrash: (error: Error) => void): Promise<void> {
    const joined = new Promise<void>((resolve) => (this.#joined = resolve))
    await this.#consumer.start()
    this.#working = this.#work().catch((error: unknown) => {
      this.#joined()
      if (!this.#abort.signal.aborted) onCrash(asError(translated(error)))
    })
    await joined
  }

  /** Waits for handlers, and leaves the group. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#joined()
    await this.#working
    await this.#consumer.close()
  }

  /** What is assigned; the rest is known to `paused`. */
  pause(partitions: readonly TopicPartition[]): () => void {
    const topics = byTopic(partitions)
    this.#options.paused.pause(topics)
    this.applyPauses()
    return () => {
      this.#options.paused.resume(topics)
      this.applyPauses()
    }
  }

  applyPauses(): void {
    for (const each of this.#consumer.assignment()) {
      const isPaused = this.#options.paused.has(each) || this.#foreign.has(each.topic)
      if (isPaused) this.#consumer.pause([each])
      else this.#consumer.resume([each])
    }
  }

  /** Now if the partition is assigned, else when it is. */
  seek(partition: TopicPartition, to: number | 'earliest' | 'latest'): void {
    const progress = this.progress.get(partition)
    if (progress !== undefined) progress.seeks += 1
    this.#options.pendingSeeks.set(keyOf(partition), to)
    if (progress === undefined) return
    void this.#applySeeks([partition]).catch((error: unknown) => {
      const { message } = asError(error)
      this.#options.link.logger.error(`Failed to seek: ${message}`, { ...partition })
    })
  }

  /** Reads until it is stopped, starting over after errors as the retry options say. */
  #work(): Promise<void> {
    const { link } = this.#options
    const attempt = async (): Promise<void> => {
      for (;;) {
        try {
          await this.#readAll()
          return
        } catch (thrown) {
          if (!isRebalance(translated(thrown))) throw thrown
        }
      }
    }
    return retrying(link.bounds, attempt, { bail: false, signal: this.#abort.signal })
  }

  /** As many partitions at once as the program wants; an error ends them all. */
  async #readAll(): Promise<void> {
    const { partitionsConsumedConcurrently = 1 } = this.#options.run
    const abort = new AbortController()
    const signal = AbortSignal.any([abort.signal, this.#abort.signal])
    const failures: unknown[] = []
    const read = async (): Promise<void> => {
      try {
        await this.#read(signal)
      } catch (error) {
        if (!signal.aborted) failures.push(error)
        abort.abort()
      }
    }
    await Promise.all(Array.from({ length: partitionsConsumedConcurrently }, read))
    if (failures.length > 0) throw failures[0]
  }

  async #read(signal: AbortSignal): Promise<void> {
    const batches = this.#consumer.batches({ maxRecords: maxBatchMessages, signal })
    for await (const batch of batches) await this.#handling.handle(batch)
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    for (const each of partitions) {
      const position = this.#consumer.position(each)
      this.progress.begin(each, position === undefined ? undefined : Number(position))
    }
    await this.#beginElsewhere(partitions)
    await this.#applySeeks(partitions)
    this.#tellOfForeign()
    this.applyPauses()
    const { watch, instrumentation, config, link } = this.#options
    const { group } = watch
    if (group !== undefined) {
      const { generation: _, ...joined } = group
      const isLeader = joined.leaderId === joined.memberId
      const payload = { groupId: config.groupId, isLeader, ...joined }
      instrumentation.emit(instrumentation.events.GROUP_JOIN, payload)
      link.logger.info('Consumer has joined the group', payload)
    }
    this.#joined()
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    try {
      await this.commits.auto()
    } catch (error) {
      const { message } = asError(error)
      this.#options.link.logger.warn(`Offsets are not committed: ${message}`)
    }
    this.#ended(partitions)
  }

  #ended(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.progress.end(each)
  }

  /** Our consumer begins all topics alike: here are those that the program wants otherwise. */
  async #beginElsewhere(partitions: readonly TopicPartition[]): Promise<void> {
    const { topics, config } = this.#options
    if (!areMixed(topics)) return
    const fromBeginning = partitions.filter(({ topic }) => topics.get(topic) === true)
    if (fromBeginning.length === 0) return
    const committed = await createAdmin({ client: this.#client }).listGroupOffsets(config.groupId)
    const keys = new Set(committed.map(keyOf))
    const fresh = fromBeginning.filter((each) => !keys.has(keyOf(each)))
    for (const each of fresh) {
      if (!this.#options.pendingSeeks.has(keyOf(each))) await this.#seekTo(each, 'earliest')
    }
  }

  async #applySeeks(partitions: readonly TopicPartition[]): Promise<void> {
    const { pendingSeeks } = this.#options
    for (const each of partitions) {
      const to = pendingSeeks.get(keyOf(each))
      if (to === undefined) continue
      pendingSeeks.delete(keyOf(each))
      await this.#seekTo(each, to)
      const progress = this.progress.get(each)
      if (progress !== undefined) progress.resolved = Number(this.#consumer.position(each))
    }
    if (this.#options.run.autoCommit ?? true) await this.commits.auto()
  }

  async #seekTo(partition: TopicPartition, to: number | 'earliest' | 'latest'): Promise<void> {
    if (typeof to === 'number') {
      this.#consumer.seek(partition, to)
      return
    }
    const admin = createAdmin({ client: this.#client })
    const [found] = await admin.listOffsets([{ ...partition, at: to }])
    this.#consumer.seek(partition, found!.offset)
  }

  /** An assigner of another client may not look at what members subscribe to. */
  #tellOfForeign(): void {
    const { topics, watch, instrumentation, config } = this.#options
    const { group } = watch
    if (group === undefined) return
    const assignedTopics = Object.keys(group.memberAssignment)
    const topicsNotSubscribed = assignedTopics.filter((topic) => !topics.has(topic))
    this.#foreign.clear()
    for (const topic of topicsNotSubscribed) this.#foreign.add(topic)
    if (topicsNotSubscribed.length === 0) return
    instrumentation.emit(instrumentation.events.RECEIVED_UNSUBSCRIBED_TOPICS, {
      groupId: config.groupId,
      generationId: group.generation,
      memberId: group.memberId,
      assignedTopics,
      topicsSubscribed: [...topics.keys()],
      topicsNotSubscribed,
    })
  }
}

function areMixed(topics: ReadonlyMap<string, boolean>): boolean {
  return new Set(topics.values()).size > 1
}

const rebalanceTypes = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']

/** The consumer joins again by itself; whoever was in the way of it begins anew. */
function isRebalance(error: unknown): boolean {
  return error instanceof KafkaJSProtocolError && rebalanceTypes.includes(error.type)
}

function consumerSettings({ config, topics, link }: ConsumerRunOptions, client: Client) {
  const assigners: readonly PartitionAssigner[] = config.partitionAssigners ?? [
    PartitionAssigners.roundRobin,
  ]
  const { groupId, minBytes, maxBytesPerPartition } = config
  const names = [...topics.keys()]
  const isAll = topics.size > 0 && [...topics.values()].every(Boolean)
  const maxBytes = config.maxBytes ?? defaults.maxBytes
  return {
    group: groupId,
    topics: names,
    from: isAll ? ('earliest' as const) : ('latest' as const),
    autoCommit: false,
    isolation:
      config.readUncommitted === true ? ('read_uncommitted' as const) : ('read_committed' as const),
    assignors: ourAssignors(assigners, { client, groupId, logger: link.logger, topics: names }),
    sessionTimeoutMs: config.sessionTimeout ?? defaults.sessionTimeout,
    rebalanceTimeoutMs: config.rebalanceTimeout ?? defaults.rebalanceTimeout,
    heartbeatIntervalMs: config.heartbeatInterval ?? defaults.heartbeatInterval,
    maxWaitMs: config.maxWaitTimeInMs ?? defaults.maxWaitTimeInMs,
    maxBytes,
    prefetchBytes: 2 * maxBytes,
    ...(minBytes === undefined ? {} : { minBytes }),
    ...(maxBytesPerPartition === undefined ? {} : { partitionMaxBytes: maxBytesPerPartition }),
  }
}
