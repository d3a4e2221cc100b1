import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type Partition, type RequestContext } from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import { checkLeaderEpoch } from './epoch-check.js'

type Request = RequestOf<typeof apis.listOffsets>
type PartitionRequest = Request['topics'][number]['partitions'][number]
type PartitionResponse = ResponseInput<
  typeof apis.listOffsets
>['topics'][number]['partitions'][number]

const latest = -1
const earliest = -2
const maxTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const earliestPendingUpload = -6

/** The first version that may ask for a special timestamp. */
const since: Readonly<Record<number, number>> = {
  [latest]: 0,
  [earliest]: 0,
  [maxTimestamp]: 7,
  [earliestLocal]: 8,
  [latestTiered]: 9,
  [earliestPendingUpload]: 11,
}

/** Isolation level (KIP-98): only what is decided. */
const readCommitted = 1

/** From here on the answer carries the epoch of the offset (KIP-320). */
const leaderEpochSince = 4

async function listOne(
  context: RequestContext,
  topic: string,
  request: PartitionRequest & { readonly committedOnly: boolean },
): Promise<PartitionResponse> {
  const { partitionIndex, timestamp } = request
  const { partitions } = context.services
  const fail = (errorCode: number): PartitionResponse => ({ partitionIndex, errorCode })
  if (timestamp < 0 && (since[timestamp] ?? Infinity) > context.apiVersion) {
    return fail(errorCodes.UNSUPPORTED_VERSION)
  }
  const partition =
    partitions.local(topic, partitionIndex) ?? (await partitions.open(topic, partitionIndex))
  if (typeof partition === 'number') return fail(partition)
  const epochError = checkLeaderEpoch(partition, request.currentLeaderEpoch)
  if (epochError !== errorCodes.NONE) return fail(epochError)
  try {
    const { leaderEpoch, ...found } = await find(partition, request)
    const response = { partitionIndex, errorCode: errorCodes.NONE, ...found }
    return context.apiVersion < leaderEpochSince ? response : { ...response, leaderEpoch }
  } catch (error) {
    return fail(toErrorCode(error))
  }
}

/** Nothing found is offset -1 at timestamp -1. */
async function find(
  partition: Partition,
  wanted: { readonly timestamp: number; readonly committedOnly: boolean },
): Promise<{ offset: number; timestamp: number; leaderEpoch: number }> {
  const { log, leaderEpoch } = partition
  const { timestamp, committedOnly } = wanted
  const limit = committedOnly ? partition.lastStableOffset : partition.highWatermark
  switch (timestamp) {
    case latest:
      return { offset: limit, timestamp: -1, leaderEpoch }
    case earliest:
    case earliestLocal: {
      const offset = partition.logStartOffset
      // Where nothing is written yet, the present leader will write.
      const epoch = offset < partition.logEndOffset ? log.epochAt(offset) : leaderEpoch
      return { offset, timestamp: -1, leaderEpoch: epoch ?? -1 }
    }
    // There is no remote storage: nothing is tiered, nothing is waiting to be.
    case latestTiered:
    case earliestPendingUpload:
      return { offset: -1, timestamp: -1, leaderEpoch: -1 }
    default: {
      const found =
        timestamp === maxTimestamp
          ? await log.maxTimestampOffset()
          : await log.offsetForTimestamp(timestamp, limit)
      return found ?? { offset: -1, timestamp: -1, leaderEpoch: -1 }
    }
  }
}

/** Each partition once: one that is asked for twice could not be told apart in the answer. */
function merged(request: Request): [string, Map<number, PartitionRequest | 'doubled'>][] {
  const topics = new Map<string, Map<number, PartitionRequest | 'doubled'>>()
  for (const { name, partitions } of request.topics) {
    let of = topics.get(name)
    if (of === undefined) topics.set(name, (of = new Map<number, PartitionRequest | 'doubled'>()))
    for (const one of partitions) {
      of.set(one.partitionIndex, of.has(one.partitionIndex) ? 'doubled' : one)
    }
  }
  return [...topics]
}

/** ListOffsets: offsets by timestamp, and the ends of a log. */
export const listOffsets: Handler = defineHandler<typeof apis.listOffsets>({
  api: apis.listOffsets,
  versions: [1, 11],
  async handle(context, request) {
    const committedOnly = request.isolationLevel === readCommitted
    const topics = merged(request).map(async ([name, partitions]) => ({
      name,
      partitions: await Promise.all(
        [...partitions].map(async ([partitionIndex, one]): Promise<PartitionResponse> =>
          one === 'doubled'
            ? { partitionIndex, errorCode: errorCodes.INVALID_REQUEST }
            : listOne(context, name, { ...one, committedOnly }),
        ),
      ),
    }))
    return { topics: await Promise.all(topics) }
  },
})
