import { kafkaError, type Client } from '@kfk/client'
import { apis, type ResponseOf } from '@kfk/protocol'
import {
  isAboutMembership,
  offsetsLane,
  throwIfRetriable,
  whileCoordinatorMoves,
} from './group-errors.js'
import { byTopic, partitionKey, type TopicPartition } from './topic-partition.js'

/** A position to store: the next offset to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  readonly metadata?: string
}

/**
 * In whose name offsets are committed; an empty member id and generation -1 for a consumer that is
 * no member.
 */
export interface CommitIdentity {
  readonly group: string
  readonly memberId: string
  readonly generation: number
  readonly groupInstanceId: string | null
}

export interface CoordinatorCall {
  readonly client: Client
  readonly signal: AbortSignal | undefined
  /** Bound of all attempts together; default none. */
  readonly timeoutMs?: number
}

/** Names until this version; from 10 on topics go by id. */
const maxVersion = 9
/** Bound of a single attempt. */
const attemptTimeoutMs = 30_000
const offsetNotCommitted = -1

/**
 * Commits offsets; resolves when they are durable in the group's log. Resolves with the first error
 * code about the membership, or 0. Rejects with any other error, after trying again as long as that
 * can help.
 */
export function commitOffsets(
  { client, signal, timeoutMs = Infinity }: CoordinatorCall,
  identity: CommitIdentity,
  offsets: readonly OffsetToCommit[],
): Promise<number> {
  const { group } = identity
  const body = commitBody(identity, offsets)
  const attempt = async (): Promise<number> => {
    const options = {
      signal,
      maxVersion,
      timeoutMs: Math.min(timeoutMs, attemptTimeoutMs),
      lane: offsetsLane(group),
    }
    const response = await client.request(apis.offsetCommit, body, { group }, options)
    const answers = response.topics.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ errorCode, partitionIndex }) => ({ errorCode, topic, partitionIndex })),
    )
    for (const { errorCode } of answers) throwIfRetriable(group, errorCode)
    const failed = answers.find(({ errorCode }) => errorCode !== 0)
    if (failed === undefined) return 0
    const { errorCode, topic, partitionIndex: partition } = failed
    if (isAboutMembership(errorCode)) return errorCode
    throw kafkaError(errorCode, null, { topic, partition, group })
  }
  return whileCoordinatorMoves(client, group, attempt, { signal, timeoutMs })
}

function commitBody(identity: CommitIdentity, offsets: readonly OffsetToCommit[]) {
  const topics = new Map<string, OffsetToCommit[]>()
  for (const each of offsets) {
    const list = topics.get(each.topic)
    if (list) list.push(each)
    else topics.set(each.topic, [each])
  }
  return {
    groupId: identity.group,
    generationIdOrMemberEpoch: identity.generation,
    memberId: identity.memberId,
    groupInstanceId: identity.groupInstanceId,
    topics: [...topics].map(([name, list]) => ({
      name,
      partitions: list.map(({ partition, offset, metadata = '' }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedMetadata: metadata,
      })),
    })),
  }
}

/**
 * The offsets that a group has committed, by {@link partitionKey}; partitions without one are
 * absent. Rejects with the group's error; while the coordinator loads or moves it is asked again:
 * an error is never taken for "no offset".
 */
export function committedOffsets(
  { client, signal }: CoordinatorCall,
  group: string,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> {
  const topics = byTopic(partitions).map(({ topic, partitions: indexes }) => ({
    name: topic,
    partitionIndexes: indexes,
  }))
  const ask = async (): Promise<Map<string, number>> => {
    const response = await client.request(
      apis.offsetFetch,
      (version) =>
        version >= 8 ? { groups: [{ groupId: group, topics }] } : { groupId: group, topics },
      { group },
      { signal, maxVersion, timeoutMs: attemptTimeoutMs, lane: offsetsLane(group) },
    )
    const answer = response.groups[0] ?? response
    throwGroupError(group, answer.errorCode)
    return readCommitted(group, answer.topics)
  }
  return whileCoordinatorMoves(client, group, ask, { signal })
}

type CommittedTopics = Pick<
  ResponseOf<typeof apis.offsetFetch>['topics'][number],
  'name' | 'partitions'
>[]

function readCommitted(group: string, topics: CommittedTopics): Map<string, number> {
  const found = new Map<string, number>()
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, committedOffset, errorCode } of partitions) {
      throwGroupError(group, errorCode)
      if (committedOffset === offsetNotCommitted) continue
      found.set(partitionKey({ topic: name, partition: partitionIndex }), committedOffset)
    }
  }
  return found
}

function throwGroupError(group: string, errorCode: number): void {
  if (errorCode !== 0) throw kafkaError(errorCode, null, { group })
}
