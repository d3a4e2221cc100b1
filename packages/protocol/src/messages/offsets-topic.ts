import { array, bytes, int32, offset, string, struct, timestamp, uuid } from '../schema.js'
import type { Versioned } from '../versioned.js'

/**
 * Keys and values of `__consumer_offsets`, byte for byte Kafka's, so that its tools can read the
 * topic. The int16 in front of a key tells its kind: 0 and 1 an offset commit, 2 a group. In front
 * of a value it is the version of the value. A `null` value is a tombstone.
 */
export const offsetCommitKey = {
  name: 'OffsetCommitKey',
  versions: [0, 1],
  schema: struct({ group: string(), topic: string(), partition: int32() }),
} as const satisfies Versioned

/** Kafka 4.1 writes version 4, with a topic id only when the commit named the topic by id. */
export const offsetCommitValue = {
  name: 'OffsetCommitValue',
  versions: [0, 4],
  flexibleSince: 4,
  schema: struct({
    offset: offset(),
    leaderEpoch: int32({ since: 3, default: -1, ignorable: true }),
    metadata: string(),
    commitTimestamp: timestamp(),
    /** Version 1 only: a retention of its own. */
    expireTimestamp: timestamp({ since: 1, until: 1, default: -1, ignorable: true }),
    topicId: uuid({ since: 4, tag: 0, ignorable: true }),
  }),
} as const satisfies Versioned

export const groupMetadataKey = {
  name: 'GroupMetadataKey',
  versions: [2, 2],
  schema: struct({ group: string() }),
} as const satisfies Versioned

/** Kafka 4.1 writes version 3; an empty group has `protocol` and `leader` null. */
export const groupMetadataValue = {
  name: 'GroupMetadataValue',
  versions: [0, 4],
  flexibleSince: 4,
  schema: struct({
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: true }),
    leader: string({ nullable: true }),
    currentStateTimestamp: timestamp({ since: 2, default: -1, ignorable: true }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ since: 3, nullable: true, default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        /** Milliseconds; -1 where the version lacks it. */
        rebalanceTimeout: int32({ since: 1, default: -1, ignorable: true }),
        /** Milliseconds. */
        sessionTimeout: int32(),
        /** A ConsumerProtocolSubscription for consumers. */
        subscription: bytes(),
        /** A ConsumerProtocolAssignment for consumers. */
        assignment: bytes(),
      }),
    ),
  }),
} as const satisfies Versioned
