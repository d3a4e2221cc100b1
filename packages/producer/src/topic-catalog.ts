import { backoffMs, ClientError } from '@kfk/client'
import type { Client, TopicMetadata } from '@kfk/client'

export interface TopicCatalogOptions {
  readonly client: Client
  readonly signal: AbortSignal
  /** Bound of the first lookup, retries included, in milliseconds. */
  readonly loadTimeoutMs: number
  /** What must be done once before any batch can be built (loading a codec). */
  readonly prepare: () => Promise<void>
  readonly onLoaded: (topic: string) => void
  /** The topic can be looked up no longer, or never: an error that repeating would not help. */
  readonly onFailed: (topic: string, error: unknown) => void
  /** Leaders may have changed. */
  readonly onRefreshed: () => void
}

/**
 * The cache of the client looks at its own age when it is asked; topics in use are asked for this
 * often.
 */
const ageCheckMs = 60_000

interface Entry {
  checkedMs: number
  refreshing: boolean
  failures: number
}

/** The topics that this producer writes to, with their leaders. */
export class TopicCatalog {
  readonly #options: TopicCatalogOptions
  readonly #loaded = new Map<string, Entry>()
  readonly #loading = new Set<string>()

  constructor(options: TopicCatalogOptions) {
    this.#options = options
  }

  /** What is known now; undefined until the topic has been loaded. */
  current(topic: string): TopicMetadata | undefined {
    return this.#loaded.has(topic) ? this.#options.client.metadata.cached(topic) : undefined
  }

  /** Looks the topic up for the first time: `onLoaded` or `onFailed` follows. */
  load(topic: string): void {
    if (this.#loading.has(topic)) return
    this.#loading.add(topic)
    const { client, signal, loadTimeoutMs: timeoutMs, prepare } = this.#options
    const looked = client.retrying(
      async () => {
        const found = await client.metadata.topic(topic, { signal })
        if (found.partitions.length === 0) throw noPartitions(topic)
      },
      { signal, timeoutMs },
    )
    Promise.all([looked, prepare()]).then(
      () => {
        this.#loading.delete(topic)
        const checkedMs = client.clock.monotonicMs()
        this.#loaded.set(topic, { checkedMs, refreshing: false, failures: 0 })
        this.#options.onLoaded(topic)
      },
      (error: unknown) => {
        this.#loading.delete(topic)
        this.#options.onFailed(topic, error)
      },
    )
  }

  /** Lets the cache notice that it is old, now and then. */
  keepFresh(topic: string, nowMs: number): void {
    const entry = this.#loaded.get(topic)
    if (entry === undefined || nowMs - entry.checkedMs < ageCheckMs) return
    entry.checkedMs = nowMs
    this.#options.client.metadata.topic(topic, { autoCreate: false }).catch(() => {})
  }

  /** Asks the cluster again, after a wait that grows while it has nothing new. */
  refresh(topic: string): void {
    const entry = this.#loaded.get(topic)
    if (entry === undefined || entry.refreshing) return
    entry.refreshing = true
    const { client, onFailed, onRefreshed } = this.#options
    const waitMs = backoffMs(client.retryPolicy, entry.failures, client.random)
    entry.failures += 1
    client.clock.setTimer(waitMs, () => {
      this.#ask(topic, entry)
        .catch((error: unknown) => {
          if (error instanceof ClientError && error.retriable) return
          onFailed(topic, error)
        })
        .finally(() => {
          entry.refreshing = false
          onRefreshed()
        })
    })
  }

  async #ask(topic: string, entry: Entry): Promise<void> {
    const { client, signal } = this.#options
    if (signal.aborted) return
    const found = await client.metadata.topic(topic, { signal, refresh: true, autoCreate: false })
    if (found.partitions.every(({ leaderId }) => leaderId >= 0)) entry.failures = 0
  }
}

function noPartitions(topic: string): ClientError {
  return new ClientError('KFK_CLIENT_UNREACHABLE', `Topic "${topic}" has no partitions yet.`, {
    retriable: true,
  })
}
