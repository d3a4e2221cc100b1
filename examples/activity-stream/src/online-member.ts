import { createConsumer, type Assignor, type Consumer } from '@kfk/consumer'
import type { CountsBoard } from './counts-board.js'
import type { CountsStore } from './counts-store.js'
import { topicNames, type TopicName } from './events.js'
import { PartitionCounters } from './partition-counter.js'

export const countingGroup = 'activity-counters'

export interface MemberOptions {
  readonly brokers: readonly string[]
  readonly store: CountsStore
  readonly board: CountsBoard
  readonly name: string
  /** Default: cooperative-sticky. */
  readonly assignors?: readonly Assignor[]
}

/** A member that dies is noticed after so long. */
export const sessionTimeoutMs = 1500

/** One member of the counting group, on kfk's own consumer. */
export class OnlineMember {
  readonly name: string
  /** Rejects when counting fails for good. */
  readonly done: Promise<void>
  /** Resolves when it owns partitions for the first time. */
  readonly owns: Promise<void>
  readonly #consumer: Consumer<TopicName>
  readonly #counters: PartitionCounters

  constructor({ brokers, store, board, name, assignors }: MemberOptions) {
    this.name = name
    let nowOwns: () => void
    this.owns = new Promise((resolve) => (nowOwns = resolve))
    this.#counters = new PartitionCounters(store, board)
    this.#consumer = createConsumer({
      brokers,
      clientId: name,
      group: countingGroup,
      topics: topicNames,
      from: 'earliest',
      // Offsets are committed by hand, after the counts that they belong to are stored.
      autoCommit: false,
      sessionTimeoutMs,
      maxWaitMs: 100,
      ...(assignors && { assignors }),
      rebalance: {
        assigned: (partitions) => {
          for (const each of partitions) {
            const topic = each.topic as TopicName
            this.#consumer.seek(each, this.#counters.open(topic, each.partition))
          }
          if (partitions.length > 0) nowOwns()
        },
        revoked: (partitions) => this.#close(partitions),
        lost: (partitions) => this.#close(partitions),
      },
    })
    this.done = this.#run()
    this.done.catch(() => undefined)
  }

  partitions(): number {
    return this.#consumer.assignment().length
  }

  /** As if the process had died: stores nothing, commits nothing, tells nobody. */
  kill(): Promise<void> {
    return this.#consumer.destroy()
  }

  async close(): Promise<void> {
    await this.#consumer.close()
    await this.done
  }

  async #run(): Promise<void> {
    for await (const batch of this.#consumer.batches({ maxRecords: 1000 })) {
      const topic = batch.topic as TopicName
      const records = batch.records.map(({ offset, value }) => ({ offset: Number(offset), value }))
      const atEnd = batch.nextOffset >= batch.highWatermark
      const stored = this.#counters.count(topic, batch.partition, records, atEnd)
      if (stored === undefined) continue
      await this.#commit(topic, batch.partition, stored)
    }
  }

  /**
   * Where a group stands is for those who watch it; where counting goes on is in the counts
   * themselves.
   */
  async #commit(topic: TopicName, partition: number, offset: number): Promise<void> {
    try {
      await this.#consumer.commit([{ topic, partition, offset: BigInt(offset) }])
    } catch {
      // A rebalance is under way, or the partition has a new owner by now: nothing depends on this
      // commit.
    }
  }

  #close(partitions: readonly { topic: string; partition: number }[]): void {
    for (const { topic, partition } of partitions)
      this.#counters.close(topic as TopicName, partition)
  }
}
