import { apis, errorCodes, ZERO_UUID } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { topicNameProblem } from '../controller/topic-name.js'
import { type ClusterView, defineHandler, type Handler, type TopicImage } from '../context.js'
import { topicOperations } from './operations.js'

type Request = RequestOf<typeof apis.describeTopicPartitions>
type Response = ResponseInput<typeof apis.describeTopicPartitions>
type Topic = Response['topics'][number]

/**
 * The most partitions of one answer, whatever is asked for (`max.request.partition.size.limit`).
 */
const maxPartitions = 2000

/**
 * DescribeTopicPartitions (KIP-966), page by page: topics in the order of their names, from the
 * cursor on. No topics means all of them. With one replica each there are no eligible leaders
 * besides.
 */
export const describeTopicPartitions: Handler = defineHandler<typeof apis.describeTopicPartitions>({
  api: apis.describeTopicPartitions,
  versions: [0, 0],
  handle(context, request) {
    return page(context.services.cluster, request)
  },
})

function page(cluster: ClusterView, request: Request): Response {
  const { cursor, responsePartitionLimit } = request
  const named = new Set(request.topics.map(({ name }) => name))
  const impossible =
    cursor !== null &&
    (cursor.partitionIndex < 0 || (named.size > 0 && !named.has(cursor.topicName)))
  if (impossible) {
    const topics = request.topics.map(({ name }) => failed(name, errorCodes.INVALID_REQUEST))
    return { throttleTimeMs: 0, topics, nextCursor: null }
  }
  const all = named.size === 0 ? [...cluster.topics()].map(({ name }) => name) : [...named]
  const names = all.filter((name) => cursor === null || name >= cursor.topicName).sort()
  const topics: Topic[] = []
  let left = Math.min(Math.max(1, responsePartitionLimit), maxPartitions)
  for (const name of names) {
    const topic = cluster.topic(name)
    if (left === 0) {
      const nextCursor = { topicName: name, partitionIndex: 0 }
      return { throttleTimeMs: 0, topics, nextCursor }
    }
    if (topic === undefined) {
      topics.push(unknown(name))
      continue
    }
    const from = name === cursor?.topicName ? cursor.partitionIndex : 0
    const described = describe(cluster, topic, { from, to: from + left })
    topics.push(described)
    left -= described.partitions.length
    if (from + described.partitions.length < topic.partitions.length) {
      const partitionIndex = from + described.partitions.length
      return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex } }
    }
  }
  return { throttleTimeMs: 0, topics, nextCursor: null }
}

function describe(
  cluster: ClusterView,
  topic: TopicImage,
  range: { from: number; to: number },
): Topic {
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.slice(range.from, range.to).map(({ index, replicas }) => {
      const { leaderId = -1, leaderEpoch = -1 } = cluster.leaderOf(topic.name, index) ?? {}
      const isLed = leaderId >= 0
      return {
        errorCode: isLed ? errorCodes.NONE : errorCodes.LEADER_NOT_AVAILABLE,
        partitionIndex: index,
        leaderId,
        leaderEpoch,
        replicaNodes: replicas,
        isrNodes: replicas,
        eligibleLeaderReplicas: [],
        lastKnownElr: [],
        offlineReplicas: isLed ? [] : replicas,
      }
    }),
    topicAuthorizedOperations: topicOperations,
  }
}

function unknown(name: string): Topic {
  const errorCode =
    topicNameProblem(name) === undefined
      ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION
      : errorCodes.INVALID_TOPIC_EXCEPTION
  return { ...failed(name, errorCode), topicAuthorizedOperations: topicOperations }
}

function failed(name: string, errorCode: number): Topic {
  return { errorCode, name, topicId: ZERO_UUID, partitions: [] }
}
