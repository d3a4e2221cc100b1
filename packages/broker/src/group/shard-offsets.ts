import { errorCodes, ZERO_UUID } from '@kfk/protocol'
import { expiredOffsets, offsetsOf, type OffsetKey, offsetTombstones } from './committed-offsets.js'
import type { LiveConsumerGroup } from './consumer/live-consumer-group.js'
import type {
  CommitInput,
  FetchedOffset,
  TopicPartitions,
  TransactionalCommitInput,
} from './group-api.js'
import type { LogProducer } from '../partition/coordinator-log.js'
import type { CommittedOffset, OffsetsRecord } from './group-records.js'
import type { GroupShard } from './group-shard.js'
import { subscribedTopics } from './subscriptions.js'

/** OffsetCommit version from which an unknown group has an error of its own (KIP-848). */
const GROUP_ID_NOT_FOUND_SINCE = 9

/** Writes offsets and answers, per partition, once they are committed. */
export function commitOffsets(
  shard: GroupShard,
  input: CommitInput,
  options: { maxMetadataBytes: number },
): Promise<readonly number[]> {
  const { partitions } = input
  const refusal = commitRefusal(shard, input)
  if (refusal !== errorCodes.NONE) return Promise.resolve(partitions.map(() => refusal))
  return writeOffsets(shard, input, options)
}

/** The same as a part of a transaction: they count once that is committed. */
export function commitTransactionalOffsets(
  shard: GroupShard,
  input: TransactionalCommitInput,
  options: { maxMetadataBytes: number },
): Promise<readonly number[]> {
  const { partitions, producerId, producerEpoch } = input
  const refusal = transactionalRefusal(shard, input)
  if (refusal !== errorCodes.NONE) return Promise.resolve(partitions.map(() => refusal))
  return writeOffsets(shard, input, { ...options, producer: { producerId, producerEpoch } })
}

function transactionalRefusal(shard: GroupShard, input: TransactionalCommitInput): number {
  const { groupId, producerId, producerEpoch, generation, memberId, groupInstanceId } = input
  const known = shard.partition.producer(producerId)
  if (known !== undefined && producerEpoch < known.epoch) return errorCodes.INVALID_PRODUCER_EPOCH
  const consumer = shard.consumer(groupId)
  if (consumer !== undefined) {
    // Old clients name no member (KIP-447).
    if (generation < 0 && memberId === '' && groupInstanceId === null) return errorCodes.NONE
    const code = consumer.machine.checkCommit({ ...input, apiVersion: GROUP_ID_NOT_FOUND_SINCE })
    return code === errorCodes.STALE_MEMBER_EPOCH ? errorCodes.ILLEGAL_GENERATION : code
  }
  const live = shard.live(groupId)
  if (live !== undefined) {
    return live.machine.checkTransactionalCommit(input, shard.clock.monotonicMs())
  }
  if (generation < 0) return errorCodes.NONE
  const isGroup = shard.durable.group(groupId) !== undefined
  return isGroup ? errorCodes.UNKNOWN_MEMBER_ID : errorCodes.ILLEGAL_GENERATION
}

function writeOffsets(
  shard: GroupShard,
  input: Pick<CommitInput, 'groupId' | 'partitions'>,
  options: { maxMetadataBytes: number; producer?: LogProducer },
): Promise<readonly number[]> {
  const { partitions } = input
  const commitTimestamp = shard.clock.now()
  const codes: number[] = partitions.map(({ metadata }) =>
    // Kafka counts UTF-16 units here, whatever the config is called.
    metadata.length > options.maxMetadataBytes
      ? errorCodes.OFFSET_METADATA_TOO_LARGE
      : errorCodes.NONE,
  )
  const records: OffsetsRecord[] = partitions
    .filter((_, index) => codes[index] === errorCodes.NONE)
    .map(({ topic, partition, offset, leaderEpoch, metadata, topicId }) => ({
      kind: 'offset',
      groupId: input.groupId,
      topic,
      partition,
      committed: { offset, leaderEpoch, metadata, topicId, commitTimestamp, expireTimestamp: -1 },
    }))
  if (records.length === 0) return Promise.resolve(codes)
  return append(shard, records, options.producer).then((outcome) =>
    codes.map((code) => (code === errorCodes.NONE ? outcome : code)),
  )
}

