import { array, bytes, int32, int64, int8, string, struct, timestamp, uuid } from '../schema.js'
import type { Versioned } from '../versioned.js'

/*
 * Keys and values of groups of the consumer protocol (KIP-848) in `__consumer_offsets`, byte for
 * byte Kafka's. A key's version is the type of the record.
 */

const topicPartitions = array(struct({ topicId: uuid(), partitions: array(int32()) }))

const groupKey = struct({ groupId: string() })
const memberKey = struct({ groupId: string(), memberId: string() })

/** The epoch of a group, which grows with every change of members, subscriptions or topics. */
export const consumerGroupMetadataKey = {
  name: 'ConsumerGroupMetadataKey',
  versions: [3, 3],
  schema: groupKey,
} as const satisfies Versioned

export const consumerGroupMetadataValue = {
  name: 'ConsumerGroupMetadataValue',
  versions: [0, 0],
  flexibleSince: 0,
  schema: struct({
    epoch: int32(),
    /** Of the subscribed topics; each coordinator hashes in its own way. */
    metadataHash: int64({ tag: 0, default: 0n }),
  }),
} as const satisfies Versioned

/** Written by Kafka 4.0 and before; later coordinators only delete it. */
export const consumerGroupPartitionMetadataKey = {
  name: 'ConsumerGroupPartitionMetadataKey',
  versions: [4, 4],
  schema: groupKey,
} as const satisfies Versioned

/** A member and its subscription. */
export const consumerGroupMemberMetadataKey = {
  name: 'ConsumerGroupMemberMetadataKey',
  versions: [5, 5],
  schema: memberKey,
} as const satisfies Versioned

export const consumerGroupMemberMetadataValue = {
  name: 'ConsumerGroupMemberMetadataValue',
  versions: [0, 0],
  flexibleSince: 0,
  schema: struct({
    instanceId: string({ nullable: true }),
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullable: true }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullable: true }),
    /** Of a member that uses the classic protocol. */
    classicMemberMetadata: struct(
      {
        sessionTimeoutMs: int32(),
        supportedProtocols: array(struct({ name: string(), metadata: bytes() })),
      },
      { nullable: true, tag: 0, default: null },
    ),
  }),
} as const satisfies Versioned

/** The epoch for which the target assignment was computed. */
export const consumerGroupTargetAssignmentMetadataKey = {
  name: 'ConsumerGroupTargetAssignmentMetadataKey',
  versions: [6, 6],
  schema: groupKey,
} as const satisfies Versioned

export const consumerGroupTargetAssignmentMetadataValue = {
  name: 'ConsumerGroupTargetAssignmentMetadataValue',
  versions: [0, 0],
  flexibleSince: 0,
  schema: struct({ assignmentEpoch: int32() }),
} as const satisfies Versioned

/** What a member shall have. */
export const consumerGroupTargetAssignmentMemberKey = {
  name: 'ConsumerGroupTargetAssignmentMemberKey',
  versions: [7, 7],
  schema: memberKey,
} as const satisfies Versioned

export const consumerGroupTargetAssignmentMemberValue = {
  name: 'ConsumerGroupTargetAssignmentMemberValue',
  versions: [0, 0],
  flexibleSince: 0,
  schema: struct({ topicPartitions }),
} as const satisfies Versioned

/** What a member has, and what it is giving up. */
export const consumerGroupCurrentMemberAssignmentKey = {
  name: 'ConsumerGroupCurrentMemberAssignmentKey',
  versions: [8, 8],
  schema: memberKey,
} as const satisfies Versioned

export const consumerGroupCurrentMemberAssignmentValue = {
  name: 'ConsumerGroupCurrentMemberAssignmentValue',
  versions: [0, 0],
  flexibleSince: 0,
  schema: struct({
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    /** 0 stable, 1 unrevoked partitions, 2 unreleased partitions. */
    state: int8(),
    assignedPartitions: topicPartitions,
    partitionsPendingRevocation: topicPartitions,
  }),
} as const satisfies Versioned

/** The topics that a regular expression of the group matches. */
export const consumerGroupRegularExpressionKey = {
  name: 'ConsumerGroupRegularExpressionKey',
  versions: [16, 16],
  schema: struct({ groupId: string(), regularExpression: string() }),
} as const satisfies Versioned

export const consumerGroupRegularExpressionValue = {
  name: 'ConsumerGroupRegularExpressionValue',
  versions: [0, 0],
  flexibleSince: 0,
  schema: struct({
    topics: array(string()),
    /** Of the metadata against which it was matched. */
    version: int64(),
    timestamp: timestamp(),
  }),
} as const satisfies Versioned
