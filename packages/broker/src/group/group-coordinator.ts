import { randomUUID } from 'node:crypto'
import type { Coordination } from '@kfk/coordination'
import { errorCodes } from '@kfk/protocol'
import type {
  BrokerConfig,
  ClusterChange,
  ClusterView,
  ControllerGateway,
  GroupCoordinators,
  Partition,
  PartitionRegistry,
  TransactionMarker,
} from '../context.js'
import type { Clock, TimerHandle } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import type {
  ConsumerGroupDescription,
  ConsumerHeartbeatInput,
  ConsumerHeartbeatResult,
  OffsetReader,
} from './consumer/consumer-api.js'
import { ConsumerRequests } from './consumer/consumer-requests.js'
import { CoordinatorPlaces } from './coordinator-places.js'
import { DeadlineQueue } from './deadline-queue.js'
import type {
  CommitInput,
  CoordinatorAddress,
  FetchedOffset,
  GroupDescription,
  GroupListing,
  HeartbeatInput,
  JoinInput,
  JoinResult,
  LeaveInput,
  LeaveResult,
  SyncInput,
  SyncResult,
  TopicPartitions,
  TransactionalCommitInput,
} from './group-api.js'
import { joinRefusal, syncRefusal } from './group-effects.js'
import { isGroupId, OFFSETS_TOPIC, partitionOfGroup } from './group-partition.js'
import { GroupPublisher } from './group-publisher.js'
import { GroupShard, type GroupSleeper } from './group-shard.js'
import { describeGroup, listGroups, unknownGroup } from './shard-listing.js'
import { loadShard } from './shard-loader.js'
import {
  commitOffsets,
  commitTransactionalOffsets,
  deleteGroup,
  deleteOffsets,
  expireOffsets,
  fetchOffsets,
  forgetTopics,
} from './shard-offsets.js'
import { ShardTable } from './shard-table.js'

/** Kafka's `offsets.commit.timeout.ms`. */
const COMMIT_TIMEOUT_MS = 5000
/** How long a stopping broker tries to hand members and assignments to coordination, ms. */
const STOP_TIMEOUT_MS = 2000
/**
 * Requests that may wait for rebalances at a time, in one partition of the topic; each holds some
 * hundred bytes.
 */
const MAX_PARKED = 100_000

export interface GroupCoordinatorOptions {
  readonly nodeId: number
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly cluster: ClusterView
  readonly controller: Pick<ControllerGateway, 'ensureTopic'>
  readonly partitions: PartitionRegistry
  readonly coordination: Coordination
}

/** Coordinates the groups whose partition of `__consumer_offsets` this broker leads. */
export class GroupCoordinator implements GroupCoordinators {
  readonly #options: GroupCoordinatorOptions
  readonly #deadlines: DeadlineQueue<GroupSleeper>
  readonly #consumers: ConsumerRequests
  readonly #publisher: GroupPublisher
  readonly #places: CoordinatorPlaces
  readonly #shards: ShardTable<GroupShard>
  #unsubscribe: () => void = () => undefined
  #expiryTimer: TimerHandle | undefined
  #stopped = false

