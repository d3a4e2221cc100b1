import { backoffMs, ClientError, kafkaError, type Client, type TopicMetadata } from '@kfk/client'
import { apis, type ResponseOf } from '@kfk/protocol'
import type { AssignedPartition } from './assigned-partition.js'
import type { ResolvedSettings } from './options.js'
import { leaderErrors } from './start-positions.js'
import { partitionKey } from './topic-partition.js'

const offsetOutOfRange = 1

export interface FetcherOptions {
  readonly client: Client
  /** Of this consumer's connections, see `lane-numbers.ts`. */
  readonly lane: number
  readonly settings: Pick<
    ResolvedSettings,
    'maxWaitMs' | 'minBytes' | 'maxBytes' | 'partitionMaxBytes' | 'prefetchBytes'
  >
  /** What is assigned at this moment. */
  readonly partitions: () => Iterable<AssignedPartition>
  /** Records have arrived for a partition. */
  readonly onRecords: () => void
  /** The position does not exist in the log (any more). */
  readonly onOutOfRange: (partition: AssignedPartition) => void
  /** An error that no retry mends. */
  readonly onError: (error: ClientError) => void
}

type FetchedPartition = ResponseOf<typeof apis.fetch>['responses'][number]['partitions'][number]

/** A fetch under way: what was asked of one leader, with the seek count of that moment. */
interface Asked {
  readonly partition: AssignedPartition
  readonly position: number
  readonly seeks: number
}

