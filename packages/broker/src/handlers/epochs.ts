import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type Partition, type RequestContext } from '../context.js'
import { checkLeaderEpoch } from './epoch-check.js'

type PartitionRequest = RequestOf<
  typeof apis.offsetForLeaderEpoch
>['topics'][number]['partitions'][number]
type PartitionResponse = ResponseInput<
  typeof apis.offsetForLeaderEpoch
>['topics'][number]['partitions'][number]

/** Of a client that knows of none: nothing is said about it. */
const undefinedEpoch = -1

async function endOf(
  context: RequestContext,
  topic: string,
  request: PartitionRequest,
): Promise<PartitionResponse> {
  const index = request.partition
  const { partitions } = context.services
  const partition = partitions.local(topic, index) ?? (await partitions.open(topic, index))
  if (typeof partition === 'number') return { partition: index, errorCode: partition }
  const errorCode = checkLeaderEpoch(partition, request.currentLeaderEpoch)
  if (errorCode !== errorCodes.NONE) return { partition: index, errorCode }
  return { partition: index, errorCode, ...epochEnd(partition, request.leaderEpoch) }
}

function epochEnd(
  partition: Partition,
  leaderEpoch: number,
): { leaderEpoch: number; endOffset: number } {
  const { log } = partition
  if (leaderEpoch === undefinedEpoch) return { leaderEpoch, endOffset: -1 }
  // An epoch enters the log with its first batch; until then it ends where it would begin.
  if (leaderEpoch === partition.leaderEpoch) return { leaderEpoch, endOffset: log.logEndOffset }
  // Beyond our own epoch nothing is known.
  if (leaderEpoch > partition.leaderEpoch) return { leaderEpoch: -1, endOffset: -1 }
  const found = log.epochEnd(leaderEpoch)
  if (found.leaderEpoch >= 0) return found
  // Nothing in the log is that old: whatever was written under it is gone, and cannot contradict
  // anyone. If nothing is in it at all, our own epoch begins at its end.
  return { leaderEpoch, endOffset: found.endOffset < 0 ? log.logEndOffset : found.endOffset }
}

/**
 * OffsetForLeaderEpoch: lets a consumer notice that the tail which it has read was lost (KIP-320).
 */
export const offsetForLeaderEpoch: Handler = defineHandler<typeof apis.offsetForLeaderEpoch>({
  api: apis.offsetForLeaderEpoch,
  versions: [2, 4],
  async handle(context, request) {
    const topics = request.topics.map(async ({ topic, partitions }) => ({
      topic,
      partitions: await Promise.all(partitions.map((one) => endOf(context, topic, one))),
    }))
    return { throttleTimeMs: 0, topics: await Promise.all(topics) }
  },
})
