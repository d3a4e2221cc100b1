import * as wire from '@kfk/protocol'
import { decodeVersioned, encodeVersioned } from '@kfk/protocol'
import { type Assignment, assignmentFrom, toTopics } from './assignment.js'
import type { MemberMetadata } from './consumer-member.js'
import type { AssignmentFields } from './reconcile.js'

/** The topics that a regular expression matched. */
export interface ResolvedRegex {
  /** Ascending. */
  readonly topics: readonly string[]
  /** Offset of the metadata log at that time. */
  readonly version: number
  /** Wall clock, ms. */
  readonly timestamp: number
}

interface ConsumerKey {
  readonly kind: 'consumer'
  readonly groupId: string
}

/**
 * A record of a group of the consumer protocol; null is a tombstone. `subject` is the member or
 * expression that it is about.
 */
export type ConsumerRecord = ConsumerKey &
  (
    | { readonly type: 'epoch'; readonly value: GroupEpoch | null }
    | { readonly type: 'targetEpoch'; readonly value: number | null }
    | { readonly type: 'member'; readonly subject: string; readonly value: MemberMetadata | null }
    | { readonly type: 'target'; readonly subject: string; readonly value: Assignment | null }
    | {
        readonly type: 'current'
        readonly subject: string
        readonly value: AssignmentFields | null
      }
    | { readonly type: 'regex'; readonly subject: string; readonly value: ResolvedRegex | null }
  )

/** A record without the group that it belongs to. */
export type ConsumerChange = ConsumerRecord extends infer R
  ? R extends ConsumerRecord
    ? Omit<R, 'kind' | 'groupId'>
    : never
  : never

export interface GroupEpoch {
  readonly epoch: number
  /** Of the subscribed topics, when the target was last computed. */
  readonly metadataHash: bigint
}

/** Versions of the keys: the types of the records. */
const keys = { epoch: 3, member: 5, targetEpoch: 6, target: 7, current: 8, regex: 16 } as const

/** Names the record within its group: the later of two with one name counts. */
export function consumerRecordName(record: ConsumerRecord): string {
  return 'subject' in record ? `${record.type} ${record.subject}` : record.type
}

export function encodeConsumerRecord(record: ConsumerRecord): {
  key: Uint8Array
  value: Uint8Array | null
} {
  return { key: keyOf(record), value: record.value === null ? null : valueOf(record) }
}

function keyOf(record: ConsumerRecord): Uint8Array {
  const { groupId } = record
  const version = keys[record.type]
  switch (record.type) {
    case 'epoch':
      return encodeVersioned(wire.consumerGroupMetadataKey, version, { groupId })
    case 'targetEpoch':
      return encodeVersioned(wire.consumerGroupTargetAssignmentMetadataKey, version, { groupId })
    case 'regex': {
      const regularExpression = record.subject
      const key = { groupId, regularExpression }
      return encodeVersioned(wire.consumerGroupRegularExpressionKey, version, key)
    }
    default: {
      const key = { groupId, memberId: record.subject }
      return encodeVersioned(memberKeys[record.type], version, key)
    }
  }
}

const memberKeys = {
  member: wire.consumerGroupMemberMetadataKey,
  target: wire.consumerGroupTargetAssignmentMemberKey,
  current: wire.consumerGroupCurrentMemberAssignmentKey,
}

