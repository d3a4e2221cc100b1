import type { Log, LogSlice, ReadRequest } from '@kfk/log-store'
import { type Coordination, memoryCoordination } from '@kfk/coordination'
import { batches, errorCodes, readBatchHeader, stampBatch } from '@kfk/protocol'
import type {
  BrokerConfig,
  ClusterChange,
  ClusterView,
  PartitionAppendResult,
  PartitionRegistry,
  TopicImage,
} from '../../src/context.js'
import { GroupCoordinator } from '../../src/group/group-coordinator.js'
import { readRecords } from '../../src/group/offsets-log.js'
import { silentLogger } from '../../src/runtime/logger.js'
import { VirtualClock } from '../virtual-clock.js'

/**
 * A partition of `__consumer_offsets` in memory. What is committed is up to the test unless
 * `autoCommit`.
 */
export class FakePartition {
  readonly topic = '__consumer_offsets'
  readonly topicId = 'offsetsTopicIdAAAAAAAA'
  readonly leaderEpoch = 1
  readonly logStartOffset = 0
  autoCommit = true
  /** Appends fail with this. */
  refusal: number = errorCodes.NONE
  /** Reads wait for this. */
  readGate: Promise<void> | undefined
  logEndOffset = 0
  highWatermark = 0
  #batches: { baseOffset: number; lastOffset: number; bytes: Uint8Array }[] = []
  readonly #advance = new Set<(highWatermark: number) => void>()
  readonly #rollback = new Set<(rollback: { endOffset: number }) => void>()

  constructor(readonly index: number) {}

  get log(): Log {
    const none = () => () => undefined
    return {
      onRollback: (listener: (rollback: { endOffset: number }) => void) => {
        this.#rollback.add(listener)
        return () => this.#rollback.delete(listener)
      },
      onPoisoned: none,
    } as unknown as Log
  }

  get lastStableOffset(): number {
    return this.highWatermark
  }

  append(bytes: Uint8Array): PartitionAppendResult {
    const failed = { baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, logStartOffset: 0 }
    if (this.refusal !== errorCodes.NONE) return { ...failed, errorCode: this.refusal }
    const baseOffset = this.logEndOffset
    for (const { bytes: batch } of batches(bytes)) {
      stampBatch(batch, { baseOffset: this.logEndOffset, leaderEpoch: 1 })
      const { lastOffset } = readBatchHeader(batch)
      this.#batches.push({ baseOffset: this.logEndOffset, lastOffset, bytes: batch })
      this.logEndOffset = lastOffset + 1
    }
    if (this.autoCommit) queueMicrotask(() => this.commit())
    return {
      ...failed,
      errorCode: errorCodes.NONE,
      baseOffset,
      lastOffset: this.logEndOffset - 1,
    }
  }

