/**
 * What members tell the group's leader, and what the leader tells them: Kafka's consumer embedded
 * protocol.
 */
import {
  decodeConsumerAssignment,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
} from '@kfk/protocol'
import type { Assignor, AssignorMember } from './assignors.js'
import { byTopic, type TopicPartition } from './topic-partition.js'

/** `protocol_type` of consumer groups. */
export const protocolType = 'consumer'

export interface OwnSubscription {
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  readonly generation: number
}

/** The metadata of one JoinGroup protocol. */
export function subscriptionFor(assignor: Assignor, own: OwnSubscription): Uint8Array {
  return encodeConsumerSubscription({
    topics: own.topics,
    userData: assignor.userData?.(own.owned, own.generation) ?? null,
    ownedPartitions: assignor.protocol === 'cooperative' ? byTopic(own.owned) : [],
    generationId: own.generation,
  })
}

/**
 * A member as the leader's JoinGroup answer describes it. Throws ProtocolError for metadata of
 * another protocol.
 */
export function memberFrom(member: {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Uint8Array
}): AssignorMember {
  const { memberId, groupInstanceId, metadata } = member
  const { topics, userData, ownedPartitions, generationId } = decodeConsumerSubscription(metadata)
  const owned = ownedPartitions.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  )
  return { memberId, groupInstanceId, topics, owned, generation: generationId, userData }
}

export function assignmentBytes(partitions: readonly TopicPartition[]): Uint8Array {
  const assignedPartitions = byTopic(partitions)
  return encodeConsumerAssignment({ assignedPartitions })
}

/** An empty answer (no assignment for this member) is no partitions. */
export function partitionsOf(assignment: Uint8Array): TopicPartition[] {
  if (assignment.length === 0) return []
  return decodeConsumerAssignment(assignment).assignedPartitions.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  )
}
