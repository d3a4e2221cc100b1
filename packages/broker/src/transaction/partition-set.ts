/** Partitions by topic. Immutable: what adds or removes makes a new set. */
export type PartitionSet = ReadonlyMap<string, ReadonlySet<number>>

/** No partitions. */
export const noPartitions: PartitionSet = new Map()

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export function partitionSet(partitions: Iterable<TopicPartition>): PartitionSet {
  const set = new Map<string, Set<number>>()
  for (const { topic, partition } of partitions) {
    const indexes = set.get(topic)
    if (indexes === undefined) set.set(topic, new Set([partition]))
    else indexes.add(partition)
  }
  return set
}

export function* partitionsOf(set: PartitionSet): IterableIterator<TopicPartition> {
  for (const [topic, indexes] of set) for (const partition of indexes) yield { topic, partition }
}

export function holds(set: PartitionSet, { topic, partition }: TopicPartition): boolean {
  return set.get(topic)?.has(partition) === true
}

/** Both together; the very first set when the second adds nothing. */
export function union(set: PartitionSet, added: PartitionSet): PartitionSet {
  const missing = [...partitionsOf(added)].filter((one) => !holds(set, one))
  if (missing.length === 0) return set
  const joined = new Map(set)
  for (const [topic, indexes] of partitionSet(missing)) {
    joined.set(topic, new Set([...(joined.get(topic) ?? []), ...indexes]))
  }
  return joined
}
