import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import type { PartitionCommit } from '../group/group-api.js'

type Request = RequestOf<typeof apis.txnOffsetCommit>

/** The client knows COORDINATOR_LOAD_IN_PROGRESS. */
const LOADING_SINCE = 2
/** The client knows TRANSACTION_ABORTABLE (KIP-890). */
const ABORTABLE_SINCE = 4
/** The group becomes a part of the transaction by the commit itself (KIP-890). */
const ADDS_SINCE = 5

/** One error code for each of the commits. */
async function commit(
  { apiVersion, services }: RequestContext,
  request: Request,
  partitions: readonly PartitionCommit[],
): Promise<readonly number[]> {
  const { groups, transactions, partitions: registry } = services
  const { transactionalId, groupId, producerId, producerEpoch } = request
  const every = (code: number) => partitions.map(() => forCommitter(code, apiVersion))
  const place = await groups.offsetsPlace(groupId)
  if (typeof place === 'number') return every(place)
  const found = await registry.open(place.topic, place.partition)
  if (typeof found === 'number') return every(errorCodes.NOT_COORDINATOR)
  let committed: Promise<readonly number[]> | undefined
  const admission = {
    ...{ transactionalId, producerId, producerEpoch, partitions: () => [found] },
    adds: apiVersion >= ADDS_SINCE,
    knowsAbortable: apiVersion >= ABORTABLE_SINCE,
  }
  await transactions.admit(admission, (verdict) => {
    const code = verdict.errorCode(found)
    committed =
      code === errorCodes.NONE
        ? groups.commitTransactionalOffsets({
            ...{ groupId, producerId, producerEpoch, partitions },
            generation: request.generationId,
            memberId: request.memberId,
            groupInstanceId: request.groupInstanceId,
          })
        : Promise.resolve(partitions.map(() => code))
  })
  return (await committed!).map((code) => forCommitter(code, apiVersion))
}

/** In the words that clients of a group coordinator know. */
function forCommitter(code: number, apiVersion: number): number {
  const loading = errorCodes.COORDINATOR_LOAD_IN_PROGRESS
  const known = code === errorCodes.NOT_ENOUGH_REPLICAS ? loading : code
  return known === loading && apiVersion < LOADING_SINCE
    ? errorCodes.COORDINATOR_NOT_AVAILABLE
    : known
}

/** TxnOffsetCommit: offsets of a group as a part of a transaction. */
export const txnOffsetCommit: Handler = defineHandler<typeof apis.txnOffsetCommit>({
  api: apis.txnOffsetCommit,
  versions: [0, 5],
  async handle(context, request) {
    const { cluster } = context.services
    const commits: PartitionCommit[] = []
    const outcomes: { errorCode: number }[] = []
    const topics = request.topics.map(({ name, partitions }) => {
      const topic = cluster.topic(name)
      return {
        name,
        partitions: partitions.map((wanted) => {
          const { partitionIndex } = wanted
          const errorCode: number = errorCodes.UNKNOWN_TOPIC_OR_PARTITION
          const answer = { partitionIndex, errorCode }
          if (topic?.partitions[partitionIndex] === undefined) return answer
          outcomes.push(answer)
          commits.push({
            topic: name,
            topicId: topic.id,
            partition: partitionIndex,
            offset: wanted.committedOffset,
            leaderEpoch: wanted.committedLeaderEpoch,
            metadata: wanted.committedMetadata ?? '',
          })
          return answer
        }),
      }
    })
    const codes = commits.length === 0 ? [] : await commit(context, request, commits)
    for (const [index, outcome] of outcomes.entries()) outcome.errorCode = codes[index]!
    return { throttleTimeMs: 0, topics }
  },
})
