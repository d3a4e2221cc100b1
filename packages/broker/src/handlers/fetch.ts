import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf } from '@kfk/protocol'
import {
  defineHandler,
  type AskedPartition,
  type Handler,
  type RequestContext,
} from '../context.js'
import { failure, responseOf, type FetchResponse } from './fetch-answers.js'
import { byIdSince, Fetching } from './fetching.js'

type Request = RequestOf<typeof apis.fetch>
type TopicRequest = Request['topics'][number]
type PartitionRequest = TopicRequest['partitions'][number]

/** The epoch of a fetch that stands for itself (KIP-227), and of one that begins a session. */
const noSession = -1
const newSession = 0
/** The highest isolation level there is: read_committed (KIP-98). */
const isolationMax = 1

/**
 * Fetch: reads record batches as they lie in the log, and waits for them. A full fetch names all
 * partitions; an incremental one goes on with those of its session, and is told only what is new.
 */
export const fetch: Handler = defineHandler<typeof apis.fetch>({
  api: apis.fetch,
  versions: [4, 18],
  handle(context, request) {
    const asked = partitionsOf(request)
    if (request.isolationLevel < 0 || request.isolationLevel > isolationMax) {
      return refusesIsolation(context, asked)
    }
    const { sessionId, sessionEpoch } = request
    const sessions = context.services.fetchSessions
    if (sessionEpoch === noSession || sessionEpoch === newSession) {
      // A full fetch ends the session that it names.
      if (sessionId !== 0) sessions.close(sessionId)
      const session = sessionEpoch === newSession ? 'new' : undefined
      return new Fetching({ context, request, asked, session }).run()
    }
    const session = sessions.resume({
      ...{ sessionId, sessionEpoch, asked },
      byId: context.apiVersion >= byIdSince,
      forgotten: request.forgottenTopicsData,
    })
    if (typeof session === 'number') {
      return { throttleTimeMs: 0, errorCode: session, responses: [] }
    }
    const { partitions } = session ?? { partitions: asked }
    return new Fetching({ context, request, asked: partitions, session }).run()
  },
})

function partitionsOf({ topics }: Request): readonly AskedPartition[] {
  if (topics.length === 1 && topics[0]!.partitions.length === 1) {
    return [askedOf(topics[0]!, topics[0]!.partitions[0]!)]
  }
  const asked: AskedPartition[] = []
  for (const topic of topics) {
    // What is said last of a partition counts, as in Kafka.
    const byIndex = new Map(topic.partitions.map((one) => [one.partition, one]))
    for (const one of byIndex.values()) asked.push(askedOf(topic, one))
  }
  return asked
}

function askedOf({ topic, topicId }: TopicRequest, request: PartitionRequest): AskedPartition {
  const { fetchOffset, partitionMaxBytes, currentLeaderEpoch, lastFetchedEpoch } = request
  return {
    topic,
    topicId,
    index: request.partition,
    fetchOffset,
    partitionMaxBytes,
    currentLeaderEpoch,
    lastFetchedEpoch,
    partition: undefined,
    foundAs: undefined,
    committedBefore: 0,
    toldHighWatermark: -1,
    toldLogStartOffset: -1,
  }
}

/** As Kafka: of the whole request, and where partitions are named, of each of them. */
function refusesIsolation(
  { apiVersion, services }: RequestContext,
  asked: readonly AskedPartition[],
): FetchResponse {
  const errorCode = errorCodes.UNKNOWN_SERVER_ERROR
  const named = apiVersion < byIdSince ? asked : []
  const readings = named.map((each) => ({ asked: each, answer: failure(each, errorCode) }))
  for (const { answer } of readings) answer.abortedTransactions = []
  return { ...responseOf(readings, apiVersion, services.cluster), errorCode }
}
