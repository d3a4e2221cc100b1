import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { checkLeaderEpoch, epochEnd } from './epoch-check.js'

type PartitionRequest = RequestOf<
  typeof apis.offsetForLeaderEpoch
>['topics'][number]['partitions'][number]
type PartitionResponse = ResponseInput<
  typeof apis.offsetForLeaderEpoch
>['topics'][number]['partitions'][number]

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
