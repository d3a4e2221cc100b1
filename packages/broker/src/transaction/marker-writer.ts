import { errorCodes } from '@kfk/protocol'
import type { GroupCoordinators, PartitionRegistry, TransactionMarker } from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import { OFFSETS_TOPIC } from '../group/group-partition.js'
import type { TopicPartition } from './partition-set.js'

/** Writes a marker into a partition that is led here; NONE once it is committed. Never rejects. */
export type MarkerWriter = (place: TopicPartition, marker: TransactionMarker) => Promise<number>

/**
 * Markers of `__consumer_offsets` go through the group coordinator: they decide about its offsets.
 */
export function markerWriter(options: {
  readonly partitions: PartitionRegistry
  readonly groups: Pick<GroupCoordinators, 'endTransaction'>
  /** How long a marker may take to be committed, ms. */
  readonly timeoutMs: number
}): MarkerWriter {
  const { partitions, groups, timeoutMs } = options
  return async ({ topic, partition: index }, marker) => {
    if (topic === OFFSETS_TOPIC) return groups.endTransaction(index, marker)
    const partition = await partitions.open(topic, index)
    if (typeof partition === 'number') return partition
    const { errorCode, lastOffset } = partition.endTransaction(marker)
    if (errorCode !== errorCodes.NONE) return errorCode
    try {
      await partition.whenCommitted(lastOffset + 1, AbortSignal.timeout(timeoutMs))
      return errorCodes.NONE
    } catch (error) {
      const code = toErrorCode(error)
      return code === errorCodes.UNKNOWN_SERVER_ERROR ? errorCodes.REQUEST_TIMED_OUT : code
    }
  }
}
