/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A string that is the same for the same partition. `/` cannot be in a topic's name. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** By topic name, then by partition number: the order in which partitions are dealt out. */
export function comparePartitions(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}

/** `a` without what is in `b`. */
export function withoutPartitions<T extends TopicPartition>(
  a: readonly T[],
  b: readonly TopicPartition[],
): T[] {
  const excluded = new Set(b.map(partitionKey))
  return a.filter((each) => !excluded.has(partitionKey(each)))
}

/** Partition lists by topic, the shape that group messages have. */
export function byTopic(
  partitions: readonly TopicPartition[],
): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic)
    if (list) list.push(partition)
    else topics.set(topic, [partition])
  }
  return [...topics].map(([topic, list]) => ({ topic, partitions: list }))
}
