import type { Random, SerializedData, TopicMetadata } from '@kfk/client'
import { murmur2, murmur2Ascii, toPositive } from './murmur2.js'

/**
 * Chooses the partition of each record that does not name one. Called synchronously on the hot
 * path.
 */
export interface Partitioner {
  /**
   * A partition index of `topic` (0 to `topic.partitions.length - 1`). `key` is the serialised key,
   * text meaning its UTF-8 bytes; null for a keyless record.
   */
  partition(key: SerializedData | null, topic: TopicMetadata): number
  /** The open batch of this partition takes no more records: a sticky partitioner moves on. */
  batchClosed?(topic: string, partition: number): void
}

/**
 * Kafka's default. With a key: `toPositive(murmur2(key)) % partitions`, as the Java client does.
 * Without: all records go to one randomly chosen partition until its batch closes, then to another
 * (KIP-480), which makes full batches.
 */
export function defaultPartitioner(random: Random): Partitioner {
  const sticky = new Map<string, number>()
  // Keyless records come one after the other for one topic.
  let recentTopic: TopicMetadata | undefined
  let recentPartition = -1
  const choose = (topic: TopicMetadata): number => {
    const current = sticky.get(topic.name)
    const kept = current !== undefined && current < topic.partitions.length
    recentPartition = kept ? current : chooseAvailable(topic, random)
    recentTopic = topic
    if (!kept) sticky.set(topic.name, recentPartition)
    return recentPartition
  }
  return {
    partition(key, topic) {
      if (key !== null) return toPositive(hashOf(key)) % topic.partitions.length
      return topic === recentTopic ? recentPartition : choose(topic)
    },
    batchClosed(topic, partition) {
      if (sticky.get(topic) !== partition) return
      sticky.delete(topic)
      if (recentTopic?.name === topic) recentTopic = undefined
    },
  }
}

/** A random partition that has a leader; any when none has. */
function chooseAvailable(topic: TopicMetadata, random: Random): number {
  const { partitions } = topic
  const start = Math.floor(random() * partitions.length)
  for (let step = 0; step < partitions.length; step += 1) {
    const index = (start + step) % partitions.length
    if (partitions[index]!.leaderId >= 0) return index
  }
  return start
}

/** Text that is not ASCII is encoded here; it fits as a rule, longer text gets its own buffer. */
const scratch = Buffer.allocUnsafeSlow(1024)

function hashOf(key: SerializedData): number {
  if (typeof key !== 'string') return murmur2(key)
  // A UTF-16 unit takes at most 3 bytes of UTF-8.
  if (key.length * 3 > scratch.length) return murmur2(Buffer.from(key, 'utf8'))
  return murmur2Ascii(key) ?? murmur2(scratch, scratch.write(key, 0, 'utf8'))
}
