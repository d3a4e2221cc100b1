import { apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { ClientError, kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { lookUp } from './controller-call.js'

/**
 * A place in a partition: the first record that is still kept, the end (the next offset to be
 * written), the record with the largest timestamp, or the first record at or after a time
 * (milliseconds since 1970, or a Date).
 */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | number | Date

export interface OffsetQuery {
  readonly topic: string
  readonly partition: number
  readonly at: OffsetSpec
}

export interface OffsetResult {
  readonly topic: string
  readonly partition: number
  /** -1n when no record is at or after the time. */
  readonly offset: bigint
  /** Of the record found; -1 for 'earliest' and 'latest'. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface ListOffsetsOptions extends CallOptions {
  /**
   * 'committed': the end is the last stable offset, before any open transaction. Default
   * 'uncommitted'.
   */
  readonly isolation?: 'committed' | 'uncommitted'
}

export interface OffsetsAdmin {
  /** Offsets in the order of `queries`. Rejects as a whole if one partition cannot answer. */
  listOffsets(
    queries: readonly OffsetQuery[],
    options?: ListOffsetsOptions,
  ): Promise<OffsetResult[]>
  /** The same for every partition of a topic, by partition. */
  topicOffsets(topic: string, at: OffsetSpec, options?: ListOffsetsOptions): Promise<OffsetResult[]>
}

const latestTimestamp = -1
const earliestTimestamp = -2
const maxTimestamp = -3
/** First version of ListOffsets that knows -3 (KIP-734). */
const maxTimestampVersion = 7
/** Not a broker that replicates. */
const consumerReplicaId = -1

export function offsetsAdmin(client: Client): OffsetsAdmin {
  return {
    listOffsets: (queries, options) => listOffsets(client, queries, options),
    async topicOffsets(topic, at, options = {}) {
      const { partitions } = await lookUp(
        client,
        () =>
          client.metadata.topic(topic, {
            signal: options.signal,
            autoCreate: false,
            refresh: true,
          }),
        options,
      )
      const queries = partitions.map(({ index }) => ({ topic, partition: index, at }))
      return listOffsets(client, queries, options)
    },
  }
}

function listOffsets(
  client: Client,
  queries: readonly OffsetQuery[],
  options: ListOffsetsOptions = {},
): Promise<OffsetResult[]> {
  const answer = async (): Promise<OffsetResult[]> => {
    try {
      const results = new Array<OffsetResult>(queries.length)
      const requests = await groupByLeader(client, queries, options)
      await Promise.all(
        requests.map(async ({ nodeId, places }) => {
          const asked = places.map((place) => queries[place]!)
          const answers = await askLeader(client, nodeId, asked, options)
          places.forEach((place, at) => (results[place] = answers[at]!))
        }),
      )
      return results
    } catch (error) {
      // Whatever it was, the leader may have moved.
      if (error instanceof ClientError && error.retriable) {
        for (const { topic } of queries) client.metadata.invalidate(topic)
      }
      throw error
    }
  }
  return lookUp(client, answer, options)
}

interface LeaderQueries {
  readonly nodeId: number
  /** Indexes of the queries in this request. */
  readonly places: number[]
  readonly partitions: Set<string>
}

/** Requests to send: a partition may be in each only once (the broker refuses repeated ones). */
async function groupByLeader(
  client: Client,
  queries: readonly OffsetQuery[],
  { signal }: ListOffsetsOptions,
): Promise<LeaderQueries[]> {
  const requests: LeaderQueries[] = []
  for (const [place, query] of queries.entries()) {
    const { nodeId } = await client.metadata.leader(query.topic, query.partition, {
      signal,
      autoCreate: false,
    })
    const key = keyOf(query)
    const open = requests.find((one) => one.nodeId === nodeId && !one.partitions.has(key))
    if (open === undefined) {
      requests.push({ nodeId, places: [place], partitions: new Set([key]) })
    } else {
      open.places.push(place)
      open.partitions.add(key)
    }
  }
  return requests
}

/** The answers of one leader, in the order of `queries`. */
async function askLeader(
  client: Client,
  nodeId: number,
  queries: readonly OffsetQuery[],
  options: ListOffsetsOptions,
): Promise<OffsetResult[]> {
  const timeoutMs = options.timeoutMs ?? defaultCallTimeoutMs
  const names = [...new Set(queries.map(({ topic }) => topic))]
  const response = await client.request(
    apis.listOffsets,
    {
      replicaId: consumerReplicaId,
      isolationLevel: options.isolation === 'committed' ? 1 : 0,
      topics: names.map((name) => ({
        name,
        partitions: queries
          .filter(({ topic }) => topic === name)
          .map(({ partition, at }) => ({ partitionIndex: partition, timestamp: timestampOf(at) })),
      })),
      timeoutMs,
    },
    { nodeId },
    {
      signal: options.signal,
      timeoutMs,
      minVersion: queries.some(({ at }) => at === 'max-timestamp')
        ? maxTimestampVersion
        : undefined,
    },
  )
  const results = response.topics.flatMap(({ name, partitions }) =>
    partitions.map((partition) => {
      if (partition.errorCode !== 0) {
        throw kafkaError(partition.errorCode, null, {
          topic: name,
          partition: partition.partitionIndex,
        })
      }
      return {
        topic: name,
        partition: partition.partitionIndex,
        offset: BigInt(partition.offset),
        timestamp: partition.timestamp,
        leaderEpoch: partition.leaderEpoch,
      }
    }),
  )
  const found = new Map(results.map((result) => [keyOf(result), result]))
  return queries.map((query) => {
    const result = found.get(keyOf(query))
    if (result === undefined) throw kafkaError(-1, `no answer for ${keyOf(query)}`)
    return result
  })
}

function timestampOf(at: OffsetSpec): number {
  if (at === 'latest') return latestTimestamp
  if (at === 'earliest') return earliestTimestamp
  if (at === 'max-timestamp') return maxTimestamp
  return typeof at === 'number' ? at : at.getTime()
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}-${partition}`
}
