import { apis } from '@kfk/protocol'
import type { ResponseOf } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { throwFailures } from './controller-call.js'
import { atLeaders } from './leader-calls.js'

/** Up to where the records of a partition are to be deleted. */
export interface RecordDeletion {
  readonly topic: string
  readonly partition: number
  /** The first offset that stays; 'end': nothing stays. */
  readonly before: bigint | 'end'
}

export interface DeletedRecords {
  readonly topic: string
  readonly partition: number
  /** The first offset that is kept. */
  readonly lowWatermark: bigint
}

/** A partition in a log directory. */
export interface LogSize {
  readonly topic: string
  readonly partition: number
  readonly sizeBytes: bigint
  /** Records that it is behind; of a replica that moves, behind the one that it will replace. */
  readonly offsetLag: bigint
  /** Whether this is a replica that will replace another one. */
  readonly future: boolean
}

export interface LogDir {
  readonly nodeId: number
  readonly path: string
  /** Of the volume; undefined when the broker does not know. */
  readonly totalBytes: bigint | undefined
  readonly usableBytes: bigint | undefined
  readonly partitions: readonly LogSize[]
}

export interface RecordsAdmin {
  /**
   * Deletes records from the start of partitions (KIP-107). Cannot be undone. Answers in the order
   * of `deletions`. With several of them `details.failed` lists those that were refused
   * (OFFSET_OUT_OF_RANGE beyond the end, POLICY_VIOLATION for compacted topics), and the others are
   * done.
   */
  deleteRecords(
    deletions: readonly RecordDeletion[],
    options?: CallOptions,
  ): Promise<DeletedRecords[]>
  /** Sizes of partitions on disk (KIP-113), of all brokers and topics or of those named. */
  describeLogDirs(
    options?: CallOptions & {
      readonly nodeIds?: readonly number[]
      readonly topics?: readonly string[]
    },
  ): Promise<LogDir[]>
}

const everything = -1

export function recordsAdmin(client: Client): RecordsAdmin {
  return {
    deleteRecords: (deletions, options) => deleteRecords(client, deletions, options),
    describeLogDirs: (options) => describeLogDirs(client, options),
  }
}

async function deleteRecords(
  client: Client,
  deletions: readonly RecordDeletion[],
  options: CallOptions = {},
): Promise<DeletedRecords[]> {
  const { signal, timeoutMs = defaultCallTimeoutMs } = options
  const results = await atLeaders(
    client,
    deletions,
    async (nodeId, wanted) => {
      const topics = wanted.map(({ topic, places }) => ({
        name: topic,
        partitions: places.map(({ partition, before }) => ({
          partitionIndex: partition,
          offset: before === 'end' ? everything : Number(before),
        })),
      }))
      const body = { topics, timeoutMs }
      const response = await client.request(
        apis.deleteRecords,
        body,
        { nodeId },
        {
          ...{ signal, timeoutMs },
        },
      )
      return response.topics.flatMap(({ name, partitions }) =>
        partitions.map((one) => {
          const error = one.errorCode === 0 ? undefined : kafkaError(one.errorCode)
          if (error?.retriable === true) throw error
          return { ...one, name: keyOf({ topic: name, partition: one.partitionIndex }) }
        }),
      )
    },
    options,
  )
  throwFailures(results)
  const found = new Map(results.map(({ name, lowWatermark }) => [name, lowWatermark]))
  return deletions.map(({ topic, partition }) => ({
    topic,
    partition,
    lowWatermark: BigInt(found.get(keyOf({ topic, partition })) ?? -1),
  }))
}

async function describeLogDirs(
  client: Client,
  options: Parameters<RecordsAdmin['describeLogDirs']>[0] = {},
): Promise<LogDir[]> {
  const { signal, timeoutMs = defaultCallTimeoutMs, nodeIds, topics } = options
  const bounds = { signal, timeoutMs }
  return client.retrying(async () => {
    const { brokers } = await client.metadata.cluster({ signal, refresh: true })
    const asked = nodeIds ?? brokers.map(({ nodeId }) => nodeId)
    const wanted = topics && (await partitionsOf(client, topics, options))
    const ask = async (nodeId: number): Promise<LogDir[]> => {
      const body = { topics: wanted ?? null }
      const response = await client.request(apis.describeLogDirs, body, { nodeId }, bounds)
      if (response.errorCode !== 0) throw kafkaError(response.errorCode, null, { nodeId })
      return response.results.map((dir) => {
        if (dir.errorCode !== 0) throw kafkaError(dir.errorCode, null, { nodeId, path: dir.logDir })
        return toLogDir(nodeId, dir)
      })
    }
    return (await Promise.all(asked.map(ask))).flat()
  }, bounds)
}

type Directory = ResponseOf<typeof apis.describeLogDirs>['results'][number]

function toLogDir(nodeId: number, dir: Directory): LogDir {
  const known = (bytes: bigint): bigint | undefined => (bytes < 0n ? undefined : bytes)
  return {
    nodeId,
    path: dir.logDir,
    totalBytes: known(dir.totalBytes),
    usableBytes: known(dir.usableBytes),
    partitions: dir.topics.flatMap(({ name, partitions }) =>
      partitions.map((one) => ({
        topic: name,
        partition: one.partitionIndex,
        sizeBytes: one.partitionSize,
        offsetLag: BigInt(one.offsetLag),
        future: one.isFutureKey,
      })),
    ),
  }
}

async function partitionsOf(client: Client, topics: readonly string[], options: CallOptions) {
  const where = { signal: options.signal, autoCreate: false, refresh: true }
  const found = await client.metadata.topics(topics, where)
  return found.map(({ name, partitions }) => ({
    topic: name,
    partitions: partitions.map(({ index }) => index),
  }))
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}-${partition}`
}