/**
 * Keeps one fetch under way at each leader that has something to read for us. Event driven: whoever changes what can be
 * fetched (assignment, seek, resume, records taken) calls {@link wake}; nothing polls. Memory is bounded by
 * `prefetchBytes` plus one answer a leader.
 */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #busyNodes = new Set<number>()
  readonly #abort = new AbortController()
  #lookingUp = false
  #scheduled = false
  #failures = 0
  #timer: { cancel(): void } | undefined

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /** Looks for something to fetch, once at the end of this turn however often it is called. */
  wake(): void {
    if (this.#scheduled || this.#abort.signal.aborted) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (!this.#abort.signal.aborted) this.#fetchWhatCanBe()
    })
  }

  stop(): void {
    this.#abort.abort(new Error('the consumer is closed'))
    this.#timer?.cancel()
  }

  #fetchWhatCanBe(): void {
    const { client, settings } = this.#options
    const nowMs = client.clock.monotonicMs()
    const byLeader = new Map<number, AssignedPartition[]>()
    const unknown = new Set<string>()
    let buffered = 0
    let wakeAtMs = Infinity
    for (const each of this.#options.partitions()) buffered += each.bufferedBytes
    for (const each of this.#options.partitions()) {
      if (!isFetchable(each, buffered >= settings.prefetchBytes)) continue
      if (each.notBeforeMs > nowMs) {
        wakeAtMs = Math.min(wakeAtMs, each.notBeforeMs)
        continue
      }
      const leaderId =
        client.metadata.cached(each.topic)?.partitions[each.partition]?.leaderId ?? -1
      if (leaderId < 0) unknown.add(each.topic)
      else if (!this.#busyNodes.has(leaderId)) {
        const list = byLeader.get(leaderId)
        if (list) list.push(each)
        else byLeader.set(leaderId, [each])
      }
    }
    if (unknown.size > 0) this.#lookUp([...unknown])
    for (const [nodeId, partitions] of byLeader) void this.#fetch(nodeId, partitions)
    if (wakeAtMs < Infinity) this.#wakeIn(wakeAtMs - nowMs)
  }

  #wakeIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.client.clock.setTimer(delayMs, () => this.wake())
  }

  /** Finds leaders, with backoff while there are none. */
  #lookUp(topics: readonly string[]): void {
    if (this.#lookingUp) return
    this.#lookingUp = true
    const { client } = this.#options
    client.metadata
      .topics(topics, { refresh: true, signal: this.#abort.signal })
      .then((found) => {
        const allLed = found.every(({ partitions }) =>
          partitions.every(({ leaderId }) => leaderId >= 0),
        )
        this.#lookingUp = false
        if (allLed) this.wake()
        else this.#backOff()
      })
      .catch((error: unknown) => {
        this.#lookingUp = false
        this.#report(error)
      })
  }

  #backOff(): void {
    const { client } = this.#options
    this.#wakeIn(backoffMs(client.retryPolicy, this.#failures++, client.random))
  }

  #report(error: unknown): void {
    if (this.#abort.signal.aborted) return
    if (error instanceof ClientError && error.retriable) {
      this.#options.client.logger.debug('fetch will be retried', { reason: error.message })
      this.#backOff()
    } else {
      this.#options.onError(error as ClientError)
    }
  }

  async #fetch(nodeId: number, partitions: readonly AssignedPartition[]): Promise<void> {
    const { client, settings } = this.#options
    const asked = new Map<string, Asked>()
    for (const partition of partitions) {
      partition.fetching = true
      const { position, seeks } = partition
      asked.set(partitionKey(partition), { partition, position: position!, seeks })
    }
    this.#busyNodes.add(nodeId)
    try {
      const response = await client.request(
        apis.fetch,
        (version) => this.#body(version, asked),
        { nodeId },
        {
          signal: this.#abort.signal,
          lane: `fetch:${this.#options.lane}`,
          timeoutMs: settings.maxWaitMs + 30_000,
        },
      )
      if (response.errorCode !== 0) throw kafkaError(response.errorCode)
      this.#failures = 0
      this.#accept(response, asked)
    } catch (error) {
      // The broker may be gone: its partitions may have another leader by now.
      for (const { topic } of partitions) client.metadata.invalidate(topic)
      this.#delay(partitions)
      this.#report(error)
    } finally {
      this.#busyNodes.delete(nodeId)
      for (const partition of partitions) partition.fetching = false
      this.wake()
    }
  }

  #delay(partitions: readonly AssignedPartition[]): void {
    const { client } = this.#options
    const waitMs = backoffMs(client.retryPolicy, this.#failures, client.random)
    for (const each of partitions) each.notBeforeMs = client.clock.monotonicMs() + waitMs
  }

  #body(version: number, asked: ReadonlyMap<string, Asked>) {
    const { client, settings } = this.#options
    const topics = new Map<string, Asked[]>()
    for (const each of asked.values()) {
      const list = topics.get(each.partition.topic)
      if (list) list.push(each)
      else topics.set(each.partition.topic, [each])
    }
    return {
      maxWaitMs: settings.maxWaitMs,
      minBytes: settings.minBytes,
      maxBytes: settings.maxBytes,
      topics: [...topics].map(([topic, list]) => ({
        ...(version >= 13 ? { topicId: client.metadata.cached(topic)!.topicId } : { topic }),
        partitions: list.map(({ partition, position }) => ({
          partition: partition.partition,
          fetchOffset: position,
          partitionMaxBytes: settings.partitionMaxBytes,
        })),
      })),
    }
  }

  #accept(response: ResponseOf<typeof apis.fetch>, asked: ReadonlyMap<string, Asked>): void {
    const names = this.#namesById(asked)
    let arrived = false
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? names.get(topicId) : topic
      if (name === undefined) continue
      for (const answer of partitions) {
        const each = asked.get(partitionKey({ topic: name, partition: answer.partitionIndex }))
        // A seek or the end of the assignment has overtaken this answer.
        if (each === undefined || each.partition.over || each.partition.seeks !== each.seeks)
          continue
        arrived = this.#acceptPartition(each.partition, answer) || arrived
      }
    }
    if (arrived) this.#options.onRecords()
  }

  #namesById(asked: ReadonlyMap<string, Asked>): Map<string, string> {
    const known = [...asked.values()]
      .map(({ partition }) => this.#options.client.metadata.cached(partition.topic))
      .filter((topic): topic is TopicMetadata => topic !== undefined)
    return new Map(known.map(({ topicId, name }) => [topicId, name]))
  }

  #acceptPartition(partition: AssignedPartition, answer: FetchedPartition): boolean {
    const { topic } = partition
    if (answer.errorCode === 0) {
      partition.highWatermark = answer.highWatermark
      if (answer.records === null || answer.records.length === 0) return false
      partition.add(answer.records)
      return partition.hasRecords
    }
    if (answer.errorCode === offsetOutOfRange) {
      this.#options.onOutOfRange(partition)
    } else if (leaderErrors.has(answer.errorCode)) {
      this.#options.client.metadata.invalidate(topic)
      this.#delay([partition])
      this.#lookUp([topic])
    } else {
      const details = { topic, partition: partition.partition, offset: partition.position }
      this.#delay([partition])
      this.#report(kafkaError(answer.errorCode, null, details))
    }
    return false
  }
}

function isFetchable(partition: AssignedPartition, full: boolean): boolean {
  const { ready, paused, over, fetching, position } = partition
  if (!ready || paused || over || fetching || position === undefined) return false
  // With the buffer full, only partitions that have nothing at all are worth a fetch.
  return full ? false : !partition.hasRecords || partition.bufferedBytes < prefetchPerPartition
}

/** A partition with more than this fetched ahead waits for the application. */
const prefetchPerPartition = 2 * 1024 * 1024
