import type { TopicMetadata } from '@kfk/client'
import type { PartitionMetadata } from './producer-api.js'

/** Metadata objects stay the same until the metadata changes. */
const known = new WeakMap<TopicMetadata, PartitionMetadata[]>()

/** The partitions of a topic in kafkajs's form: the same array for the same metadata. */
export function partitionMetadataOf(topic: TopicMetadata): PartitionMetadata[] {
  let partitions = known.get(topic)
  if (partitions === undefined) {
    partitions = topic.partitions.map((each) => ({
      partitionErrorCode: each.leaderId < 0 ? leaderNotAvailable : 0,
      partitionId: each.index,
      leader: each.leaderId,
      replicas: [...each.replicas],
      isr: [...each.isr],
      offlineReplicas: [...each.offline],
    }))
    known.set(topic, partitions)
  }
  return partitions
}

const leaderNotAvailable = 5