function commitRefusal(shard: GroupShard, input: CommitInput): number {
  const consumer = shard.consumer(input.groupId)
  if (consumer !== undefined) return consumer.machine.checkCommit(input)
  const live = shard.live(input.groupId)
  if (live !== undefined) {
    // Only the deadline of a session changes, and that one moves later.
    return live.machine.checkCommit(input, shard.clock.monotonicMs())
  }
  if (input.generation < 0) return errorCodes.NONE
  if (shard.durable.group(input.groupId) !== undefined) return errorCodes.UNKNOWN_MEMBER_ID
  return input.apiVersion >= GROUP_ID_NOT_FOUND_SINCE
    ? errorCodes.GROUP_ID_NOT_FOUND
    : errorCodes.ILLEGAL_GENERATION
}

/**
 * What the group has committed; -1 where it has nothing, or only for a deleted topic of the same
 * name.
 */
export function fetchOffsets(
  shard: GroupShard,
  groupId: string,
  options: {
    topics: readonly TopicPartitions[] | null
    topicId: (topic: string) => string | undefined
    /** Tell of an offset that a transaction may still change (KIP-447). */
    requireStable: boolean
  },
): FetchedOffset[] {
  const { topics, topicId, requireStable } = options
  const fetched = (topic: string, partition: number, committed: CommittedOffset | undefined) =>
    requireStable && shard.transactional.isUnstable(groupId, { topic, partition })
      ? fetchedOffset({ topic, partition }, undefined, errorCodes.UNSTABLE_OFFSET_COMMIT)
      : fetchedOffset({ topic, partition }, committed)
  const isCurrent = (topic: string, committed: CommittedOffset) =>
    committed.topicId === ZERO_UUID || committed.topicId === (topicId(topic) ?? committed.topicId)
  const group = shard.durable.group(groupId)
  if (topics === null) {
    const entries = group === undefined ? [] : [...offsetsOf(group)]
    return entries
      .filter(({ topic, committed }) => isCurrent(topic, committed))
      .map(({ topic, partition, committed }) => fetched(topic, partition, committed))
  }
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => {
      const committed = group?.offsets.get(topic)?.get(partition)
      const current = committed !== undefined && isCurrent(topic, committed)
      return fetched(topic, partition, current ? committed : undefined)
    }),
  )
}

function fetchedOffset(
  place: { topic: string; partition: number },
  committed: CommittedOffset | undefined,
  errorCode: number = errorCodes.NONE,
): FetchedOffset {
  return {
    ...place,
    offset: committed?.offset ?? -1,
    leaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    ...(errorCode !== errorCodes.NONE && { errorCode }),
  }
}

