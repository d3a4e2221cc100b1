import { apis, errorCodes, ZERO_UUID } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { type ClusterView, defineHandler, type Handler, type RequestContext } from '../context.js'
import type { FetchedOffset, PartitionCommit } from '../group/group-api.js'

/*
 * Committed offsets. Versions that differ in more than fields: OffsetFetch has no error of its own
 * before 2, takes several groups from 8; both name topics by id instead of by name from 10
 * (KIP-848).
 */

const TOPIC_IDS_SINCE = 10

interface NamedTopic {
  readonly name: string
  readonly topicId: string
}

/** The topic that a request means: by id from version 10 on. The code is what is wrong with it. */
function resolve(
  cluster: ClusterView,
  apiVersion: number,
  { name, topicId }: NamedTopic,
): { name: string; topicId: string; partitionCount: number; errorCode: number } {
  const byId = apiVersion >= TOPIC_IDS_SINCE
  const image = byId ? cluster.topicById(topicId) : cluster.topic(name)
  if (image === undefined) {
    const errorCode = byId ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION
    return { name, topicId: byId ? topicId : ZERO_UUID, partitionCount: 0, errorCode }
  }
  const partitionCount = image.partitions.length
  return { name: image.name, topicId: image.id, partitionCount, errorCode: errorCodes.NONE }
}

const offsetCommit = defineHandler<typeof apis.offsetCommit>({
  api: apis.offsetCommit,
  versions: [2, 10],
  async handle({ apiVersion, services }, request) {
    const commits: PartitionCommit[] = []
    // Each answer is filled in below: at once for what does not exist, else with the outcome of the
    // commit at the same place.
    const outcomes: { errorCode: number }[] = []
    const topics = request.topics.map(({ name, topicId, partitions }) => {
      const topic = resolve(services.cluster, apiVersion, { name, topicId })
      return {
        name,
        topicId,
        partitions: partitions.map((wanted) => {
          const answer = { partitionIndex: wanted.partitionIndex, errorCode: topic.errorCode }
          const exists = wanted.partitionIndex >= 0 && wanted.partitionIndex < topic.partitionCount
          if (topic.errorCode !== errorCodes.NONE) return answer
          if (!exists) return { ...answer, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION }
          outcomes.push(answer)
          commits.push({
            topic: topic.name,
            topicId: topic.topicId,
            partition: wanted.partitionIndex,
            offset: wanted.committedOffset,
            leaderEpoch: wanted.committedLeaderEpoch,
            metadata: wanted.committedMetadata ?? '',
          })
          return answer
        }),
      }
    })
    const codes = await services.groups.commitOffsets({
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      generation: request.generationIdOrMemberEpoch,
      apiVersion,
      partitions: commits,
    })
    for (const [index, outcome] of outcomes.entries()) outcome.errorCode = codes[index]!
    return { topics }
  },
})

type FetchRequest = RequestOf<typeof apis.offsetFetch>
type FetchGroup = FetchRequest['groups'][number]

