import { kafkaError, type Client } from '@kfk/client'
import { apis } from '@kfk/protocol'
import { throwGroupError } from './start-positions.js'
import type { TopicPartition } from './topic-partition.js'

/** A position to store: the next offset to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
}

/** In whose name offsets are committed; an empty member id and generation -1 for a consumer that is no member. */
export interface CommitIdentity {
  readonly group: string
  readonly memberId: string
  readonly generation: number
  readonly groupInstanceId: string | null
}

export interface CommitOptions {
  readonly client: Client
  readonly signal?: AbortSignal
  /** Bound of all attempts. */
  readonly timeoutMs: number
}

/** The coordinator has moved or is loading: asked again. REBALANCE_IN_PROGRESS and fencing are the caller's. */
const coordinatorErrors = new Set([14, 15, 16])

/**
 * Commits offsets; resolves when they are durable in the group's log. Resolves with the first error code about the
 * membership (22 ILLEGAL_GENERATION, 25 UNKNOWN_MEMBER_ID, 27 REBALANCE_IN_PROGRESS, 82 FENCED_INSTANCE_ID), or 0.
 * Rejects with any other error.
 */
export async function commitOffsets(
  { client, signal, timeoutMs }: CommitOptions,
  identity: CommitIdentity,
  offsets: readonly OffsetToCommit[],
): Promise<number> {
  const topics = new Map<string, OffsetToCommit[]>()
  for (const each of offsets) {
    const list = topics.get(each.topic)
    if (list) list.push(each)
    else topics.set(each.topic, [each])
  }
  const body = {
    groupId: identity.group,
    generationIdOrMemberEpoch: identity.generation,
    memberId: identity.memberId,
    groupInstanceId: identity.groupInstanceId,
    topics: [...topics].map(([name, list]) => ({
      name,
      partitions: list.map(({ partition, offset }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedMetadata: '',
      })),
    })),
  }
  const attempt = async (): Promise<number> => {
    // Names until version 9; from 10 on topics go by id.
    const options = { signal, maxVersion: 9, lane: `offsets:${identity.group}` }
    const target = { group: identity.group }
    const response = await client.request(apis.offsetCommit, body, target, options)
    const codes = response.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ errorCode, partitionIndex }) => ({ errorCode, name, partitionIndex })),
    )
    const moved = codes.find(({ errorCode }) => coordinatorErrors.has(errorCode))
    if (moved) throwGroupError(client, identity.group, moved.errorCode)
    const failed = codes.find(({ errorCode }) => errorCode !== 0)
    if (failed === undefined || membershipErrors.has(failed.errorCode))
      return failed?.errorCode ?? 0
    const { errorCode, name: topic, partitionIndex: partition } = failed
    throw kafkaError(errorCode, null, { topic, partition, group: identity.group })
  }
  return client.retrying(attempt, { ...(signal && { signal }), timeoutMs, retries: Infinity })
}

const membershipErrors = new Set([22, 25, 27, 82])
