import { ClientError, type Client } from '@kfk/client'

export interface TopicWatchOptions {
  readonly client: Client
  readonly refreshMs: number
  readonly signal: AbortSignal
  /** Partitions have come, or a topic has come or gone, since the last {@link TopicWatch.count}. */
  readonly onChange: () => void
}

/** While a topic does not exist, it is looked for this often. */
const missingTopicMs = 1000

/**
 * Counts the partitions of the topics that a group reads, and looks again whether that has changed.
 * The leader of the group does it for all members: if everybody did, each change would cause as
 * many rebalances as there are members.
 */
export class TopicWatch {
  readonly #options: TopicWatchOptions
  readonly #known = new Set<string>()
  #baseline = new Map<string, number | undefined>()
  #suspicious = false
  #timer: { cancel(): void } | undefined

  constructor(options: TopicWatchOptions) {
    this.#options = options
  }

  /**
   * Partitions by topic, and from now on a look now and then. Topics that do not exist (yet) are
   * left out.
   */
  async count(topics: readonly string[]): Promise<Map<string, number>> {
    const counts = await this.#lookUp(topics)
    this.#baseline = new Map(topics.map((topic) => [topic, counts.get(topic)]))
    this.#suspicious = false
    this.#lookLater()
    return counts
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #lookLater(): void {
    this.stop()
    if (this.#options.signal.aborted) return
    const { client, refreshMs } = this.#options
    const isMissing = [...this.#baseline.values()].includes(undefined) || this.#suspicious
    const timer = client.clock.setTimer(isMissing ? missingTopicMs : refreshMs, () => {
      this.#look()
        .catch((error: unknown) => client.logger.debug('topics cannot be looked up now', { error }))
        .finally(() => {
          if (this.#timer === timer) this.#lookLater()
        })
    })
    this.#timer = timer
  }

  async #look(): Promise<void> {
    const before = this.#baseline
    const counts = await this.#lookUp([...before.keys()])
    if (before !== this.#baseline || this.#timer === undefined) return
    const changed = [...before].filter(([topic, count]) => counts.get(topic) !== count)
    // A broker that has just started may not know its topics yet: a topic is gone when it is missed
    // twice.
    const hasVanished = changed.some(([topic]) => !counts.has(topic))
    if (changed.length > 0 && (!hasVanished || this.#suspicious)) this.#options.onChange()
    this.#suspicious = hasVanished
  }

  async #lookUp(topics: readonly string[]): Promise<Map<string, number>> {
    const counts = await Promise.all(topics.map((topic) => this.#countOne(topic)))
    const found = topics.flatMap((topic, index): [string, number][] => {
      const count = counts[index]
      return count === undefined ? [] : [[topic, count]]
    })
    for (const [topic] of found) this.#known.add(topic)
    return new Map(found)
  }

  async #countOne(topic: string): Promise<number | undefined> {
    const { client, signal } = this.#options
    // A topic that was there and is deleted is not to be created again by those who read it.
    const autoCreate = this.#known.has(topic) ? false : undefined
    try {
      const found = await client.metadata.topic(topic, { refresh: true, signal, autoCreate })
      return found.partitions.length
    } catch (error) {
      if (isAboutTopic(error)) return undefined
      throw error
    }
  }
}

/**
 * It does not exist, has no leader, may not be read, or has a name (of another member's choice)
 * that none can have.
 */
function isAboutTopic(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false
  return error.code === 'KFK_CLIENT_SERVER' || error.code === 'KFK_CLIENT_INVALID_ARGUMENT'
}
