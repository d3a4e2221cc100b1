import type { Client } from '@kfk/client'
import type { Assignments } from './assignments.js'
import type { ResolvedSettings } from './options.js'
import { partitionKey, type TopicPartition } from './topic-partition.js'

export interface LoneAssignmentOptions {
  readonly client: Client
  readonly settings: ResolvedSettings
  readonly topics: readonly string[]
  readonly assignments: Assignments
}

/**
 * What a consumer reads that shares with nobody: the partitions named in the options, or all of its
 * topics.
 */
export class LoneAssignment {
  readonly #options: LoneAssignmentOptions
  readonly #abort = new AbortController()
  readonly #known = new Set<string>()
  #timer: { cancel(): void } | undefined

  constructor(options: LoneAssignmentOptions) {
    this.#options = options
  }

  /**
   * Rejects when a topic does not exist (and the broker does not create it), or with what the
   * listener throws.
   */
  async start(): Promise<void> {
    const { client, settings, topics, assignments } = this.#options
    if (settings.assignment) return assignments.begin(settings.assignment)
    const { signal } = this.#abort
    const lookUp = (): Promise<TopicPartition[]> => this.#lookUp(topics, undefined)
    const partitions = await client.retrying(lookUp, { signal })
    this.#remember(partitions)
    await assignments.begin(partitions)
    this.#lookLater()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#abort.abort(new Error('the consumer is closed'))
  }

  #lookLater(): void {
    const { client, settings } = this.#options
    if (this.#abort.signal.aborted) return
    this.#timer = client.clock.setTimer(settings.topicRefreshMs, () => {
      this.#look()
        .catch((error: unknown) => client.logger.debug('topics cannot be looked up now', { error }))
        .finally(() => this.#lookLater())
    })
  }

  async #look(): Promise<void> {
    const found = await this.#lookUp(this.#options.topics, false)
    const added = found.filter((each) => !this.#known.has(partitionKey(each)))
    this.#remember(added)
    // They are new: whatever is in them has come since this consumer began to read.
    if (added.length > 0) await this.#options.assignments.begin(added, { from: 'earliest' })
  }

  async #lookUp(
    topics: readonly string[],
    autoCreate: boolean | undefined,
  ): Promise<TopicPartition[]> {
    const { signal } = this.#abort
    const options = { signal, autoCreate, refresh: autoCreate === false }
    const found = await this.#options.client.metadata.topics(topics, options)
    return found.flatMap(({ name, partitions }) =>
      partitions.map(({ index }) => ({ topic: name, partition: index })),
    )
  }

  #remember(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.#known.add(partitionKey(each))
  }
}