  constructor(options: GroupCoordinatorOptions) {
    const { clock, cluster, controller, coordination, logger, nodeId, partitions } = options
    this.#options = options
    this.#places = new CoordinatorPlaces({
      ...{ nodeId, cluster, controller, topic: OFFSETS_TOPIC, partitionOf: partitionOfGroup },
    })
    this.#deadlines = new DeadlineQueue(clock, (sleeper, now) => sleeper.wake(now))
    this.#consumers = new ConsumerRequests(options)
    this.#publisher = new GroupPublisher({
      coordination,
      clock,
      logger,
      membership: (groupId) => this.#loadedShard(groupId)?.membership(groupId),
    })
    this.#shards = new ShardTable({
      ...{ topic: OFFSETS_TOPIC, partitions, clock, logger },
      create: (partition) => this.#createShard(partition),
      load: (shard, signal) =>
        loadShard(shard, { read: (groupId) => this.#publisher.read(groupId), logger, signal }),
    })
  }

  start(): Promise<void> {
    this.#publisher.start()
    this.#unsubscribe = this.#options.cluster.onChange((change) => this.#clusterChanged(change))
    this.#scheduleExpiry()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#unsubscribe()
    this.#expiryTimer?.cancel()
    await this.#publisher.stop(STOP_TIMEOUT_MS)
    this.#deadlines.close()
    this.#shards.close()
  }

  onPartitionHosted(partition: Partition): void {
    if (partition.topic === OFFSETS_TOPIC) void this.#shards.open(partition.index)
  }

  async coordinatorFor(groupId: string): Promise<CoordinatorAddress | number> {
    if (!isGroupId(groupId, { allowEmpty: true })) return errorCodes.INVALID_GROUP_ID
    const address = await this.#places.addressOf(groupId)
    if (typeof address === 'number') return address
    // The client comes right back with a request for the group.
    if (address.nodeId === this.#options.nodeId) {
      void this.#shards.open(this.#places.partitionOf(groupId)!)
    }
    return address
  }

  async joinGroup(input: JoinInput): Promise<JoinResult> {
    const { config } = this.#options
    const refuse = (code: number) => joinRefusal(code, input.memberId)
    if (!isGroupId(input.groupId)) return refuse(errorCodes.INVALID_GROUP_ID)
    if (
      input.sessionTimeoutMs < config.number('group.min.session.timeout.ms') ||
      input.sessionTimeoutMs > config.number('group.max.session.timeout.ms')
    ) {
      return refuse(errorCodes.INVALID_SESSION_TIMEOUT)
    }
    const shard = this.#now(input.groupId) ?? (await this.#soon(input.groupId))
    if (typeof shard === 'number') return refuse(shard)
    if (shard.parked >= MAX_PARKED) return refuse(errorCodes.COORDINATOR_NOT_AVAILABLE)
    const refusal = this.#consumers.refuseClassic(shard, input.groupId)
    if (refusal !== errorCodes.NONE) return joinRefusal(refusal, '')
    if (input.memberId !== '' && shard.live(input.groupId) === undefined) {
      return refuse(errorCodes.UNKNOWN_MEMBER_ID)
    }
    const newMemberId = `${input.groupInstanceId ?? input.clientId}-${randomUUID()}`
    return shard.join(shard.liveOrNew(input.groupId), (machine, ticket, now) =>
      machine.join({ ...input, ticket, newMemberId }, now),
    )
  }

  async syncGroup(input: SyncInput): Promise<SyncResult> {
    if (!isGroupId(input.groupId)) return syncRefusal(errorCodes.INVALID_GROUP_ID)
    const shard = this.#now(input.groupId) ?? (await this.#soon(input.groupId))
    if (typeof shard === 'number') return syncRefusal(shard)
    if (shard.parked >= MAX_PARKED) return syncRefusal(errorCodes.COORDINATOR_NOT_AVAILABLE)
    const live = shard.live(input.groupId)
    if (live === undefined) return syncRefusal(errorCodes.UNKNOWN_MEMBER_ID)
    return shard.sync(live, (machine, ticket, now) => machine.sync(input, ticket, now))
  }

  heartbeat(input: HeartbeatInput): number | Promise<number> {
    if (!isGroupId(input.groupId)) return errorCodes.INVALID_GROUP_ID
    const shard = this.#now(input.groupId)
    if (shard !== undefined) return heartbeat(shard, input)
    return this.#soon(input.groupId).then((opened) =>
      // Kafka's exception: a member of a group that is being loaded need not rejoin for it.
      opened === errorCodes.COORDINATOR_LOAD_IN_PROGRESS
        ? errorCodes.NONE
        : heartbeat(opened, input),
    )
  }

  async leaveGroup(input: LeaveInput): Promise<LeaveResult> {
    const refuse = (errorCode: number): LeaveResult => ({ errorCode, members: [] })
    if (!isGroupId(input.groupId)) return refuse(errorCodes.INVALID_GROUP_ID)
    const shard = this.#now(input.groupId) ?? (await this.#soon(input.groupId))
    if (typeof shard === 'number') return refuse(shard)
    const live = shard.liveOrNew(input.groupId)
    const result = shard.step(live, (machine, now) => machine.leave(input.members, now))
    return new Promise((resolve) => {
      // The members are gone either way; what may fail is only the record that says so.
      shard.whenDurable(live, () => resolve(result))
    })
  }

  consumerHeartbeat(
    input: ConsumerHeartbeatInput,
  ): ConsumerHeartbeatResult | Promise<ConsumerHeartbeatResult> {
    const shard = isGroupId(input.groupId) ? this.#now(input.groupId) : undefined
    return this.#consumers.heartbeat(input, shard ?? (() => this.#soon(input.groupId)))
  }

  async describeConsumerGroup(groupId: string): Promise<ConsumerGroupDescription> {
    const shard = isGroupId(groupId)
      ? (this.#now(groupId) ?? (await this.#soon(groupId)))
      : errorCodes.INVALID_GROUP_ID
    return this.#consumers.describe(groupId, shard)
  }

  async describeGroup(groupId: string): Promise<GroupDescription> {
    if (!isGroupId(groupId, { allowEmpty: true })) {
      return unknownGroup(groupId, errorCodes.INVALID_GROUP_ID)
    }
    const shard = this.#now(groupId) ?? (await this.#soon(groupId))
    return typeof shard === 'number' ? unknownGroup(groupId, shard) : describeGroup(shard, groupId)
  }

  async listGroups(): Promise<{ errorCode: number; groups: readonly GroupListing[] }> {
    const shards = await this.#shards.openForList(this.#places.own())
    if (typeof shards === 'number') return { errorCode: shards, groups: [] }
    return { errorCode: errorCodes.NONE, groups: shards.flatMap((shard) => [...listGroups(shard)]) }
  }

  async deleteGroup(groupId: string): Promise<number> {
    if (!isGroupId(groupId, { allowEmpty: true })) return errorCodes.INVALID_GROUP_ID
    const shard = this.#now(groupId) ?? (await this.#soon(groupId))
    if (typeof shard === 'number') return shard
    const code = await deleteGroup(shard, groupId)
    if (code === errorCodes.NONE) this.#publisher.changed(groupId)
    return code
  }

  async commitOffsets(input: CommitInput): Promise<readonly number[]> {
    const refuse = (code: number) => input.partitions.map(() => code)
    if (!isGroupId(input.groupId, { allowEmpty: true })) return refuse(errorCodes.INVALID_GROUP_ID)
    const shard = this.#now(input.groupId) ?? (await this.#soon(input.groupId))
    if (typeof shard === 'number') return refuse(shard)
    const maxMetadataBytes = this.#options.config.number('offset.metadata.max.bytes')
    return commitOffsets(shard, input, { maxMetadataBytes })
  }

  async commitTransactionalOffsets(input: TransactionalCommitInput): Promise<readonly number[]> {
    const refuse = (code: number) => input.partitions.map(() => code)
    if (!isGroupId(input.groupId, { allowEmpty: true })) return refuse(errorCodes.INVALID_GROUP_ID)
    const shard = this.#now(input.groupId) ?? (await this.#soon(input.groupId))
    if (typeof shard === 'number') return refuse(shard)
    const maxMetadataBytes = this.#options.config.number('offset.metadata.max.bytes')
    return commitTransactionalOffsets(shard, input, { maxMetadataBytes })
  }

  async offsetsPlace(groupId: string): Promise<{ topic: string; partition: number } | number> {
    if (!isGroupId(groupId, { allowEmpty: true })) return errorCodes.INVALID_GROUP_ID
    const shard = this.#now(groupId) ?? (await this.#soon(groupId))
    if (typeof shard === 'number') return shard
    return { topic: OFFSETS_TOPIC, partition: shard.partition.index }
  }

  async endTransaction(index: number, marker: TransactionMarker): Promise<number> {
    const shard = await this.#shards.openSoon(index)
    if (typeof shard === 'number') return shard
    return new Promise((resolve) => {
      const refusal = shard.log.appendEnd(marker, resolve)
      if (refusal !== errorCodes.NONE) resolve(refusal)
    })
  }

  async fetchOffsets(
    groupId: string,
    topics: readonly TopicPartitions[] | null,
    reader?: OffsetReader,
    requireStable = false,
  ): Promise<{ errorCode: number; offsets: readonly FetchedOffset[] }> {
    const refuse = (errorCode: number) => ({ errorCode, offsets: [] })
    if (!isGroupId(groupId, { allowEmpty: true })) return refuse(errorCodes.INVALID_GROUP_ID)
    const shard = this.#now(groupId) ?? (await this.#soon(groupId))
    if (typeof shard === 'number') return refuse(shard)
    const refusal = reader && shard.consumer(groupId)?.machine.checkFetch(reader)
    if (refusal !== undefined && refusal !== errorCodes.NONE) return refuse(refusal)
    const topicId = (topic: string) => this.#options.cluster.topic(topic)?.id
    return {
      errorCode: errorCodes.NONE,
      offsets: fetchOffsets(shard, groupId, { topics, topicId, requireStable }),
    }
  }

  async deleteOffsets(
    groupId: string,
    topics: readonly TopicPartitions[],
  ): Promise<{ errorCode: number; partitions: readonly number[] }> {
    const refuse = (errorCode: number) => ({ errorCode, partitions: [] })
    if (!isGroupId(groupId)) return refuse(errorCodes.INVALID_GROUP_ID)
    const shard = this.#now(groupId) ?? (await this.#soon(groupId))
    return typeof shard === 'number' ? refuse(shard) : deleteOffsets(shard, groupId, topics)
  }

  #createShard(partition: Partition): GroupShard {
    const { clock, config } = this.#options
    return new GroupShard({
      partition,
      clock,
      limits: () => ({
        maxSize: config.number('group.max.size'),
        initialRebalanceDelayMs: config.number('group.initial.rebalance.delay.ms'),
      }),
      onMembership: (groupId) => this.#publisher.changed(groupId),
      environment: () => this.#consumers.environment,
      deadlines: this.#deadlines,
      commitTimeoutMs: COMMIT_TIMEOUT_MS,
    })
  }

  #loadedShard(groupId: string): GroupShard | undefined {
    const index = this.#places.partitionOf(groupId)
    return index === undefined ? undefined : this.#shards.get(index)
  }

  /** The group's shard if it is served here right now: the usual case, and it costs no promise. */
  #now(groupId: string): GroupShard | undefined {
    return this.#stopped ? undefined : this.#loadedShard(groupId)
  }

  /**
   * The group's shard, loaded if it is to be served here; otherwise the error code that says what
   * to do.
   */
  async #soon(groupId: string): Promise<GroupShard | number> {
    const own = this.#stopped ? undefined : this.#places.ownPartitionOf(groupId)
    return own === undefined ? errorCodes.NOT_COORDINATOR : this.#shards.openSoon(own)
  }

  #clusterChanged(change: ClusterChange): void {
    this.#shards.refresh()
    this.#consumers.topicsChanged(change, this.#shards.loaded())
    if (change.removed.length === 0) return
    const names = new Set(change.removed.map(({ name }) => name))
    for (const shard of this.#shards.loaded()) void forgetTopics(shard, names)
  }

  #scheduleExpiry(): void {
    const { clock, config } = this.#options
    const intervalMs = config.long('offsets.retention.check.interval.ms')
    this.#expiryTimer = clock.setTimer(Math.min(intervalMs, 2 ** 31 - 1), () => {
      const retentionMs = config.number('offsets.retention.minutes') * 60_000
      for (const shard of this.#shards.loaded()) void expireOffsets(shard, { retentionMs })
      this.#scheduleExpiry()
    })
  }
}

function heartbeat(shard: GroupShard | number, input: HeartbeatInput): number | Promise<number> {
  if (typeof shard === 'number') return shard
  const live = shard.live(input.groupId)
  if (live === undefined) return errorCodes.UNKNOWN_MEMBER_ID
  // No effects, and the only deadline that changes moves later: nothing to carry out or to
  // schedule.
  return live.machine.heartbeat(input, shard.clock.monotonicMs())
}