function valueOf(record: ConsumerRecord): Uint8Array {
  switch (record.type) {
    case 'epoch':
      return encodeVersioned(wire.consumerGroupMetadataValue, 0, record.value!)
    case 'targetEpoch':
      return encodeVersioned(wire.consumerGroupTargetAssignmentMetadataValue, 0, {
        assignmentEpoch: record.value!,
      })
    case 'member': {
      const { topicNames, topicRegex, classic, ...rest } = record.value!
      return encodeVersioned(wire.consumerGroupMemberMetadataValue, 0, {
        ...rest,
        subscribedTopicNames: topicNames,
        subscribedTopicRegex: topicRegex === '' ? null : topicRegex,
        classicMemberMetadata: classic,
      })
    }
    case 'target':
      return encodeVersioned(wire.consumerGroupTargetAssignmentMemberValue, 0, {
        topicPartitions: toTopics(record.value!),
      })
    case 'current': {
      const { epoch, previousEpoch, state, assigned, revoking } = record.value!
      return encodeVersioned(wire.consumerGroupCurrentMemberAssignmentValue, 0, {
        memberEpoch: epoch,
        previousMemberEpoch: previousEpoch,
        state,
        assignedPartitions: toTopics(assigned),
        partitionsPendingRevocation: toTopics(revoking),
      })
    }
    case 'regex': {
      const { topics, version, timestamp } = record.value!
      const value = { topics, version: BigInt(version), timestamp }
      return encodeVersioned(wire.consumerGroupRegularExpressionValue, 0, value)
    }
  }
}

/** A record by its key's version; undefined for other types. Throws ProtocolError for bad bytes. */
export function decodeConsumerRecord(
  keyVersion: number,
  key: Uint8Array,
  value: Uint8Array | null,
): ConsumerRecord | undefined {
  const kind = 'consumer'
  switch (keyVersion) {
    case keys.epoch: {
      const { groupId } = decodeVersioned(wire.consumerGroupMetadataKey, key)
      const read = value && decodeVersioned(wire.consumerGroupMetadataValue, value)
      return { kind, groupId, type: 'epoch', value: read }
    }
    case keys.targetEpoch: {
      const { groupId } = decodeVersioned(wire.consumerGroupTargetAssignmentMetadataKey, key)
      const read = value && decodeVersioned(wire.consumerGroupTargetAssignmentMetadataValue, value)
      return { kind, groupId, type: 'targetEpoch', value: read && read.assignmentEpoch }
    }
    case keys.regex: {
      const { groupId, regularExpression } = decodeVersioned(
        wire.consumerGroupRegularExpressionKey,
        key,
      )
      const read = value && decodeVersioned(wire.consumerGroupRegularExpressionValue, value)
      const resolved = read && { ...read, version: Number(read.version) }
      return { kind, groupId, type: 'regex', subject: regularExpression, value: resolved }
    }
    case keys.member: {
      const { groupId, memberId } = decodeVersioned(memberKeys.member, key)
      return { kind, groupId, type: 'member', subject: memberId, value: value && member(value) }
    }
    case keys.target: {
      const { groupId, memberId } = decodeVersioned(memberKeys.target, key)
      const read = value && decodeVersioned(wire.consumerGroupTargetAssignmentMemberValue, value)
      const target = read && assignmentFrom(read.topicPartitions)
      return { kind, groupId, type: 'target', subject: memberId, value: target }
    }
    case keys.current: {
      const { groupId, memberId } = decodeVersioned(memberKeys.current, key)
      return { kind, groupId, type: 'current', subject: memberId, value: value && current(value) }
    }
    default:
      return undefined
  }
}

function member(bytes: Uint8Array): MemberMetadata {
  const { subscribedTopicNames, subscribedTopicRegex, classicMemberMetadata, ...rest } =
    decodeVersioned(wire.consumerGroupMemberMetadataValue, bytes)
  const classic = classicMemberMetadata && {
    sessionTimeoutMs: classicMemberMetadata.sessionTimeoutMs,
    // The bytes are a view of a log's batch, which must not be kept alive.
    supportedProtocols: classicMemberMetadata.supportedProtocols.map(({ name, metadata }) => ({
      name,
      metadata: Buffer.from(metadata),
    })),
  }
  const topicRegex = subscribedTopicRegex ?? ''
  return { ...rest, topicNames: [...subscribedTopicNames].sort(), topicRegex, classic }
}

function current(bytes: Uint8Array): AssignmentFields {
  const read = decodeVersioned(wire.consumerGroupCurrentMemberAssignmentValue, bytes)
  return {
    epoch: read.memberEpoch,
    previousEpoch: read.previousMemberEpoch,
    state: read.state,
    assigned: assignmentFrom(read.assignedPartitions),
    revoking: assignmentFrom(read.partitionsPendingRevocation),
  }
}
