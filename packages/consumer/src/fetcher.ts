import {
  backoffMs,
  ClientError,
  EarliestTimer,
  kafkaError,
  type Client,
  type TopicMetadata,
} from '@kfk/client'
import { AbortedTransactions, apis, type ResponseOf } from '@kfk/protocol'
import type { AssignedPartition } from './assigned-partition.js'
import { planFetches, type FetchKind, type PlannedFetch } from './fetch-plan.js'
import { LeaderLookup, leaderOf } from './leader-lookup.js'
import { isolationLevels, type ResolvedSettings } from './options.js'
import { PrefetchMemory, type AnswerMemory } from './prefetch-memory.js'
import { leaderErrors } from './start-positions.js'
import { partitionKey } from './topic-partition.js'

export interface FetcherOptions {
  readonly client: Client
  /** Of this consumer's connections, see `lane-numbers.ts`. */
  readonly lane: number
  readonly settings: Pick<
    ResolvedSettings,
    'isolation' | 'maxWaitMs' | 'minBytes' | 'maxBytes' | 'partitionMaxBytes' | 'prefetchBytes'
  >
  /** What is assigned at this moment. */
  readonly partitions: () => Iterable<AssignedPartition>
  /** A partition has records, or has failed. */
  readonly onRecords: () => void
  /** The position does not exist in the log (any more). */
  readonly onOutOfRange: (partition: AssignedPartition) => void
}

type FetchedPartition = ResponseOf<typeof apis.fetch>['responses'][number]['partitions'][number]

/** A fetch under way; a partition that has moved or ended since knows nothing of it any more. */
interface Underway extends PlannedFetch {
  readonly asked: ReadonlyMap<string, AssignedPartition>
}

const offsetOutOfRange = 1
const corruptMessage = 2
/** UNKNOWN_SERVER_ERROR: nobody knows, so it may be better next time. */
const unknownError = -1
const networkSlackMs = 30_000
/** An answer of at most so much is probably handled within a turn of the event loop. */
const briefBytes = 16 * 1024
/** What waits for it comes as a microtask, at a fraction of the cost of Node's queueMicrotask. */
const settled = Promise.resolve()

