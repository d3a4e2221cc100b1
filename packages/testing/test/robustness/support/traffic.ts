import { createProducer, type Producer, type ProducerOptions } from '@kfk/producer'
import { eventually } from '../../../src/index.js'
import { readTopic } from './stored-records.js'

/** How many records wait for their acknowledgement at a time. */
const inFlight = 64

export interface TrafficOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partitions: number
  /** Tells the records of several on one topic apart. Default `t`. */
  readonly name?: string
  readonly producer?: Partial<ProducerOptions>
}

/**
 * A producer that never stops: numbered values, round the partitions, and a ledger of what was
 * acknowledged.
 */
export class Traffic {
  /** Where each acknowledged value was said to be. */
  readonly acknowledged = new Map<string, { partition: number; offset: bigint }>()
  /** Values that were given up; they may be in the log or not. */
  readonly failed: { value: string; error: unknown }[] = []
  /** Acknowledged records by partition. */
  readonly counts: number[]
  readonly #name: string
  readonly #producer: Producer
  readonly #options: TrafficOptions
  readonly #running: Promise<void>[]
  #next = 0
  #stopped = false

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#name = options.name ?? 't'
    this.counts = new Array<number>(options.partitions).fill(0)
    this.#producer = createProducer({
      brokers: options.brokers,
      requestTimeoutMs: 5000,
      retry: { initialMs: 20, maxMs: 100 },
      ...options.producer,
    })
    // One lane of work for each partition: a partition without a leader holds up only itself.
    this.#running = Array.from({ length: inFlight }, (_, lane) =>
      this.#run(lane % options.partitions),
    )
  }

  async #run(partition: number): Promise<void> {
    while (!this.#stopped) {
      const value = `${this.#name}:${partition}:${this.#next++}`
      try {
        const sent = await this.#producer.send(
          this.#options.topic,
          { value, partition },
          { each: true },
        )
        this.acknowledged.set(value, sent)
        this.counts[partition]!++
      } catch (error) {
        this.failed.push({ value, error })
      }
    }
  }

  get total(): number {
    return this.acknowledged.size
  }

  /** Resolves once `count` more records are acknowledged, in each of `partitions`. */
  async advances(count: number, partitions?: readonly number[]): Promise<void> {
    const wanted = partitions ?? this.counts.map((_, index) => index)
    const goals = wanted.map((index) => this.counts[index]! + count)
    await eventually(`${count} more records in partitions ${wanted.join()}`, () =>
      wanted.every((index, at) => this.counts[index]! >= goals[at]!) ? true : undefined,
    )
  }

  /** Sends no more, and waits for the outcome of what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
    await this.#producer.close()
  }

  /** For the end of a test, however it went. */
  async abandon(): Promise<void> {
    this.#stopped = true
    await this.#producer.close({ timeoutMs: 0 })
    await Promise.all(this.#running)
  }

  /** Reads the topic back: every acknowledged record once, at its offset, in order of sending. */
  async verify(brokers: readonly string[] = this.#options.brokers): Promise<void> {
    const stored = await readTopic(brokers, this.#options.topic, this.#options.partitions)
    const wrong: string[] = []
    let found = 0
    stored.forEach((records, partition) => {
      let last = -1
      for (const { offset, value } of records) {
        const [name, , text] = value.split(':')
        if (name !== this.#name) continue
        const number = Number(text)
        if (number <= last) wrong.push(`${value} after ${last}`)
        last = number
        const told = this.acknowledged.get(value)
        if (told === undefined) continue
        found++
        // -1: the broker only knew that it had it.
        const isThere = told.partition === partition && [BigInt(offset), -1n].includes(told.offset)
        if (!isThere) wrong.push(`${value} is at ${partition}/${offset}`)
      }
    })
    expect(wrong).toEqual([])
    expect(found).toBe(this.acknowledged.size)
  }
}
