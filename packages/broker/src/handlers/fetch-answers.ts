import { apis, batches, errorCodes } from '@kfk/protocol'
import type { AbortedTransaction } from '@kfk/log-store'
import type { ResponseInput } from '@kfk/protocol'
import type { AskedPartition, ClusterView, Partition } from '../context.js'
import { currentLeader, leaderEndpoints } from './leader-hints.js'
import type { Writable } from './writable.js'

/** The answer to a fetch, as long as it is put together. */
export type FetchResponse = Writable<ResponseInput<typeof apis.fetch>>
export type TopicAnswer = FetchResponse['responses'][number]
export type PartitionAnswer = TopicAnswer['partitions'][number]

/** From here on a response says who leads, and where that is (KIP-951). */
const leaderHintSince = 16
export const noRecords = new Uint8Array(0)

/** What one partition answers. */
export interface Reading {
  readonly asked: AskedPartition
  answer: PartitionAnswer
}

/** What was read. */
export function success(
  asked: AskedPartition,
  partition: Partition,
  records: Uint8Array,
): PartitionAnswer {
  return {
    partitionIndex: asked.index,
    errorCode: errorCodes.NONE,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.logStartOffset,
    abortedTransactions: null,
    records,
  }
}

/** As Kafka, it tells nothing of the partition but the error. */
export function failure(asked: AskedPartition, errorCode: number): PartitionAnswer {
  return {
    partitionIndex: asked.index,
    errorCode,
    highWatermark: -1,
    abortedTransactions: null,
    records: noRecords,
  }
}

/** The wire form of what the log tells of transactions that were aborted. */
export function abortedTransactions(aborted: readonly AbortedTransaction[]) {
  return aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
}

/** Clients before Fetch 10 cannot read zstd (KIP-110). */
export function holdsZstd(bytes: Uint8Array): boolean {
  for (const { header } of batches(bytes)) if (header.compression === 'zstd') return true
  return false
}

/**
 * Whether the client of a session has to hear this: records, an error, or that the log begins or
 * ends elsewhere. Notes what it knows from now on; after an error it is told anew.
 */
export function isNews({ asked, answer }: Reading): boolean {
  const { errorCode, highWatermark, logStartOffset = -1, records } = answer
  if (errorCode !== errorCodes.NONE) {
    asked.toldHighWatermark = -1
    return true
  }
  const isNew =
    records!.length > 0 ||
    answer.divergingEpoch !== undefined ||
    asked.toldHighWatermark !== highWatermark ||
    asked.toldLogStartOffset !== logStartOffset
  asked.toldHighWatermark = highWatermark
  asked.toldLogStartOffset = logStartOffset
  return isNew
}

/** The answers, those of one topic together where they follow one another. */
export function responseOf(
  readings: readonly Reading[],
  version: number,
  cluster: ClusterView,
): FetchResponse {
  const responses: TopicAnswer[] = []
  const leaders = new Set<number>()
  let last: TopicAnswer | undefined
  for (const { asked, answer } of readings) {
    const { topic, topicId } = asked
    if (last === undefined || last.topic !== topic || last.topicId !== topicId) {
      responses.push((last = { topic, topicId, partitions: [] }))
    }
    last.partitions.push(answer)
    if (version < leaderHintSince || !wantsLeader(answer.errorCode)) continue
    const name = topic === '' ? cluster.topicById(topicId)?.name : topic
    const leader = name === undefined ? undefined : currentLeader(cluster, name, asked.index)
    if (leader === undefined) continue
    answer.currentLeader = leader
    leaders.add(leader.leaderId)
  }
  const response: FetchResponse = { throttleTimeMs: 0, responses }
  if (leaders.size > 0) response.nodeEndpoints = leaderEndpoints(cluster, leaders)
  return response
}

function wantsLeader(errorCode: number): boolean {
  return (
    errorCode === errorCodes.NOT_LEADER_OR_FOLLOWER || errorCode === errorCodes.FENCED_LEADER_EPOCH
  )
}
