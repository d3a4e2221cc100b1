import type { Random, SerializedData, TopicMetadata } from '@kfk/client'
import { murmur2, toPositive } from './murmur2.js'

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
  return {
    partition(key, topic) {
      const count = topic.partitions.length
      if (key !== null) return toPositive(hashOf(key)) % count
      const current = sticky.get(topic.name)
      if (current !== undefined && current < count) return current
      const chosen = chooseAvailable(topic, random)
      sticky.set(topic.name, chosen)
      return chosen
    },
    batchClosed(topic, partition) {
      if (sticky.get(topic) === partition) sticky.delete(topic)
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

/** Text keys are encoded here; they fit as a rule, and a longer one gets a buffer of its own. */
const scratch = Buffer.allocUnsafeSlow(1024)

function hashOf(key: SerializedData): number {
  if (typeof key !== 'string') return murmur2(key)
  // A UTF-16 unit takes at most 3 bytes of UTF-8.
  if (key.length * 3 > scratch.length) return murmur2(Buffer.from(key, 'utf8'))
  return murmur2(scratch, scratch.write(key, 0, 'utf8'))
}