/** Forgets offsets of topics that the group does not read (KIP-496). */
export async function deleteOffsets(
  shard: GroupShard,
  groupId: string,
  topics: readonly TopicPartitions[],
): Promise<{ errorCode: number; partitions: readonly number[] }> {
  const failed = (errorCode: number) => ({ errorCode, partitions: [] })
  const machine = shard.live(groupId)?.machine
  const consumer = shard.consumer(groupId)
  if (!isKnown(shard, groupId) || machine?.state === 'Dead') {
    return failed(errorCodes.GROUP_ID_NOT_FOUND)
  }
  const inUse = machine !== undefined && machine.roster.size > 0
  if (inUse && machine.protocolType !== 'consumer') return failed(errorCodes.NON_EMPTY_GROUP)
  const classicTopics = inUse ? subscribedTopics(machine) : new Set<string>()
  const subscribed = consumer?.machine.state.subscribedTopics() ?? classicTopics
  const inUseOf = (topic: string) => subscribed === 'unknown' || subscribed.has(topic)
  const codes = topics.flatMap(({ topic, partitions }) =>
    partitions.map(() => (inUseOf(topic) ? errorCodes.GROUP_SUBSCRIBED_TO_TOPIC : errorCodes.NONE)),
  )
  const asked = new Map(topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
  const doomed = writtenOffsets(shard, groupId).filter(
    ({ topic, partition }) => !inUseOf(topic) && asked.get(topic)?.has(partition) === true,
  )
  const outcome = await append(shard, offsetTombstones(groupId, doomed))
  return outcome === errorCodes.NONE ? { errorCode: outcome, partitions: codes } : failed(outcome)
}

/** Removes a group without members, and its offsets; the error code tells. */
export async function deleteGroup(shard: GroupShard, groupId: string): Promise<number> {
  if (!isKnown(shard, groupId)) return errorCodes.GROUP_ID_NOT_FOUND
  const consumer = shard.consumer(groupId)
  if (consumer !== undefined) return deleteConsumerGroup(shard, consumer)
  const live = shard.liveOrNew(groupId)
  const refusal = live.machine.delete()
  if (refusal !== errorCodes.NONE) return refusal
  const records = offsetTombstones(groupId, writtenOffsets(shard, groupId))
  if (live.floor !== undefined) records.push({ kind: 'group', groupId, floor: null })
  const outcome = await append(shard, records)
  if (outcome === errorCodes.NONE) shard.remove(live)
  else shard.step(live, (machine) => machine.revive())
  return outcome
}

async function deleteConsumerGroup(shard: GroupShard, live: LiveConsumerGroup): Promise<number> {
  const groupId = live.id
  const [refusal, outcome] = await new Promise<[refusal: number, outcome: number]>((resolve) => {
    live.prelude = offsetTombstones(groupId, writtenOffsets(shard, groupId))
    live.step(
      (machine) => machine.delete(),
      (errorCode, refused) => resolve([refused, errorCode]),
    )
  })
  live.prelude = []
  return refusal === errorCodes.NONE ? outcome : refusal
}

/**
 * Removes what nobody will ask for any more: expired offsets, and groups that have neither offsets
 * nor members.
 */
export async function expireOffsets(
  shard: GroupShard,
  options: { retentionMs: number },
): Promise<number> {
  const nowMs = shard.clock.now()
  const records: OffsetsRecord[] = []
  const busy = new Set(Array.from(shard.log.pending(), ({ groupId }) => groupId))
  for (const groupId of shard.transactional.groupIds()) busy.add(groupId)
  shard.forgetIdle(busy)
  let expired = 0
  for (const [groupId, group] of shard.durable.groups()) {
    if (busy.has(groupId) || shard.live(groupId) !== undefined) continue
    const consumer = shard.consumer(groupId)?.machine.state
    const subscribed = consumer?.subscribedTopics()
    // What members read does not expire, however long ago it was committed.
    const entries = expiredOffsets(group, { nowMs, retentionMs: options.retentionMs }).filter(
      ({ topic }) => subscribed?.has(topic) !== true,
    )
    expired += entries.length
    records.push(...offsetTombstones(groupId, entries))
    let kept = -entries.length
    for (const partitions of group.offsets.values()) kept += partitions.size
    if (kept === 0 && consumer?.size === 0) void deleteGroup(shard, groupId)
    if (kept === 0 && group.floor !== undefined) {
      records.push({ kind: 'group', groupId, floor: null })
    }
  }
  const outcome = await append(shard, records)
  return outcome === errorCodes.NONE ? expired : 0
}

/** Removes the offsets of deleted topics. */
export async function forgetTopics(shard: GroupShard, names: ReadonlySet<string>): Promise<void> {
  const groupIds = new Set(Array.from(shard.log.pending(), ({ groupId }) => groupId))
  for (const [groupId] of shard.durable.groups()) groupIds.add(groupId)
  const records = [...groupIds].flatMap((groupId) =>
    offsetTombstones(
      groupId,
      writtenOffsets(shard, groupId).filter(({ topic }) => names.has(topic)),
    ),
  )
  await append(shard, records)
}

/** Whether anything of the group is in the log, on its way there, or in memory. */
export function isKnown(shard: GroupShard, groupId: string): boolean {
  if (shard.consumer(groupId) !== undefined) return true
  if (shard.live(groupId) !== undefined || shard.durable.group(groupId) !== undefined) return true
  for (const record of shard.log.pending()) if (record.groupId === groupId) return true
  return false
}

/** Partitions for which something is committed or on its way: what a deletion has to cover. */
function writtenOffsets(shard: GroupShard, groupId: string): OffsetKey[] {
  const group = shard.durable.group(groupId)
  const keys: OffsetKey[] = group === undefined ? [] : [...offsetsOf(group)]
  for (const record of shard.log.pending()) {
    if (record.kind === 'offset' && record.groupId === groupId) keys.push(record)
  }
  keys.push(...shard.transactional.keysOf(groupId))
  return keys
}

function append(
  shard: GroupShard,
  records: readonly OffsetsRecord[],
  producer?: LogProducer,
): Promise<number> {
  if (records.length === 0) return Promise.resolve(errorCodes.NONE)
  return new Promise((resolve) => {
    const refusal = shard.log.append(records, resolve, producer)
    if (refusal !== errorCodes.NONE) resolve(refusal)
  })
}
