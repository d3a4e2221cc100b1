import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { toErrorCode } from '../error-mapping.js'

type PartitionRequest = RequestOf<typeof apis.deleteRecords>['topics'][number]['partitions'][number]
type PartitionResponse = ResponseInput<
  typeof apis.deleteRecords
>['topics'][number]['partitions'][number]

/** Asks for everything that is committed to be deleted. */
const highWatermark = -1

async function deleteBefore(
  context: RequestContext,
  topic: string,
  request: PartitionRequest,
): Promise<PartitionResponse> {
  const { partitionIndex } = request
  const { config, partitions } = context.services
  const fail = (errorCode: number): PartitionResponse => ({
    partitionIndex,
    lowWatermark: -1,
    errorCode,
  })
  const partition = await partitions.open(topic, partitionIndex)
  if (typeof partition === 'number') return fail(partition)
  // What compaction keeps is not to be cut off at an offset.
  const policy = config.topicConfig(topic).string('cleanup.policy')
  if (!policy.includes('delete')) return fail(errorCodes.POLICY_VIOLATION)
  const offset = request.offset === highWatermark ? partition.highWatermark : request.offset
  if (offset < 0 || offset > partition.highWatermark) return fail(errorCodes.OFFSET_OUT_OF_RANGE)
  try {
    // Also when the log starts there: that may not be durable yet.
    await partition.log.advanceLogStart(offset)
    return { partitionIndex, lowWatermark: partition.logStartOffset, errorCode: errorCodes.NONE }
  } catch (error) {
    return fail(toErrorCode(error))
  }
}

/** DeleteRecords: forgets all before an offset, durably (KIP-107). */
export const deleteRecords: Handler = defineHandler<typeof apis.deleteRecords>({
  api: apis.deleteRecords,
  versions: [0, 2],
  async handle(context, request) {
    const topics = request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(partitions.map((one) => deleteBefore(context, name, one))),
    }))
    return { throttleTimeMs: 0, topics: await Promise.all(topics) }
  },
})