/**
 * Keeps fetches under way at the leaders that have something to read for us. Event driven: whoever
 * changes what can be fetched (assignment, seek, resume, records taken) calls {@link wake}; nothing
 * polls. Records fetched ahead stay within `prefetchBytes`, but for a batch that is larger than
 * what it was to fit in.
 */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #underWay = new Map<string, Underway>()
  readonly #abort = new AbortController()
  readonly #memory: PrefetchMemory
  readonly #leaders: LeaderLookup
  readonly #timer: EarliestTimer
  #scheduled = false
  readonly #look = (): void => {
    this.#scheduled = false
    if (!this.#abort.signal.aborted) this.#fetchWhatCanBe()
  }
  #failures = 0
  #answers = 0
  /** Records in the last answer, in bytes. */
  #lastBytes = 0

  constructor(options: FetcherOptions) {
    this.#options = options
    const { client } = options
    this.#memory = new PrefetchMemory((memory) => client.giveBack(memory))
    this.#timer = new EarliestTimer(client.clock, () => this.wake())
    this.#leaders = new LeaderLookup({
      client,
      signal: this.#abort.signal,
      onChange: () => {
        options.onRecords()
        this.wake()
      },
    })
  }

  /** Of records fetched ahead. */
  get heldBytes(): number {
    return this.#memory.heldBytes
  }

  get #isCommittedOnly(): boolean {
    return this.#options.settings.isolation === 'read_committed'
  }

  /** Looks for something to fetch, once at the end of this turn however often it is called. */
  wake(): void {
    if (this.#scheduled || this.#abort.signal.aborted) return
    this.#scheduled = true
    // What is handled at once is handed over before the next fetch is written, which takes longer.
    // Where there is much to handle, the broker is to work meanwhile.
    if (this.#lastBytes <= briefBytes) process.nextTick(this.#look)
    else void settled.then(this.#look)
  }

  stop(): void {
    this.#abort.abort(new Error('the consumer is closed'))
    this.#timer.cancel()
  }

  #fetchWhatCanBe(): void {
    const { client, settings } = this.#options
    let takenBytes = this.#memory.heldBytes
    for (const { maxBytes } of this.#underWay.values()) takenBytes += maxBytes
    const { fetches, leaderless, wakeAtMs } = planFetches({
      partitions: [...this.#options.partitions()],
      nowMs: client.clock.monotonicMs(),
      leaderOf: (partition) => leaderOf(client, partition),
      isUnderWay: (nodeId, kind) => this.#underWay.has(`${nodeId}/${kind}`),
      takenBytes,
      limits: settings,
    })
    for (const fetch of fetches) void this.#fetch(fetch)
    this.#leaders.find(leaderless)
    if (wakeAtMs < Infinity) this.#timer.at(wakeAtMs)
  }

  async #fetch(planned: PlannedFetch): Promise<void> {
    const { nodeId, kind, partitions } = planned
    const asked = new Map(partitions.map((each) => [partitionKey(each), each]))
    const fetch: Underway = { ...planned, asked }
    for (const each of partitions) each.fetch = fetch
    this.#underWay.set(`${nodeId}/${kind}`, fetch)
    try {
      const response = await this.#request(fetch)
      if (response.errorCode !== 0) throw kafkaError(response.errorCode)
      this.#failures = 0
      this.#accept(response, fetch)
    } catch (error) {
      this.#failed(fetch, error)
    } finally {
      this.#underWay.delete(`${nodeId}/${kind}`)
      for (const each of partitions) if (each.fetch === fetch) each.fetch = undefined
      this.wake()
    }
  }

  #request(fetch: Underway): Promise<ResponseOf<typeof apis.fetch>> {
    const { client, lane, settings } = this.#options
    const { nodeId, kind } = fetch
    const maxWaitMs = kind === 'poll' ? settings.maxWaitMs : 0
    return client.request(
      apis.fetch,
      (version) => this.#body(version, fetch, maxWaitMs),
      { nodeId },
      {
        signal: this.#abort.signal,
        lane: laneOf(kind, lane),
        timeoutMs: maxWaitMs + networkSlackMs,
      },
    )
  }

  #body(version: number, fetch: Underway, maxWaitMs: number) {
    const { client, settings } = this.#options
    const { maxBytes, partitionMaxBytes } = fetch
    const topics = new Map<string, AssignedPartition[]>()
    for (const each of fetch.partitions) {
      const list = topics.get(each.topic)
      if (list) list.push(each)
      else topics.set(each.topic, [each])
    }
    return {
      maxWaitMs,
      minBytes: settings.minBytes,
      maxBytes,
      isolationLevel: isolationLevels[settings.isolation],
      topics: [...topics].map(([topic, list]) => ({
        ...(version >= 13 ? { topicId: client.metadata.cached(topic)!.topicId } : { topic }),
        partitions: list.map(({ partition, position }) => ({
          partition,
          fetchOffset: position!,
          partitionMaxBytes,
        })),
      })),
    }
  }

  #accept(response: ResponseOf<typeof apis.fetch>, fetch: Underway): void {
    const names = this.#namesById(fetch)
    let memory: AnswerMemory | undefined
    let accepted = 0
    this.#answers += 1
    this.#lastBytes = 0
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? names.get(topicId) : topic
      if (name === undefined) continue
      for (const answer of partitions) {
        const each = fetch.asked.get(
          partitionKey({ topic: name, partition: answer.partitionIndex }),
        )
        // A seek or the end of the assignment has overtaken this answer.
        if (each === undefined || each.over || each.fetch !== fetch) continue
        memory ??= this.#memoryOf(answer)
        this.#lastBytes += answer.records?.length ?? 0
        if (this.#acceptPartition(each, answer, memory)) accepted += 1
      }
    }
    // Who got nothing because the answer was full is not at the end; but nobody is asked in vain
    // again and again.
    for (const each of accepted === 0 ? fetch.partitions : []) each.caughtUp = true
    const { prefetchBytes } = this.#options.settings
    if (this.#memory.heldBytes > prefetchBytes / 2) this.#compact()
    this.#options.onRecords()
  }

  /** All of an answer is in one buffer, which stays as long as any part of it. */
  #memoryOf({ records }: FetchedPartition): AnswerMemory | undefined {
    return records === null ? undefined : this.#memory.answer(records)
  }

  #compact(): void {
    for (const each of this.#options.partitions()) each.compact(this.#memory)
  }

  #namesById({ partitions }: Underway): Map<string, string> {
    const known = partitions
      .map(({ topic }) => this.#options.client.metadata.cached(topic))
      .filter((topic): topic is TopicMetadata => topic !== undefined)
    return new Map(known.map(({ topicId, name }) => [topicId, name]))
  }

  /** True when it has brought records. */
  #acceptPartition(
    partition: AssignedPartition,
    answer: FetchedPartition,
    memory: AnswerMemory | undefined,
  ): boolean {
    const { errorCode, records } = answer
    const end = this.#isCommittedOnly ? answer.lastStableOffset : answer.highWatermark
    if (errorCode !== 0) {
      this.#refused(partition, errorCode)
      return false
    }
    partition.highWatermark = end
    partition.isBeyondLog = false
    const before = partition.position
    if (records !== null && records.length > 0) this.#add(partition, answer, memory!)
    partition.caughtUp = partition.position! >= end
    if (partition.position === before) return false
    partition.servedAt = this.#answers
    return true
  }

  #add(
    partition: AssignedPartition,
    { records, abortedTransactions }: FetchedPartition,
    memory: AnswerMemory,
  ): void {
    const isAllKept = !this.#isCommittedOnly || !abortedTransactions?.length
    try {
      const aborted = isAllKept ? undefined : new AbortedTransactions(abortedTransactions)
      partition.add(records!, memory, aborted)
    } catch (cause) {
      const { topic, partition: index, position } = partition
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `${topic}-${index}: what was fetched at offset ${position} is no record batch (${reason}).`
      const details = { topic, partition: index, offset: position }
      partition.fail(new ClientError('KFK_CLIENT_INVALID_DATA', message, { cause, details }))
    }
  }

  #refused(partition: AssignedPartition, errorCode: number): void {
    const { topic, partition: index, position } = partition
    if (errorCode === offsetOutOfRange) {
      this.#options.onOutOfRange(partition)
      return
    }
    const error = kafkaError(errorCode, null, { topic, partition: index, offset: position })
    const mayPass = error.retriable || leaderErrors.has(errorCode) || errorCode === unknownError
    if (!mayPass || errorCode === corruptMessage) {
      partition.fail(error)
      return
    }
    this.#delay([partition])
    if (leaderErrors.has(errorCode)) this.#leaders.find([partition])
  }

  /** The broker may be gone: its partitions may have another leader by now. */
  #failed(fetch: Underway, error: unknown): void {
    const { client } = this.#options
    if (this.#abort.signal.aborted) return
    const current = fetch.partitions.filter((each) => each.fetch === fetch)
    if (error instanceof ClientError && error.retriable) {
      client.logger.debug('fetch will be repeated', { nodeId: fetch.nodeId, error })
      this.#delay(current)
      this.#failures += 1
      this.#leaders.find(current)
      return
    }
    for (const each of current) each.fail(asClientError(error))
    this.#options.onRecords()
  }

  #delay(partitions: readonly AssignedPartition[]): void {
    const { client } = this.#options
    const waitMs = backoffMs(client.retryPolicy, this.#failures, client.random)
    for (const each of partitions) each.notBeforeMs = client.clock.monotonicMs() + waitMs
  }
}

function laneOf(kind: FetchKind, lane: number): string {
  return kind === 'poll' ? `fetch:${lane}` : `fetch:${lane}:rush`
}

function asClientError(error: unknown): ClientError {
  if (error instanceof ClientError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new ClientError(
    'KFK_CLIENT_NOT_KAFKA',
    `The answer to a fetch cannot be read: ${reason}`,
    {
      cause: error,
    },
  )
}
