import { kafkaError, type Client } from '@kfk/client'
import { apis, type ResponseOf } from '@kfk/protocol'
import type { StartPosition } from './options.js'
import { byTopic, partitionKey, type TopicPartition } from './topic-partition.js'

/** Special timestamps of ListOffsets. */
const latest = -1
const earliest = -2

const offsetNotCommitted = -1

/** Errors after which the leader is looked up again: not the leader, unknown or fenced epoch, unknown topic, storage. */
export const leaderErrors = new Set([3, 5, 6, 9, 56, 74, 75, 100, 103])

export interface Lookup {
  readonly client: Client
  readonly signal: AbortSignal
}

/**
 * The offsets that a group has committed, by {@link partitionKey}; partitions without one are absent. Rejects with the
 * group's error; while the coordinator loads or moves, it is asked again (RELIABILITY: never taken for "no offset").
 */
export function committedOffsets(
  { client, signal }: Lookup,
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
      // Names until version 9; from 10 on topics go by id.
      { signal, maxVersion: 9, lane: `offsets:${group}` },
    )
    const answer = response.groups[0] ?? response
    throwGroupError(client, group, answer.errorCode)
    return readCommitted(client, group, answer.topics)
  }
  return client.retrying(ask, { signal, retries: Infinity })
}

type CommittedTopics = Pick<
  ResponseOf<typeof apis.offsetFetch>['topics'][number],
  'name' | 'partitions'
>[]

function readCommitted(
  client: Client,
  group: string,
  topics: CommittedTopics,
): Map<string, number> {
  const found = new Map<string, number>()
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, committedOffset, errorCode } of partitions) {
      throwGroupError(client, group, errorCode)
      if (committedOffset === offsetNotCommitted) continue
      found.set(partitionKey({ topic: name, partition: partitionIndex }), committedOffset)
    }
  }
  return found
}

/** NOT_COORDINATOR and its like: the next attempt looks the coordinator up again. */
export function throwGroupError(client: Client, group: string, errorCode: number): void {
  if (errorCode === 0) return
  const error = kafkaError(errorCode, null, { group })
  if (error.retriable) client.invalidateCoordinator(group)
  throw error
}

/** The offsets at a start position, by {@link partitionKey}. A time after the last record means the end. */
export async function offsetsAt(
  lookup: Lookup,
  partitions: readonly TopicPartition[],
  from: Exclude<StartPosition, 'committed'>,
): Promise<Map<string, number>> {
  const timestamp =
    from === 'earliest' ? earliest : from === 'latest' ? latest : Number(from.timestamp)
  const found = await listOffsets(lookup, partitions, timestamp)
  const missing = partitions.filter((each) => (found.get(partitionKey(each)) ?? -1) < 0)
  if (missing.length > 0 && timestamp !== latest) {
    for (const [key, offset] of await listOffsets(lookup, missing, latest)) found.set(key, offset)
  }
  return found
}

function listOffsets(
  { client, signal }: Lookup,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const ask = async (): Promise<Map<string, number>> => {
    const open = partitions.filter((each) => !found.has(partitionKey(each)))
    const leaders = new Map<number, TopicPartition[]>()
    for (const each of open) {
      const { nodeId } = await client.metadata.leader(each.topic, each.partition, { signal })
      const list = leaders.get(nodeId)
      if (list) list.push(each)
      else leaders.set(nodeId, [each])
    }
    const answers = [...leaders].map(([nodeId, wanted]) =>
      listOffsetsOfLeader({ client, signal }, nodeId, wanted, timestamp),
    )
    for (const answer of await Promise.all(answers)) {
      for (const [key, offset] of answer) found.set(key, offset)
    }
    return found
  }
  return client.retrying(ask, { signal, retries: Infinity })
}

async function listOffsetsOfLeader(
  { client, signal }: Lookup,
  nodeId: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<Map<string, number>> {
  const topics = byTopic(partitions).map(({ topic, partitions: indexes }) => ({
    name: topic,
    partitions: indexes.map((partitionIndex) => ({ partitionIndex, timestamp })),
  }))
  const body = { replicaId: -1, isolationLevel: 0, topics }
  const response = await client.request(apis.listOffsets, body, { nodeId }, { signal })
  const found = new Map<string, number>()
  for (const { name, partitions: answers } of response.topics) {
    for (const { partitionIndex, errorCode, offset } of answers) {
      if (leaderErrors.has(errorCode)) client.metadata.invalidate(name)
      if (errorCode !== 0)
        throw kafkaError(errorCode, null, { topic: name, partition: partitionIndex })
      found.set(partitionKey({ topic: name, partition: partitionIndex }), offset)
    }
  }
  return found
}
