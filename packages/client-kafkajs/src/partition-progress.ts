import type { TopicPartition } from './consumer-api.js'
import type { TopicOffsets } from './producer-api.js'

/** How far one assigned partition is processed. Offsets are those of the next message. */
export class PartitionProgress implements TopicPartition {
  readonly topic: string
  readonly partition: number
  resolved: number | undefined
  committed: number | undefined
  /** Grows with every seek: what was taken before is stale. */
  seeks = 0

  constructor({ topic, partition }: TopicPartition, start: number | undefined) {
    this.topic = topic
    this.partition = partition
    this.committed = start
  }

  get isUncommitted(): boolean {
    return this.resolved !== undefined && this.resolved !== this.committed
  }
}

/** An offset to commit. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  readonly metadata?: string | null
}

/** The progress of all partitions of a consumer. */
export class Progress {
  readonly #partitions = new Map<string, PartitionProgress>()

  get(partition: TopicPartition): PartitionProgress | undefined {
    return this.#partitions.get(keyOf(partition))
  }

  begin(partition: TopicPartition, start: number | undefined): PartitionProgress {
    const progress = new PartitionProgress(partition, start)
    this.#partitions.set(keyOf(partition), progress)
    return progress
  }

  end(partition: TopicPartition): void {
    this.#partitions.delete(keyOf(partition))
  }

  uncommitted(): OffsetToCommit[] {
    const found: OffsetToCommit[] = []
    for (const each of this.#partitions.values()) {
      const { topic, partition, resolved } = each
      if (each.isUncommitted) found.push({ topic, partition, offset: resolved! })
    }
    return found
  }

  /** Messages that are processed and not committed. */
  countUncommitted(): number {
    let count = 0
    for (const { resolved, committed } of this.#partitions.values()) {
      if (resolved !== undefined) count += resolved - (committed ?? 0)
    }
    return count
  }

  committed(offsets: readonly OffsetToCommit[]): void {
    for (const each of offsets) {
      const progress = this.get(each)
      if (progress !== undefined) progress.committed = each.offset
    }
  }
}

/** Offsets in kafkajs's form. */
export function topicOffsets(offsets: readonly OffsetToCommit[]): TopicOffsets[] {
  const topics = new Map<string, TopicOffsets>()
  for (const { topic, partition, offset } of offsets) {
    const list = topics.get(topic) ?? { topic, partitions: [] }
    list.partitions.push({ partition, offset: String(offset) })
    topics.set(topic, list)
  }
  return [...topics.values()]
}

/** A string that is the same for the same partition. `/` cannot be in a topic's name. */
export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