  commit(): void {
    if (this.highWatermark === this.logEndOffset) return
    this.highWatermark = this.logEndOffset
    for (const listener of this.#advance) listener(this.highWatermark)
  }

  /** The disk is full: what is not committed is gone. */
  rollback(): void {
    this.#batches = this.#batches.filter(({ lastOffset }) => lastOffset < this.highWatermark)
    this.logEndOffset = this.highWatermark
    for (const listener of this.#rollback) listener({ endOffset: this.logEndOffset })
  }

  whenCommitted(): Promise<void> {
    return Promise.resolve()
  }

  onHighWatermark(listener: (highWatermark: number) => void): () => void {
    this.#advance.add(listener)
    return () => this.#advance.delete(listener)
  }

  read({ from }: ReadRequest): LogSlice | Promise<LogSlice> {
    // One batch at a time, as if each filled the limit.
    const batch = this.#batches.find(({ lastOffset }) => lastOffset >= from)
    const slice = {
      bytes: batch?.bytes ?? new Uint8Array(0),
      nextOffset: batch === undefined ? from : batch.lastOffset + 1,
      logStartOffset: 0,
    }
    return this.readGate === undefined ? slice : this.readGate.then(() => slice)
  }

  /** What a restart finds: the committed batches, and nothing of the listeners. */
  survivor(): FakePartition {
    const survivor = new FakePartition(this.index)
    survivor.#batches = this.#batches.filter(({ lastOffset }) => lastOffset < this.highWatermark)
    survivor.logEndOffset = survivor.highWatermark = this.highWatermark
    return survivor
  }

  records() {
    return this.#batches.flatMap(({ bytes }) => [...readRecords(bytes, 0)])
  }
}

const configs: Record<string, number> = {
  'group.min.session.timeout.ms': 6000,
  'group.max.session.timeout.ms': 1_800_000,
  'group.max.size': 2 ** 31 - 1,
  'group.initial.rebalance.delay.ms': 0,
  'group.consumer.heartbeat.interval.ms': 5000,
  'group.consumer.max.size': 2 ** 31 - 1,
  'group.consumer.session.timeout.ms': 45_000,
  'offset.metadata.max.bytes': 4096,
  'offsets.retention.check.interval.ms': 600_000,
  'offsets.retention.minutes': 10_080,
}

export const TOPIC_ID = 'activityTopicIdAAAAAAA'

/**
 * One broker's surroundings: `start` makes a coordinator in them, again and again, as a restarted
 * process would be.
 */
export class FakeCluster {
  readonly clock = new VirtualClock()
  coordination: Coordination = memoryCoordination({ clock: this.clock })
  readonly topics = new Map<string, TopicImage>()
  readonly config = { ...configs }
  readonly partitionCount: number
  partitions = new Map<number, FakePartition>()
  leaderId = 1
  coordinator!: GroupCoordinator
  readonly #listeners = new Set<(change: ClusterChange) => void>()

  constructor(options: { partitionCount?: number; create?: boolean } = {}) {
    this.partitionCount = options.partitionCount ?? 1
    if (options.create ?? true) this.addTopic('__consumer_offsets', this.partitionCount)
    this.addTopic('activity', 4, TOPIC_ID)
  }

  addTopic(name: string, count: number, id = name.padEnd(22, 'A')): void {
    const partitions = Array.from({ length: count }, (_, index) => ({ index, replicas: [1] }))
    this.topics.set(name, { name, id, internal: false, configs: new Map(), partitions })
  }

  /** A topic that comes while the coordinator runs, or gets more partitions. */
  changeTopic(name: string, count: number): void {
    const isNew = !this.topics.has(name)
    this.addTopic(name, count, this.topics.get(name)?.id)
    const changed = [this.topics.get(name)!]
    const change = { added: isNew ? changed : [], changed: isNew ? [] : changed }
    for (const listener of this.#listeners) {
      listener({ ...change, removed: [], brokersChanged: false })
    }
  }

  removeTopic(name: string): void {
    const removed = [this.topics.get(name)!]
    this.topics.delete(name)
    for (const listener of this.#listeners) {
      listener({ added: [], changed: [], removed, brokersChanged: false })
    }
  }

  get view(): ClusterView {
    return {
      metadataOffset: 1,
      topic: (name: string) => this.topics.get(name),
      topicById: (id: string) => [...this.topics.values()].find((topic) => topic.id === id),
      topics: () => this.topics.values(),
      brokers: () => [{ nodeId: 1, host: '10.0.0.1', port: 9092, rack: null }],
      leaderOf: (name: string, index: number) =>
        this.topics.get(name)?.partitions[index] && { leaderId: this.leaderId, leaderEpoch: 1 },
      onChange: (listener: (change: ClusterChange) => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    } as unknown as ClusterView
  }

  async start(): Promise<GroupCoordinator> {
    const registry = {
      local: (_: string, index: number) => this.partitions.get(index),
      open: (_: string, index: number) => {
        const partition = this.partitions.get(index) ?? new FakePartition(index)
        this.partitions.set(index, partition)
        return Promise.resolve(partition)
      },
    } as unknown as PartitionRegistry
    this.coordinator = new GroupCoordinator({
      nodeId: 1,
      clock: this.clock,
      logger: silentLogger,
      cluster: this.view,
      partitions: registry,
      coordination: this.coordination,
      config: {
        number: (n: string) => this.config[n]!,
        long: (n: string) => this.config[n]!,
        string: () => 'uniform,range',
      } as unknown as BrokerConfig,
      controller: {
        ensureTopic: (name) => {
          this.addTopic(name, this.partitionCount)
          return Promise.resolve(errorCodes.NONE)
        },
      },
    })
    await this.coordinator.start()
    await settle()
    return this.coordinator
  }

  /** Kills the process: nothing is said to anybody, only what is committed remains. */
  async crash(): Promise<GroupCoordinator> {
    this.partitions = new Map(
      [...this.partitions].map(([index, partition]) => [index, partition.survivor()]),
    )
    return this.start()
  }

  /** Lets seconds pass, and everything that happens in each. */
  async pass(seconds: number, each: () => void = () => undefined): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      each()
      await settle()
      this.clock.advance(1000)
      await settle()
    }
  }

  get partition(): FakePartition {
    return this.partitions.get(0)!
  }
}

/** Lets promises that wait for nothing but each other run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}
