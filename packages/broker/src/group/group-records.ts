import {
  decodeVersioned,
  encodeVersioned,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
  peekVersion,
  ProtocolError,
} from '@kfk/protocol'
import {
  type ConsumerRecord,
  decodeConsumerRecord,
  encodeConsumerRecord,
} from './consumer/consumer-records.js'

/** What a group has committed for one partition. */
export interface CommittedOffset {
  readonly offset: number
  /** -1: not known. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Wall clock, ms. */
  readonly commitTimestamp: number
  /**
   * Wall clock, ms; -1: by the broker's retention (only records that old Kafka wrote have their
   * own).
   */
  readonly expireTimestamp: number
  /** Of the topic when it was committed; the zero id when the record tells none. */
  readonly topicId: string
}

/** The last generation of a group that anybody may have been told of. */
export interface GroupFloor {
  readonly generation: number
  /** Empty: the group has only ever committed offsets. */
  readonly protocolType: string
  /** When it was written, wall clock ms. Two writings of one generation differ in it. */
  readonly timestamp: number
}

/** A record of `__consumer_offsets`; null values are tombstones. */
export type OffsetsRecord =
  | {
      readonly kind: 'offset'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
      readonly committed: CommittedOffset | null
    }
  | { readonly kind: 'group'; readonly groupId: string; readonly floor: GroupFloor | null }
  | ConsumerRecord

/** Versions of the keys are the types of the records; 0 is an old form of 1. */
const OFFSET_KEY = 1
const GROUP_KEY = 2
/** The versions that Kafka 4.1 writes. */
const OFFSET_VALUE_VERSION = 4
const GROUP_VALUE_VERSION = 3

/**
 * The record as Kafka writes it. A floor is the record of a group without members: members and
 * assignment are in coordination, and a Kafka that took over the partition would let them rejoin,
 * exactly as this coordinator does when coordination has lost them.
 */
export function encodeOffsetsRecord(record: OffsetsRecord): {
  key: Uint8Array
  value: Uint8Array | null
} {
  if (record.kind === 'consumer') return encodeConsumerRecord(record)
  if (record.kind === 'group')
    return { key: groupKey(record.groupId), value: floorValue(record.floor) }
  const { groupId: group, topic, partition, committed } = record
  const key = encodeVersioned(offsetCommitKey, OFFSET_KEY, { group, topic, partition })
  return { key, value: committed === null ? null : offsetValue(committed) }
}

function groupKey(group: string): Uint8Array {
  return encodeVersioned(groupMetadataKey, GROUP_KEY, { group })
}

function floorValue(floor: GroupFloor | null): Uint8Array | null {
  if (floor === null) return null
  return encodeVersioned(groupMetadataValue, GROUP_VALUE_VERSION, {
    protocolType: floor.protocolType,
    generation: floor.generation,
    protocol: null,
    leader: null,
    currentStateTimestamp: floor.timestamp,
    members: [],
  })
}

function offsetValue(committed: CommittedOffset): Uint8Array {
  const { offset, leaderEpoch, metadata, commitTimestamp, topicId } = committed
  return encodeVersioned(offsetCommitValue, OFFSET_VALUE_VERSION, {
    offset,
    leaderEpoch,
    metadata,
    commitTimestamp,
    topicId,
  })
}

/**
 * Reads a record that this coordinator or a Kafka wrote, in any version. Undefined for what it does
 * not know: records of share and streams groups, and bytes that are neither (the topic's writers
 * are trusted, but one bad record must not make all groups unavailable).
 */
export function decodeOffsetsRecord(
  key: Uint8Array,
  value: Uint8Array | null,
): OffsetsRecord | undefined {
  try {
    const keyVersion = peekVersion(key)
    switch (keyVersion) {
      case 0:
      case OFFSET_KEY:
        return decodeOffset(key, value)
      case GROUP_KEY:
        return decodeFloor(key, value)
      default:
        return decodeConsumerRecord(keyVersion, key, value)
    }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

function decodeOffset(key: Uint8Array, value: Uint8Array | null): OffsetsRecord {
  const { group: groupId, topic, partition } = decodeVersioned(offsetCommitKey, key)
  if (value === null) return { kind: 'offset', groupId, topic, partition, committed: null }
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId } =
    decodeVersioned(offsetCommitValue, value)
  const committed = { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId }
  return { kind: 'offset', groupId, topic, partition, committed }
}

function decodeFloor(key: Uint8Array, value: Uint8Array | null): OffsetsRecord {
  const { group: groupId } = decodeVersioned(groupMetadataKey, key)
  if (value === null) return { kind: 'group', groupId, floor: null }
  const { generation, protocolType, currentStateTimestamp } = decodeVersioned(
    groupMetadataValue,
    value,
  )
  return {
    kind: 'group',
    groupId,
    floor: { generation, protocolType, timestamp: currentStateTimestamp },
  }
}
