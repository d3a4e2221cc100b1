import { largest, type PartitionCounts } from './partition-counts.js'
import type { TopicName } from './events.js'

/** What the counting members have counted, put together for those who watch and wait. */
export interface BoardSummary {
  readonly views: number
  readonly searches: number
  readonly minutes: number
  /** The minutes with the latest views, newest first. */
  readonly lastMinutes: readonly [minute: string, views: number][]
  readonly topPages: readonly [path: string, views: number][]
  readonly topSearches: readonly [words: string, count: number][]
}

interface Waiter {
  readonly ends: ReadonlyMap<string, number>
  readonly resolve: () => void
}

const key = (topic: string, partition: number): string => `${topic}/${partition}`

/**
 * The present counts of all partitions. Members put theirs up as they count; `stored` says how far
 * they are safe on disk. The last word on a partition is its largest offset, so a member that dies
 * with counts it had not stored yet leaves nothing wrong behind: its successor counts the same
 * records again.
 */
export class CountsBoard {
  readonly #counts = new Map<string, { topic: TopicName; counts: PartitionCounts }>()
  readonly #stored = new Map<string, number>()
  readonly #waiters = new Set<Waiter>()
  readonly #watchers = new Set<() => void>()

  put(topic: TopicName, partition: number, counts: PartitionCounts): void {
    this.#counts.set(key(topic, partition), { topic, counts })
    for (const watcher of this.#watchers) watcher()
  }

  stored(topic: TopicName, partition: number, nextOffset: number): void {
    this.#stored.set(key(topic, partition), nextOffset)
    for (const waiter of [...this.#waiters]) {
      if (!this.#reached(waiter.ends)) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  /** Called after every change; returns how to stop it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Records counted so far, stored or not. */
  total(): number {
    let total = 0
    for (const { counts } of this.#counts.values()) total += counts.total
    return total
  }

  /** Resolves when every partition is counted and stored up to these ends, by `topic/partition`. */
  storedUpTo(ends: ReadonlyMap<string, number>): Promise<void> {
    return new Promise((resolve) => {
      if (this.#reached(ends)) resolve()
      else this.#waiters.add({ ends, resolve })
    })
  }

  /** Partitions that are behind these ends, for messages. */
  missing(ends: ReadonlyMap<string, number>): string[] {
    return [...ends]
      .filter(([name, end]) => (this.#stored.get(name) ?? 0) < end)
      .map(([name, end]) => `${name}: ${this.#stored.get(name) ?? 0} of ${end}`)
  }

  summary(): BoardSummary {
    const of = (wanted: TopicName): PartitionCounts[] =>
      [...this.#counts.values()].filter(({ topic }) => topic === wanted).map(({ counts }) => counts)
    const views = of('page-views')
    const searches = of('searches')
    const sum = (all: readonly PartitionCounts[]): number =>
      all.reduce((total, counts) => total + counts.total, 0)
    const byMinute = largest(
      views.map(({ minutes }) => minutes),
      Infinity,
    )
    const newest = [...byMinute].sort(([a], [b]) => (a < b ? 1 : -1)).slice(0, 3)
    return {
      views: sum(views),
      searches: sum(searches),
      minutes: byMinute.length,
      lastMinutes: newest,
      topPages: largest(
        views.map(({ names }) => names),
        5,
      ),
      topSearches: largest(
        searches.map(({ names }) => names),
        3,
      ),
    }
  }

  #reached(ends: ReadonlyMap<string, number>): boolean {
    return [...ends].every(([name, end]) => (this.#stored.get(name) ?? 0) >= end)
  }
}