async function fetchGroup(context: RequestContext, group: FetchGroup, requireStable: boolean) {
  const { groupId, topics, memberId, memberEpoch } = group
  const { apiVersion, services } = context
  const { cluster, groups } = services
  const wanted = topics?.map(({ name, topicId, partitionIndexes }) => {
    const byId = apiVersion >= TOPIC_IDS_SINCE
    const topic = byId ? resolve(cluster, apiVersion, { name, topicId }) : { name, topicId }
    const errorCode = 'errorCode' in topic ? topic.errorCode : errorCodes.NONE
    return { name: topic.name, topicId: topic.topicId, partitions: partitionIndexes, errorCode }
  })
  const known = wanted?.filter(({ errorCode }) => errorCode === errorCodes.NONE)
  const { errorCode, offsets } = await groups.fetchOffsets(
    groupId,
    known?.map(({ name, partitions }) => ({ topic: name, partitions })) ?? null,
    { memberId, memberEpoch },
    requireStable,
  )
  if (errorCode !== errorCodes.NONE) return { groupId, errorCode, topics: [] }
  const answers = byTopic(offsets).map(([name, partitions]) => ({
    name,
    topicId: cluster.topic(name)?.id ?? ZERO_UUID,
    partitions,
  }))
  // By id only what still has one can be told.
  const tellable =
    apiVersion >= TOPIC_IDS_SINCE ? answers.filter(({ topicId }) => topicId !== ZERO_UUID) : answers
  for (const { name, topicId, partitions } of known ?? []) {
    if (partitions.length === 0) tellable.push({ name, topicId, partitions: [] })
  }
  const unknown = (wanted ?? [])
    .filter((topic) => topic.errorCode !== errorCodes.NONE)
    .map(({ name, topicId, partitions, errorCode: code }) => ({
      name,
      topicId,
      partitions: partitions.map((partitionIndex) => nothing(partitionIndex, code)),
    }))
  return { groupId, errorCode, topics: [...tellable, ...unknown] }
}

type FetchedPartition = ReturnType<typeof nothing>

function nothing(partitionIndex: number, errorCode: number) {
  return {
    partitionIndex,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: '' as string | null,
    errorCode,
  }
}

function byTopic(offsets: readonly FetchedOffset[]): [name: string, FetchedPartition[]][] {
  const topics = new Map<string, FetchedPartition[]>()
  for (const { topic, partition, offset, leaderEpoch, metadata, errorCode } of offsets) {
    const partitions = topics.get(topic) ?? []
    topics.set(topic, partitions)
    partitions.push({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      metadata,
      errorCode: errorCode ?? errorCodes.NONE,
    })
  }
  return [...topics]
}

async function fetchOne(
  context: RequestContext,
  request: FetchRequest,
): Promise<ResponseInput<typeof apis.offsetFetch>> {
  const asked = request.topics
  const group = {
    groupId: request.groupId,
    memberId: null,
    memberEpoch: -1,
    topics: asked?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null,
  }
  const { errorCode, topics } = await fetchGroup(context, group, request.requireStable)
  if (errorCode === errorCodes.NONE || context.apiVersion >= 2) return { errorCode, topics }
  // Without an error of the whole, each partition has to carry it: an offset of -1 alone would read
  // as "nothing committed".
  const failed = (asked ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => nothing(partitionIndex, errorCode)),
  }))
  return { topics: failed }
}

const offsetFetch = defineHandler<typeof apis.offsetFetch>({
  api: apis.offsetFetch,
  versions: [1, 10],
  async handle(context, request) {
    if (context.apiVersion < 8) return fetchOne(context, request)
    const fetches = request.groups.map((group) => fetchGroup(context, group, request.requireStable))
    return { groups: await Promise.all(fetches) }
  },
})

const offsetDelete = defineHandler<typeof apis.offsetDelete>({
  api: apis.offsetDelete,
  versions: [0, 0],
  async handle({ services }, request) {
    const wanted = request.topics.map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map(({ partitionIndex }) => partitionIndex),
    }))
    const { errorCode, partitions } = await services.groups.deleteOffsets(request.groupId, wanted)
    if (errorCode !== errorCodes.NONE) return { errorCode, throttleTimeMs: 0, topics: [] }
    let next = 0
    const topics = request.topics.map(({ name, partitions: asked }) => ({
      name,
      partitions: asked.map(({ partitionIndex }) => {
        const outcome = partitions[next++]!
        const exists = services.cluster.leaderOf(name, partitionIndex) !== undefined
        const unknown = errorCodes.UNKNOWN_TOPIC_OR_PARTITION
        return { partitionIndex, errorCode: exists ? outcome : unknown }
      }),
    }))
    return { errorCode, throttleTimeMs: 0, topics }
  },
})

/** OffsetCommit, OffsetFetch, OffsetDelete. */
export const groupOffsetHandlers: readonly Handler[] = [offsetCommit, offsetFetch, offsetDelete]
