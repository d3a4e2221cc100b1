/**
 * What can be asked of the group coordinator, and what it answers, without any wire format: error
 * codes are Kafka's numbers. This file depends on types alone, so that the broker's own context can
 * name these types.
 */
import type {
  ConsumerGroupDescription,
  ConsumerGroupState,
  ConsumerHeartbeatInput,
  ConsumerHeartbeatResult,
  OffsetReader,
} from './consumer/consumer-api.js'

/** States of a classic group, spelled as DescribeGroups and ListGroups show them. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/**
 * One way of assigning partitions that a member offers, with its subscription in that protocol's
 * own format.
 */
export interface MemberProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinInput {
  readonly groupId: string
  /** Empty: the member has none yet. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly MemberProtocol[]
  /** A dynamic member without an id gets MEMBER_ID_REQUIRED first (KIP-394, JoinGroup v4). */
  readonly requireKnownMemberId: boolean
  /** The member understands `skipAssignment` (KIP-814, JoinGroup v9). */
  readonly supportsSkippingAssignment: boolean
  /** Why the client joins, for reports (KIP-800). */
  readonly reason: string | null
}

export interface JoinResult {
  readonly errorCode: number
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly memberId: string
  readonly skipAssignment: boolean
  /** Only the leader gets them. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Uint8Array
  }[]
}

/** Who a member says that it is. */
export interface MemberIdentity {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface SyncInput extends MemberIdentity {
  readonly groupId: string
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  /** Of the leader only; passed on untouched. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export interface SyncResult {
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface HeartbeatInput extends MemberIdentity {
  readonly groupId: string
  readonly generation: number
}

export interface LeaveInput {
  readonly groupId: string
  readonly members: readonly (MemberIdentity & { readonly reason: string | null })[]
}

export interface LeaveResult {
  readonly errorCode: number
  readonly members: readonly (MemberIdentity & { readonly errorCode: number })[]
}

/** One partition of a topic to commit an offset for. */
export interface PartitionCommit {
  readonly topic: string
  /** Zero id when the request named no id and the topic has none. */
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  /** -1: not known. */
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface CommitInput extends MemberIdentity {
  readonly groupId: string
  /** -1: not a member. */
  readonly generation: number
  /** OffsetCommit version: an unknown group has another error from 9 on. */
  readonly apiVersion: number
  readonly partitions: readonly PartitionCommit[]
}

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/**
 * A committed offset as OffsetFetch reports it; offset and leader epoch are -1 when nothing is
 * committed.
 */
/** Offsets that are a part of a transaction. */
export interface TransactionalCommitInput extends MemberIdentity {
  readonly groupId: string
  /** -1: not a member, or not told. */
  readonly generation: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly partitions: readonly PartitionCommit[]
}

export interface FetchedOffset {
  readonly topic: string
  readonly partition: number
  /** UNSTABLE_OFFSET_COMMIT: a transaction may still change it. Absent: none. */
  readonly errorCode?: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface GroupDescription {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly groupId: string
  readonly state: GroupState
  readonly protocolType: string
  /** Only of a stable group, as are metadata and assignment of the members. */
  readonly protocol: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  }[]
}

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  readonly state: GroupState | ConsumerGroupState
  /** As ListGroups shows and filters it. */
  readonly type: 'classic' | 'consumer'
}

/** Where the coordinator of a group is. */
export interface CoordinatorAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/**
 * The group coordinator as handlers use it. No method rejects: errors are Kafka's codes in the
 * results. Whatever depends on the log (generations, committed offsets) is answered once it is
 * committed.
 */
export interface GroupRequests {
  /** Creates `__consumer_offsets` when needed. A number is the error code. */
  coordinatorFor(groupId: string): Promise<CoordinatorAddress | number>
  /** Answers when the join phase ends. */
  joinGroup(input: JoinInput): Promise<JoinResult>
  /** Answers when the leader has sent its assignment. */
  syncGroup(input: SyncInput): Promise<SyncResult>
  heartbeat(input: HeartbeatInput): number | Promise<number>
  leaveGroup(input: LeaveInput): Promise<LeaveResult>
  /** A member of the consumer protocol joins, goes on or leaves (KIP-848). */
  consumerHeartbeat(
    input: ConsumerHeartbeatInput,
  ): ConsumerHeartbeatResult | Promise<ConsumerHeartbeatResult>
  describeConsumerGroup(groupId: string): Promise<ConsumerGroupDescription>
  describeGroup(groupId: string): Promise<GroupDescription>
  /**
   * The groups that this broker coordinates. COORDINATOR_LOAD_IN_PROGRESS when some of them cannot
   * be told yet.
   */
  listGroups(): Promise<{ errorCode: number; groups: readonly GroupListing[] }>
  deleteGroup(groupId: string): Promise<number>
  /** One error code per partition of the input, in its order. */
  commitOffsets(input: CommitInput): Promise<readonly number[]>
  /** `topics` null: everything that the group has committed. */
  fetchOffsets(
    groupId: string,
    topics: readonly TopicPartitions[] | null,
    reader?: OffsetReader,
    requireStable?: boolean,
  ): Promise<{ errorCode: number; offsets: readonly FetchedOffset[] }>
  /** As `commitOffsets`; the partition of the group must be a part of the transaction. */
  commitTransactionalOffsets(input: TransactionalCommitInput): Promise<readonly number[]>
  /** Where the offsets of a group are, if that is here; otherwise an error code. */
  offsetsPlace(groupId: string): Promise<{ topic: string; partition: number } | number>
  /** One error code per partition of the input, in its order, unless the whole request fails. */
  deleteOffsets(
    groupId: string,
    topics: readonly TopicPartitions[],
  ): Promise<{ errorCode: number; partitions: readonly number[] }>
}
