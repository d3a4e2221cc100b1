import type { CountsBoard } from './counts-board.js'
import type { CountsStore } from './counts-store.js'
import type { TopicName } from './events.js'
import type { PartitionCounts } from './partition-counts.js'

/**
 * Counts are stored at the latest after so long, and whenever the end of a partition is reached.
 */
const storeEveryMs = 250

/**
 * Counting of the partitions that one member owns. Not tied to a client: kfk's consumer and kafkajs
 * feed it alike.
 */
export class PartitionCounters {
  readonly #open = new Map<string, { counts: PartitionCounts; storedMs: number }>()

  constructor(
    private readonly store: CountsStore,
    private readonly board: CountsBoard,
  ) {}

  /** Takes a partition over; returns the offset from which it wants records. */
  open(topic: TopicName, partition: number): number {
    const counts = this.store.load(topic, partition)
    this.#open.set(`${topic}/${partition}`, { counts, storedMs: performance.now() })
    this.board.put(topic, partition, counts)
    this.board.stored(topic, partition, counts.nextOffset)
    return counts.nextOffset
  }

  /** The offset that is to be counted next. */
  next(topic: TopicName, partition: number): number {
    return this.#open.get(`${topic}/${partition}`)?.counts.nextOffset ?? 0
  }

  close(topic: TopicName, partition: number): void {
    this.#open.delete(`${topic}/${partition}`)
  }

  /**
   * Counts records of one partition. Returns the offset up to which everything is stored, if it has
   * stored now: only so far may offsets be committed.
   */
  count(
    topic: TopicName,
    partition: number,
    records: Iterable<{ readonly offset: number; readonly value: Uint8Array | null }>,
    atEnd: boolean,
  ): number | undefined {
    const open = this.#open.get(`${topic}/${partition}`)
    if (!open) return undefined
    for (const { offset, value } of records) {
      const event = JSON.parse(Buffer.from(value!).toString()) as {
        time: string
        path: string
        words?: string
      }
      open.counts.apply(offset, { time: event.time, name: event.words ?? event.path })
    }
    this.board.put(topic, partition, open.counts)
    const nowMs = performance.now()
    if (!atEnd && nowMs - open.storedMs < storeEveryMs) return undefined
    open.storedMs = nowMs
    const stored = this.store.save(topic, partition, open.counts)
    this.board.stored(topic, partition, stored)
    return stored
  }
}
