import type { Assignment, TopicIdPartitions } from './assignment.js'

/** States of a group of the consumer protocol, as they are shown. */
export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead'

/** A ConsumerGroupHeartbeat; null where the member says "as before". */
export interface ConsumerHeartbeatInput {
  readonly apiVersion: number
  readonly groupId: string
  readonly memberId: string
  /** 0 joins, -1 leaves, -2 leaves for a while (static members). */
  readonly memberEpoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  /** Milliseconds; -1: as before. */
  readonly rebalanceTimeoutMs: number
  readonly topicNames: readonly string[] | null
  readonly topicRegex: string | null
  readonly serverAssignor: string | null
  readonly owned: readonly TopicIdPartitions[] | null
  readonly clientId: string
  readonly clientHost: string
}

export interface ConsumerHeartbeatResult {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly memberId: string | null
  readonly memberEpoch: number
  readonly heartbeatIntervalMs: number
  /** Null: as before. */
  readonly assignment: Assignment | null
}

/** Why a request is refused, with Kafka's error code. */
export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Who asks for committed offsets: nobody in particular, or a member in its epoch. */
export interface OffsetReader {
  readonly memberId: string | null
  readonly memberEpoch: number
}

export interface ConsumerGroupDescription {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly groupId: string
  readonly state: ConsumerGroupState | ''
  readonly epoch: number
  readonly targetEpoch: number
  readonly assignor: string
  readonly members: readonly {
    readonly memberId: string
    readonly instanceId: string | null
    readonly rackId: string | null
    readonly epoch: number
    readonly clientId: string
    readonly clientHost: string
    readonly topicNames: readonly string[]
    readonly topicRegex: string
    readonly assigned: Assignment
    readonly target: Assignment
    readonly isClassic: boolean
  }[]
}

/** A heartbeat answer that only carries an error. */
export function heartbeatRefusal({ errorCode, errorMessage }: Refusal): ConsumerHeartbeatResult {
  return {
    errorCode,
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  }
}

/** Who commits offsets, and in which epoch. */
export interface EpochCommit {
  readonly memberId: string
  readonly generation: number
  readonly apiVersion: number
}
