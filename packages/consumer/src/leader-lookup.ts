import { backoffMs, ClientError, type Client } from '@kfk/client'
import type { AssignedPartition } from './assigned-partition.js'

export interface LeaderLookupOptions {
  readonly client: Client
  readonly signal: AbortSignal
  /** Leaders may be known now, or a partition has failed for good. */
  readonly onChange: () => void
}

/**
 * Finds the leaders of partitions, one request at a time. Those that have none are asked for again
 * later, and less and less often, however often the fetcher comes by; those that have one go on
 * meanwhile.
 */
export class LeaderLookup {
  readonly #options: LeaderLookupOptions
  #underWay = false
  #failures = 0

  constructor(options: LeaderLookupOptions) {
    this.#options = options
  }

  /**
   * Sets `notBeforeMs` of partitions that must wait, and fails those whose topic cannot be read at
   * all.
   */
  find(partitions: readonly AssignedPartition[]): void {
    if (this.#underWay || partitions.length === 0) return
    this.#underWay = true
    this.#find(partitions)
      .catch((error: unknown) => this.#options.client.logger.debug('no leaders', { error }))
      .finally(() => {
        this.#underWay = false
        this.#options.onChange()
      })
  }

  async #find(partitions: readonly AssignedPartition[]): Promise<void> {
    const { client, signal } = this.#options
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    // A deleted topic is not to be created again by those who read it.
    const options = { refresh: true, autoCreate: false, signal }
    const errors = new Map<string, unknown>()
    const lookUp = (topic: string): Promise<unknown> =>
      client.metadata.topic(topic, options).catch((error: unknown) => errors.set(topic, error))
    await Promise.all(topics.map(lookUp))
    if (signal.aborted) return
    const waiting: AssignedPartition[] = []
    for (const each of partitions) {
      const error = errors.get(each.topic)
      if (error instanceof ClientError && !error.retriable) each.fail(error)
      else if (leaderOf(client, each) < 0) waiting.push(each)
    }
    if (waiting.length === 0) {
      this.#failures = 0
      return
    }
    const waitMs = backoffMs(client.retryPolicy, this.#failures++, client.random)
    for (const each of waiting) each.notBeforeMs = client.clock.monotonicMs() + waitMs
  }
}

/** -1 when it is not known, or there is none. */
export function leaderOf(client: Client, { topic, partition }: AssignedPartition): number {
  return client.metadata.cached(topic)?.partitions[partition]?.leaderId ?? -1
}

/** -1 when it is not known. */
export function leaderEpochOf(client: Client, { topic, partition }: AssignedPartition): number {
  return client.metadata.cached(topic)?.partitions[partition]?.leaderEpoch ?? -1
}
