import { randomUUID } from 'node:crypto'
import { errorCodes } from '@kfk/protocol'
import type { BrokerConfig, ClusterChange, ClusterView } from '../../context.js'
import type { Clock } from '../../runtime/clock.js'
import type { GroupShard } from '../group-shard.js'
import { NO_PARTITIONS } from './assignment.js'
import type {
  ConsumerGroupDescription,
  ConsumerHeartbeatInput,
  ConsumerHeartbeatResult,
  Refusal,
} from './consumer-api.js'
import { heartbeatRefusal } from './consumer-api.js'
import { LEAVES_FOR_A_WHILE } from './consumer-group.js'
import type { LiveConsumerGroup } from './live-consumer-group.js'
import type { ConsumerEnvironment } from './targets.js'
import { TopicPatterns } from './topic-patterns.js'

/** Version from which clients make their own member ids (KIP-1082). */
const CLIENT_MAKES_ID_SINCE = 1

/**
 * Names that one member may subscribe to, in UTF-16 units together: about what a record may hold,
 * in which Kafka keeps them too. They stay in memory.
 */
const MAX_SUBSCRIPTION_LENGTH = 1_000_000

export interface ConsumerRequestsOptions {
  readonly config: BrokerConfig
  readonly cluster: ClusterView
  readonly clock: Clock
}

type ShardOrCode = GroupShard | number

/** Requests of the consumer protocol (KIP-848) to the groups of this broker. */
export class ConsumerRequests {
  readonly environment: ConsumerEnvironment
  readonly #config: BrokerConfig
  readonly #patterns: TopicPatterns

  constructor({ config, cluster, clock }: ConsumerRequestsOptions) {
    this.#config = config
    this.#patterns = new TopicPatterns(cluster, clock)
    this.environment = {
      limits: () => ({
        maxSize: config.number('group.consumer.max.size'),
        sessionTimeoutMs: config.number('group.consumer.session.timeout.ms'),
        heartbeatIntervalMs: config.number('group.consumer.heartbeat.interval.ms'),
        assignors: this.#assignors(),
      }),
      topic: (name) => {
        const topic = cluster.topic(name)
        return topic && { id: topic.id, partitionCount: topic.partitions.length }
      },
      matches: (pattern) => this.#patterns.matches(pattern),
    }
  }

  /** `shard`: where the group is, or how to find it. */
  heartbeat(
    input: ConsumerHeartbeatInput,
    shard: GroupShard | (() => Promise<ShardOrCode>),
  ): ConsumerHeartbeatResult | Promise<ConsumerHeartbeatResult> {
    const refusal = malformed(input, this.#assignors())
    if (refusal !== undefined) return heartbeatRefusal(refusal)
    const pattern = input.topicRegex ?? ''
    const named = input.memberId === '' ? { ...input, memberId: newMemberId() } : input
    if (typeof shard !== 'function' && pattern === '') return consumerHeartbeat(shard, named)
    return this.#heartbeatLater(named, shard)
  }

  /** What ConsumerGroupDescribe tells of the group. */
  describe(groupId: string, shard: ShardOrCode): ConsumerGroupDescription {
    return typeof shard === 'number'
      ? noConsumerGroup(groupId, shard)
      : describeConsumerGroup(shard, groupId)
  }

  /** NONE when a classic member may join: a group of this protocol without members makes way. */
  refuseClassic(shard: GroupShard, groupId: string): number {
    const live = shard.consumer(groupId)
    if (live === undefined) return errorCodes.NONE
    if (live.machine.state.size > 0) return errorCodes.INCONSISTENT_GROUP_PROTOCOL
    shard.dissolveConsumer(live)
    return errorCodes.NONE
  }

  /** Groups that read one of the topics look at them again with their next heartbeat. */
  topicsChanged(change: ClusterChange, shards: Iterable<GroupShard>): void {
    this.#patterns.changed(change)
    const names = [...change.added, ...change.changed, ...change.removed].map(({ name }) => name)
    if (names.length === 0) return
    for (const shard of shards) {
      for (const { machine } of shard.consumerGroups()) machine.topicsChanged(names)
    }
  }

  async #heartbeatLater(
    input: ConsumerHeartbeatInput,
    find: GroupShard | (() => Promise<ShardOrCode>),
  ): Promise<ConsumerHeartbeatResult> {
    const pattern = input.topicRegex ?? ''
    if (pattern !== '') {
      const problem = this.#patterns.problem(pattern)
      if (problem !== undefined) {
        const errorMessage = `SubscribedTopicRegex \`${pattern}\` is not a valid regular expression: ${problem}.`
        return heartbeatRefusal({
          errorCode: errorCodes.INVALID_REGULAR_EXPRESSION,
          errorMessage,
        })
      }
      await this.#patterns.prepare(pattern)
    }
    // Looked up after the wait: it may have moved meanwhile.
    const shard = typeof find === 'function' ? await find() : find
    if (typeof shard === 'number') return heartbeatRefusal({ errorCode: shard, errorMessage: null })
    return consumerHeartbeat(shard, input)
  }

  #assignors(): string[] {
    return this.#config
      .string('group.consumer.assignors')
      .split(',')
      .map((name) => name.trim())
  }
}

/** As Kafka makes them: a UUID in base64url. */
function newMemberId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
}

