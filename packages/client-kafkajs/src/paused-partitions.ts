import type { TopicPartition, TopicPartitions } from './consumer-api.js'

interface TopicState {
  /** All partitions, also those that come later, except the resumed ones. */
  all: boolean
  readonly paused: Set<number>
  readonly resumed: Set<number>
}

/** What the program has paused, whether it is assigned or not. */
export class PausedPartitions {
  readonly #topics = new Map<string, TopicState>()

  pause(topics: readonly { topic: string; partitions?: readonly number[] }[]): void {
    for (const { topic, partitions } of topics) {
      const state = this.#state(topic)
      state.all = partitions === undefined
      if (partitions === undefined) this.#forget(state)
      for (const partition of partitions ?? []) {
        state.paused.add(partition)
        state.resumed.delete(partition)
      }
    }
  }

  resume(topics: readonly { topic: string; partitions?: readonly number[] }[]): void {
    for (const { topic, partitions } of topics) {
      const state = this.#state(topic)
      if (partitions === undefined) {
        state.all = false
        this.#forget(state)
      }
      for (const partition of partitions ?? []) {
        state.paused.delete(partition)
        if (state.all) state.resumed.add(partition)
      }
    }
  }

  has({ topic, partition }: TopicPartition): boolean {
    const state = this.#topics.get(topic)
    if (state === undefined) return false
    return state.paused.has(partition) || (state.all && !state.resumed.has(partition))
  }

  /** Those of `assigned` that are paused, by topic. */
  among(assigned: readonly TopicPartition[]): TopicPartitions[] {
    return byTopic(assigned.filter((each) => this.has(each)))
  }

  #forget(state: TopicState): void {
    state.paused.clear()
    state.resumed.clear()
  }

  #state(topic: string): TopicState {
    let state = this.#topics.get(topic)
    if (state === undefined) {
      state = { all: false, paused: new Set(), resumed: new Set() }
      this.#topics.set(topic, state)
    }
    return state
  }
}

/** Partitions in order, by topic. */
export function byTopic(partitions: readonly TopicPartition[]): TopicPartitions[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    topics.set(topic, [...(topics.get(topic) ?? []), partition])
  }
  return [...topics].map(([topic, list]) => ({ topic, partitions: list.sort((a, b) => a - b) }))
}
