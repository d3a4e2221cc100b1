import { apis } from '@kfk/protocol'
import type { RequestInput } from '@kfk/protocol'
import type { Client } from '../client.js'
import { atCoordinator } from '../coordinator-call.js'
import { kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { throwFailures } from './controller-call.js'
import { byTopic, type Place } from './leader-calls.js'

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** The next record to be processed. */
  readonly offset: bigint
  /** Leader epoch of the last processed record; -1 when unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface NewGroupOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly leaderEpoch?: number
  readonly metadata?: string
}

export interface GroupOffsetsAdmin {
  /** Committed offsets of a group; partitions without one are left out. */
  listGroupOffsets(groupId: string, options?: CallOptions): Promise<GroupOffset[]>
  /**
   * Sets committed offsets, forward or back. The group must have no members: UNKNOWN_MEMBER_ID
   * otherwise. Offsets for 'earliest', 'latest' or a time come from `listOffsets`.
   */
  alterGroupOffsets(
    groupId: string,
    offsets: readonly NewGroupOffset[],
    options?: CallOptions,
  ): Promise<void>
  /**
   * Forgets committed offsets (KIP-496). No member may be subscribed to the topic:
   * GROUP_SUBSCRIBED_TO_TOPIC; `details.failed` lists each that was refused, the others are gone.
   */
  deleteGroupOffsets(
    groupId: string,
    places: readonly Place[],
    options?: CallOptions,
  ): Promise<void>
}

/** Topics by name; version 10 has ids, which say nothing more to an admin. */
const lastVersionWithNames = 9
/** First version with several groups in a request. */
const batchedVersion = 8
/** First version in which `null` asks for all topics. */
const allTopicsVersion = 2

export function groupOffsetsAdmin(client: Client): GroupOffsetsAdmin {
  return {
    listGroupOffsets: (groupId, options) => listGroupOffsets(client, groupId, options),
    async alterGroupOffsets(groupId, offsets, options = {}) {
      const bounds = {
        signal: options.signal,
        timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs,
      }
      const body = commitBody(groupId, offsets)
      await atCoordinator(
        client,
        groupId,
        async () => {
          const { topics } = await client.request(
            apis.offsetCommit,
            body,
            { group: groupId },
            { ...bounds, lane: 'main', maxVersion: lastVersionWithNames },
          )
          for (const { name, partitions } of topics) {
            const failed = partitions.find(({ errorCode }) => errorCode !== 0)
            if (failed === undefined) continue
            const details = { groupId, topic: name, partition: failed.partitionIndex }
            throw kafkaError(failed.errorCode, null, details)
          }
        },
        bounds,
      )
    },
    deleteGroupOffsets: (groupId, places, options) =>
      deleteGroupOffsets(client, groupId, places, options),
  }
}

function deleteGroupOffsets(
  client: Client,
  ...[groupId, places, options = {}]: Parameters<GroupOffsetsAdmin['deleteGroupOffsets']>
): Promise<void> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  const topics = byTopic(places).map(({ topic, places: some }) => ({
    name: topic,
    partitions: some.map(({ partition }) => ({ partitionIndex: partition })),
  }))
  const ask = async (): Promise<void> => {
    const body = { groupId, topics }
    const target = { group: groupId }
    const where = { ...bounds, lane: 'main' }
    const response = await client.request(apis.offsetDelete, body, target, where)
    if (response.errorCode !== 0) throw kafkaError(response.errorCode, null, { groupId })
    throwFailures(
      response.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, errorCode }) => ({
          name: `${name}-${partitionIndex}`,
          errorCode,
        })),
      ),
    )
  }
  return atCoordinator(client, groupId, ask, bounds)
}

function listGroupOffsets(
  client: Client,
  groupId: string,
  options: CallOptions = {},
): Promise<GroupOffset[]> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  const body = (apiVersion: number): RequestInput<typeof apis.offsetFetch> =>
    apiVersion >= batchedVersion
      ? { groups: [{ groupId, topics: null }] }
      : { groupId, topics: null }
  return atCoordinator(
    client,
    groupId,
    async () => {
      const response = await client.request(
        apis.offsetFetch,
        body,
        { group: groupId },
        {
          ...bounds,
          lane: 'main',
          minVersion: allTopicsVersion,
          maxVersion: lastVersionWithNames,
        },
      )
      const answer = response.groups[0] ?? response
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, null, { groupId })
      return answer.topics.flatMap(({ name, partitions }) =>
        partitions.flatMap((partition): GroupOffset[] => {
          const details = { groupId, topic: name, partition: partition.partitionIndex }
          if (partition.errorCode !== 0) throw kafkaError(partition.errorCode, null, details)
          if (partition.committedOffset < 0) return []
          return [
            {
              topic: name,
              partition: partition.partitionIndex,
              offset: BigInt(partition.committedOffset),
              leaderEpoch: partition.committedLeaderEpoch,
              metadata: partition.metadata ?? '',
            },
          ]
        }),
      )
    },
    bounds,
  )
}

/** A commit from outside of the group: no member, no generation. */
function commitBody(
  groupId: string,
  offsets: readonly NewGroupOffset[],
): RequestInput<typeof apis.offsetCommit> {
  const names = [...new Set(offsets.map(({ topic }) => topic))]
  return {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: names.map((name) => ({
      name,
      partitions: offsets
        .filter(({ topic }) => topic === name)
        .map(({ partition, offset, leaderEpoch, metadata }) => ({
          partitionIndex: partition,
          committedOffset: Number(offset),
          committedLeaderEpoch: leaderEpoch ?? -1,
          committedMetadata: metadata ?? '',
        })),
    })),
  }
}
