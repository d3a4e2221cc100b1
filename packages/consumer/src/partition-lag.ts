import type { AssignedPartition } from './assigned-partition.js'
import type { TopicPartition } from './topic-partition.js'

/** Where a partition stands. */
export interface PartitionLag extends TopicPartition {
  /** Next offset to be processed. */
  readonly position: bigint
  readonly highWatermark: bigint
  readonly lag: bigint
}

/** Undefined while position or high watermark are not known. */
export function lagOf(partition: AssignedPartition): PartitionLag | undefined {
  const { topic, partition: index, processed, highWatermark } = partition
  if (processed === undefined || highWatermark === undefined) return undefined
  return {
    topic,
    partition: index,
    position: BigInt(processed),
    highWatermark: BigInt(highWatermark),
    lag: BigInt(Math.max(0, highWatermark - processed)),
  }
}
