import { murmur2, toPositive } from '@kfk/producer'
import { legacyMurmur2 } from './legacy-murmur2.js'
import type { ICustomPartitioner, PartitionMetadata } from './producer-api.js'

/** Text that is hashed as its UTF-8 bytes. */
function bytesOf(key: unknown): Uint8Array {
  return key instanceof Uint8Array ? key : Buffer.from(String(key))
}

/**
 * What the message says, else by the hash of its key, else one partition after the other of those
 * that have a leader.
 */
function partitionerBy(hash: (key: Uint8Array) => number): ICustomPartitioner {
  return () => {
    const counters = new Map<string, number>()
    let known: readonly PartitionMetadata[] | undefined
    let available: readonly PartitionMetadata[] = []
    return ({ topic, partitionMetadata, message }) => {
      const { partition } = message as { partition?: number | null }
      if (partition !== null && partition !== undefined) return partition
      const { length } = partitionMetadata
      if (message.key !== null && message.key !== undefined) {
        return toPositive(hash(bytesOf(message.key))) % length
      }
      const counter = (counters.get(topic) ?? Math.floor(Math.random() * 2 ** 31)) + 1
      counters.set(topic, counter)
      if (partitionMetadata !== known) {
        known = partitionMetadata
        available = partitionMetadata.filter(({ leader }) => leader >= 0)
      }
      if (available.length === 0) return toPositive(counter) % length
      return available[toPositive(counter) % available.length]!.partitionId
    }
  }
}

const DefaultPartitioner = partitionerBy(murmur2)

/** `createPartitioner` of a producer. */
export const Partitioners: {
  /** As the Java client: murmur2 of the key. */
  readonly DefaultPartitioner: ICustomPartitioner
  /** As kafkajs before 2.0.0. */
  readonly LegacyPartitioner: ICustomPartitioner
  /** The older name of DefaultPartitioner. */
  readonly JavaCompatiblePartitioner: ICustomPartitioner
} = {
  DefaultPartitioner,
  LegacyPartitioner: partitionerBy(legacyMurmur2),
  JavaCompatiblePartitioner: DefaultPartitioner,
}
