import { Kafka, logLevel, type Consumer } from 'kafkajs'
import type { CountsBoard } from './counts-board.js'
import type { CountsStore } from './counts-store.js'
import { topicNames, type TopicName } from './events.js'
import { countingGroup, sessionTimeoutMs } from './online-member.js'
import { PartitionCounters } from './partition-counter.js'

/** A member of the counting group on a stock kafkajs client. */
export class KafkajsMember {
  readonly #consumer: Consumer
  readonly #counters: PartitionCounters
  #open = new Set<string>()

  constructor(options: {
    readonly brokers: readonly string[]
    readonly store: CountsStore
    readonly board: CountsBoard
  }) {
    const kafka = new Kafka({
      clientId: 'kafkajs',
      brokers: [...options.brokers],
      logLevel: logLevel.NOTHING,
      retry: { retries: 100, initialRetryTime: 100, maxRetryTime: 1000 },
    })
    this.#counters = new PartitionCounters(options.store, options.board)
    this.#consumer = kafka.consumer({
      groupId: countingGroup,
      sessionTimeout: sessionTimeoutMs * 4,
      heartbeatInterval: 300,
      maxWaitTimeInMs: 100,
      allowAutoTopicCreation: false,
    })
  }

  async start(): Promise<void> {
    await this.#consumer.connect()
    await this.#consumer.subscribe({ topics: [...topicNames], fromBeginning: true })
    // Whatever it owned before, a new assignment begins with what is stored.
    this.#consumer.on(this.#consumer.events.GROUP_JOIN, () => {
      for (const name of this.#open) {
        const [topic, partition] = name.split('/') as [TopicName, string]
        this.#counters.close(topic, Number(partition))
      }
      this.#open = new Set()
    })
    await this.#consumer.run({
      eachBatchAutoResolve: false,
      autoCommit: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, isStale }) => {
        const topic = batch.topic as TopicName
        const { partition } = batch
        if (isStale() || batch.messages.length === 0) return
        const wanted = this.#take(topic, partition)
        const first = Number(batch.messages[0]!.offset)
        if (first > wanted) {
          // The committed offset is ahead of what is stored: counting goes on from what is stored.
          this.#consumer.seek({ topic, partition, offset: String(wanted) })
          return
        }
        const records = batch.messages.map(({ offset, value }) => ({
          offset: Number(offset),
          value,
        }))
        const stored = this.#counters.count(topic, partition, records, true)
        resolveOffset(batch.lastOffset())
        if (stored !== undefined) await this.#commit(topic, partition, stored)
        await heartbeat()
      },
    })
  }

  async close(): Promise<void> {
    await this.#consumer.disconnect()
  }

  async #commit(topic: TopicName, partition: number, offset: number): Promise<void> {
    try {
      await this.#consumer.commitOffsets([{ topic, partition, offset: String(offset) }])
    } catch {
      // A rebalance is under way: nothing depends on this commit.
    }
  }

  /**
   * Opens the counts of a partition at its first batch; returns the offset that is to be counted
   * next.
   */
  #take(topic: TopicName, partition: number): number {
    const name = `${topic}/${partition}`
    if (this.#open.has(name)) return this.#counters.next(topic, partition)
    this.#open.add(name)
    return this.#counters.open(topic, partition)
  }
}
