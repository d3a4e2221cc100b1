import { ClientError, kafkaError, type Client } from '@kfk/client'
import { apis } from '@kfk/protocol'
import { isolationLevels, type Isolation, type StartPosition } from './options.js'
import { byTopic, partitionKey, type TopicPartition } from './topic-partition.js'

/** Special timestamps of ListOffsets. */
const latest = -1
const earliest = -2
/** Bound of one answer. */
const answerTimeoutMs = 30_000

/**
 * Errors after which the leader is looked up again: not the leader, unknown or fenced epoch,
 * unknown topic, storage.
 */
export const leaderErrors = new Set([3, 5, 6, 9, 56, 74, 75, 100, 103])

export interface Lookup {
  readonly client: Client
  readonly signal: AbortSignal
  readonly isolation: Isolation
}

/** What one round of asking has given, by {@link partitionKey}. */
export interface FoundOffsets {
  readonly offsets: Map<string, number>
  /** Partitions that have no answer, and why. Retriable ones may have one in the next round. */
  readonly failures: Map<string, ClientError>
}

/**
 * Asks the leaders once for the offsets at a start position; a time after the last record means the
 * end. One leader that is away costs only its own partitions. Rejects with KFK_CLIENT_ABORTED and
 * _CLOSED only.
 */
export async function findOffsets(
  lookup: Lookup,
  partitions: readonly TopicPartition[],
  from: Exclude<StartPosition, 'committed'>,
): Promise<FoundOffsets> {
  if (from === 'earliest' || from === 'latest') {
    return listOffsets(lookup, partitions, from === 'earliest' ? earliest : latest)
  }
  const { offsets, failures } = await listOffsets(lookup, partitions, Number(from.timestamp))
  const beyond = partitions.filter((each) => (offsets.get(partitionKey(each)) ?? 0) < 0)
  if (beyond.length === 0) return { offsets, failures }
  for (const each of beyond) offsets.delete(partitionKey(each))
  const ends = await listOffsets(lookup, beyond, latest)
  return {
    offsets: new Map([...offsets, ...ends.offsets]),
    failures: new Map([...failures, ...ends.failures]),
  }
}

async function listOffsets(
  lookup: Lookup,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<FoundOffsets> {
  const found: FoundOffsets = { offsets: new Map(), failures: new Map() }
  const leaders = await leadersOf(lookup, partitions, found)
  const asked = [...leaders].map(async ([nodeId, wanted]) => {
    try {
      await askLeader(lookup, { nodeId, timestamp, partitions: wanted }, found)
    } catch (error) {
      // The broker may be gone: its partitions may have another leader by now.
      for (const { topic } of wanted) lookup.client.metadata.invalidate(topic)
      fail(found, wanted, error)
    }
  })
  await Promise.all(asked)
  return found
}

async function leadersOf(
  { client, signal }: Lookup,
  partitions: readonly TopicPartition[],
  found: FoundOffsets,
): Promise<Map<number, TopicPartition[]>> {
  const leaders = new Map<number, TopicPartition[]>()
  const lookUp = async (each: TopicPartition): Promise<void> => {
    try {
      const { nodeId } = await client.metadata.leader(each.topic, each.partition, { signal })
      const list = leaders.get(nodeId)
      if (list) list.push(each)
      else leaders.set(nodeId, [each])
    } catch (error) {
      fail(found, [each], error)
    }
  }
  await Promise.all(partitions.map(lookUp))
  return leaders
}

async function askLeader(
  { client, signal, isolation }: Lookup,
  asked: { nodeId: number; timestamp: number; partitions: readonly TopicPartition[] },
  found: FoundOffsets,
): Promise<void> {
  const { nodeId, timestamp } = asked
  const topics = byTopic(asked.partitions).map(({ topic, partitions: indexes }) => ({
    name: topic,
    partitions: indexes.map((partitionIndex) => ({ partitionIndex, timestamp })),
  }))
  const body = { replicaId: -1, isolationLevel: isolationLevels[isolation], topics }
  const options = { signal, timeoutMs: answerTimeoutMs }
  const response = await client.request(apis.listOffsets, body, { nodeId }, options)
  for (const { name: topic, partitions } of response.topics) {
    for (const { partitionIndex: partition, errorCode, offset } of partitions) {
      if (leaderErrors.has(errorCode)) client.metadata.invalidate(topic)
      if (errorCode === 0) found.offsets.set(partitionKey({ topic, partition }), offset)
      else {
        const error = kafkaError(errorCode, null, { topic, partition })
        found.failures.set(partitionKey({ topic, partition }), error)
      }
    }
  }
}

function fail(found: FoundOffsets, partitions: readonly TopicPartition[], error: unknown): void {
  if (!(error instanceof ClientError)) throw error
  if (error.code === 'KFK_CLIENT_ABORTED' || error.code === 'KFK_CLIENT_CLOSED') throw error
  for (const each of partitions) found.failures.set(partitionKey(each), error)
}