/** What is wrong with the request by itself, whatever group it is for. */
function malformed(
  input: ConsumerHeartbeatInput,
  assignors: readonly string[],
): Refusal | undefined {
  const wrong = wrongField(input)
  if (wrong !== undefined) return { errorCode: errorCodes.INVALID_REQUEST, errorMessage: wrong }
  const { serverAssignor } = input
  if (serverAssignor === null || assignors.includes(serverAssignor)) return undefined
  const known = assignors.join(', ')
  const errorMessage = `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${known}.`
  return { errorCode: errorCodes.UNSUPPORTED_ASSIGNOR, errorMessage }
}

function wrongField(input: ConsumerHeartbeatInput): string | undefined {
  const { memberEpoch: epoch, memberId } = input
  if (input.groupId.trim() === '') return "GroupId can't be empty."
  if (input.instanceId?.trim() === '') return "InstanceId can't be empty."
  if (input.rackId?.trim() === '') return "RackId can't be empty."
  const needsId = epoch !== 0 || input.apiVersion >= CLIENT_MAKES_ID_SINCE
  if (needsId && memberId.trim() === '') return "MemberId can't be empty."
  if (epoch < LEAVES_FOR_A_WHILE) return 'MemberEpoch is invalid.'
  if (epoch === LEAVES_FOR_A_WHILE && input.instanceId === null) return "InstanceId can't be null."
  let subscribed = 0
  for (const { length } of input.topicNames ?? []) subscribed += length
  if (subscribed > MAX_SUBSCRIPTION_LENGTH) return 'SubscribedTopicNames are too many.'
  if (epoch !== 0) return undefined
  if (input.rebalanceTimeoutMs === -1)
    return 'RebalanceTimeoutMs must be provided in first request.'
  if (input.owned === null || input.owned.length > 0) {
    return 'TopicPartitions must be empty when (re-)joining.'
  }
  return input.topicNames === null && input.topicRegex === null
    ? 'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.'
    : undefined
}

/** Carries out a heartbeat that is not malformed; answered once what it changes is committed. */
function consumerHeartbeat(
  shard: GroupShard,
  input: ConsumerHeartbeatInput,
): ConsumerHeartbeatResult | Promise<ConsumerHeartbeatResult> {
  const live = input.memberEpoch === 0 ? joinable(shard, input.groupId) : present(shard, input)
  if ('errorCode' in live) return heartbeatRefusal(live)
  let result: ConsumerHeartbeatResult | undefined
  let tell = (told: ConsumerHeartbeatResult): void => {
    result = told
  }
  live.step(
    (machine, now) => machine.heartbeat(input, now),
    (errorCode, done) => {
      const failed = errorCode !== errorCodes.NONE && done.errorCode === errorCodes.NONE
      tell(failed ? heartbeatRefusal({ errorCode, errorMessage: null }) : done)
    },
  )
  return (
    result ??
    new Promise((resolve) => {
      tell = resolve
    })
  )
}

function present(
  shard: GroupShard,
  { groupId, memberEpoch }: ConsumerHeartbeatInput,
): LiveConsumerGroup | Refusal {
  const live = shard.consumer(groupId)
  if (live !== undefined) return live
  const refusal = notFound(shard, groupId)
  // Kafka has two wordings.
  const isGone = memberEpoch > 0 && !shard.isClassic(groupId)
  return isGone ? { ...refusal, errorMessage: `Consumer group ${groupId} not found.` } : refusal
}

function notFound(shard: GroupShard, groupId: string): Refusal {
  const errorMessage = shard.isClassic(groupId)
    ? `Group ${groupId} is not a consumer group.`
    : `Group ${groupId} not found.`
  return { errorCode: errorCodes.GROUP_ID_NOT_FOUND, errorMessage }
}

/** A classic group without members makes way. */
function joinable(shard: GroupShard, groupId: string): LiveConsumerGroup | Refusal {
  const known = shard.consumer(groupId)
  if (known !== undefined) return known
  const prelude = shard.replaceClassic(groupId)
  if (prelude === undefined) return notFound(shard, groupId)
  const live = shard.consumerOrNew(groupId)
  live.prelude = prelude
  return live
}

/** The description of a group that is not there, or cannot be described now. */
function noConsumerGroup(
  groupId: string,
  errorCode: number,
  errorMessage: string | null = null,
): ConsumerGroupDescription {
  return {
    errorCode,
    errorMessage,
    groupId,
    state: '',
    epoch: 0,
    targetEpoch: 0,
    assignor: '',
    members: [],
  }
}

function describeConsumerGroup(shard: GroupShard, groupId: string): ConsumerGroupDescription {
  const machine = shard.consumer(groupId)?.machine
  if (machine === undefined || machine.state.epoch === 0) {
    const { errorCode, errorMessage } = notFound(shard, groupId)
    return noConsumerGroup(groupId, errorCode, errorMessage)
  }
  const { state } = machine
  return {
    errorCode: errorCodes.NONE,
    errorMessage: null,
    groupId,
    state: state.state,
    epoch: state.epoch,
    targetEpoch: state.targetEpoch,
    assignor: machine.preferredAssignor,
    members: Array.from(state.members(), (member) => ({
      memberId: member.id,
      instanceId: member.instanceId,
      rackId: member.rackId,
      epoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      topicNames: member.topicNames,
      topicRegex: member.topicRegex,
      assigned: member.assigned,
      target: state.target(member.id) ?? NO_PARTITIONS,
      isClassic: member.classic !== null,
    })),
  }
}
