import type { Encodable, Infer } from '../schema.js'
import { array, bytes, int32, string, struct } from '../schema.js'
import type { Versioned } from '../versioned.js'
import { decodeVersioned, encodeVersioned } from '../versioned.js'

const topicPartitions = struct({ topic: string(), partitions: array(int32()) })

/**
 * What a consumer tells the group leader when it joins: the metadata of its protocols in JoinGroup.
 * Opaque to the broker.
 */
export const consumerProtocolSubscription = {
  name: 'ConsumerProtocolSubscription',
  versions: [0, 3],
  schema: struct({
    topics: array(string()),
    /** For the assignor. */
    userData: bytes({ nullable: true, default: null }),
    /** What the member still owns, for cooperative rebalancing (KIP-429). */
    ownedPartitions: array(topicPartitions, { since: 1, ignorable: true }),
    /** Generation in which `ownedPartitions` was assigned (KIP-792). */
    generationId: int32({ since: 2, default: -1, ignorable: true }),
    /** KIP-881. */
    rackId: string({ since: 3, nullable: true, default: null, ignorable: true }),
  }),
} as const satisfies Versioned

/** What the group leader assigns to a member: `assignment` in SyncGroup. Opaque to the broker. */
export const consumerProtocolAssignment = {
  name: 'ConsumerProtocolAssignment',
  versions: [0, 3],
  schema: struct({
    assignedPartitions: array(topicPartitions),
    userData: bytes({ nullable: true, default: null }),
  }),
} as const satisfies Versioned

export type ConsumerSubscription = Infer<typeof consumerProtocolSubscription.schema>
export type ConsumerAssignment = Infer<typeof consumerProtocolAssignment.schema>

export function encodeConsumerSubscription(
  value: Encodable<typeof consumerProtocolSubscription.schema>,
  version = 3,
): Buffer {
  return encodeVersioned(consumerProtocolSubscription, version, value)
}

/** A version beyond 3 is read as 3: later versions only append (as Kafka's own consumers do). */
export function decodeConsumerSubscription(data: Uint8Array): ConsumerSubscription {
  return decodeVersioned(consumerProtocolSubscription, data, { newer: 'as-latest' })
}

export function encodeConsumerAssignment(
  value: Encodable<typeof consumerProtocolAssignment.schema>,
  version = 3,
): Buffer {
  return encodeVersioned(consumerProtocolAssignment, version, value)
}

/**
 * A version beyond 3 is read as 3. A member without partitions may get no bytes at all: check
 * first.
 */
export function decodeConsumerAssignment(data: Uint8Array): ConsumerAssignment {
  return decodeVersioned(consumerProtocolAssignment, data, { newer: 'as-latest' })
}
