import { backoffMs, ClientError, EarliestTimer, kafkaError, type Client } from '@kfk/client'
import { AbortedTransactions, apis, type ResponseOf } from '@kfk/protocol'
import type { AssignedPartition } from './assigned-partition.js'
import { planFetches, type FetchKind, type PlannedFetch } from './fetch-plan.js'
import { FetchSession, type SessionFetch, type Wanted } from './fetch-session.js'
import { LeaderLookup, leaderEpochOf, leaderOf } from './leader-lookup.js'
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
  /** By its key; undefined when it is not assigned. */
  readonly find: (key: string) => AssignedPartition | undefined
  /** A partition has records, or has failed. */
  readonly onRecords: () => void
  /** The position does not exist in the log (any more). */
  readonly onOutOfRange: (partition: AssignedPartition) => void
  /** What was read is not what the log has now, from `endOffset` on. */
  readonly onDiverging: (partition: AssignedPartition, endOffset: number) => void
}

type FetchResponse = ResponseOf<typeof apis.fetch>
type FetchedPartition = FetchResponse['responses'][number]['partitions'][number]

/** From here on leaders tell who has read what they do not have (KIP-595). */
const lastEpochSince = 12
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
  /** A partition that has moved or ended since knows nothing of its fetch any more. */
  readonly #underWay = new Map<string, PlannedFetch>()
  /** Of the polls, by node id. Who rushes asks for a few partitions, others each time. */
  readonly #sessions = new Map<number, FetchSession>()
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

  async #fetch(fetch: PlannedFetch): Promise<void> {
    const { nodeId, kind, partitions } = fetch
    for (const each of partitions) each.fetch = fetch
    this.#underWay.set(`${nodeId}/${kind}`, fetch)
    const session = kind === 'poll' ? this.#sessionAt(nodeId) : undefined
    try {
      const isIncremental = session?.isIncremental === true
      const response = await this.#request(fetch, session)
      const { errorCode } = response
      if (session?.answered(errorCode, response.sessionId) === true) return
      if (errorCode !== 0) throw kafkaError(errorCode)
      this.#failures = 0
      this.#accept(response, fetch)
      if (isIncremental) noteQuiet(partitions, fetch)
    } catch (error) {
      session?.failed()
      this.#failed(fetch, error)
    } finally {
      this.#underWay.delete(`${nodeId}/${kind}`)
      for (const each of partitions) if (each.fetch === fetch) each.fetch = undefined
      this.wake()
    }
  }

  #sessionAt(nodeId: number): FetchSession {
    let session = this.#sessions.get(nodeId)
    if (session === undefined) this.#sessions.set(nodeId, (session = new FetchSession()))
    return session
  }

  #request(fetch: PlannedFetch, session: FetchSession | undefined): Promise<FetchResponse> {
    const { client, lane, settings } = this.#options
    const { nodeId, kind, partitions, partitionMaxBytes } = fetch
    const maxWaitMs = kind === 'poll' ? settings.maxWaitMs : 0
    const wanted: Wanted = {
      maxBytes: partitionMaxBytes,
      topicId: (topic) => this.#topicId(topic),
      leaderEpoch: (each) => leaderEpochOf(client, each),
    }
    const asked = session?.next(partitions, wanted) ?? outsideSession(partitions)
    return client.request(
      apis.fetch,
      (version) => this.#body(version, fetch, { ...asked, maxWaitMs }),
      { nodeId },
      {
        signal: this.#abort.signal,
        lane: laneOf(kind, lane),
        timeoutMs: maxWaitMs + networkSlackMs,
      },
    )
  }

  #body(version: number, fetch: PlannedFetch, asked: SessionFetch & { maxWaitMs: number }) {
    const { client, settings } = this.#options
    const { maxBytes, partitionMaxBytes } = fetch
    const { maxWaitMs, sessionId, sessionEpoch } = asked
    const topics = grouped(asked.asked)
    return {
      maxWaitMs,
      minBytes: settings.minBytes,
      maxBytes,
      sessionId,
      sessionEpoch,
      isolationLevel: isolationLevels[settings.isolation],
      topics: [...topics].map(([topic, list]) => ({
        ...(version >= 13 ? { topicId: this.#topicId(topic) } : { topic }),
        partitions: list.map((each) => ({
          partition: each.partition,
          currentLeaderEpoch: leaderEpochOf(client, each),
          fetchOffset: each.position!,
          lastFetchedEpoch: version >= lastEpochSince ? each.lastEpoch : -1,
          partitionMaxBytes,
        })),
      })),
      forgottenTopicsData: [...grouped(asked.forgotten)].map(([topic, list]) => ({
        ...(version >= 13 ? { topicId: list[0]!.topicId } : { topic }),
        partitions: list.map(({ partition }) => partition),
      })),
    }
  }

  #topicId(topic: string): string {
    return this.#options.client.metadata.cached(topic)!.topicId
  }

  #accept(response: FetchResponse, fetch: PlannedFetch): void {
    const names = response.responses.length === 0 ? undefined : this.#namesById(fetch)
    let memory: AnswerMemory | undefined
    let accepted = 0
    this.#answers += 1
    this.#lastBytes = 0
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? names!.get(topicId) : topic
      if (name === undefined) continue
      for (const answer of partitions) {
        const key = partitionKey({ topic: name, partition: answer.partitionIndex })
        const each = this.#options.find(key)
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

  #namesById({ partitions }: PlannedFetch): Map<string, string> {
    const names = new Map<string, string>()
    let last: string | undefined
    for (const { topic } of partitions) {
      if (topic === last) continue
      last = topic
      const known = this.#options.client.metadata.cached(topic)
      if (known !== undefined) names.set(known.topicId, topic)
    }
    return names
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
    const { divergingEpoch } = answer
    if (divergingEpoch.endOffset >= 0) {
      this.#options.onDiverging(partition, divergingEpoch.endOffset)
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
  #failed(fetch: PlannedFetch, error: unknown): void {
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

function outsideSession(partitions: readonly AssignedPartition[]): SessionFetch {
  return { sessionId: 0, sessionEpoch: -1, asked: partitions, forgotten: [] }
}

/** In a session an answer tells nothing of those that are where they were. */
function noteQuiet(partitions: readonly AssignedPartition[], fetch: PlannedFetch): void {
  for (const each of partitions) {
    const { position, highWatermark } = each
    if (each.fetch !== fetch || position === undefined || highWatermark === undefined) continue
    if (position >= highWatermark) each.caughtUp = true
  }
}

function grouped<T extends { readonly topic: string }>(list: readonly T[]): Map<string, T[]> {
  const topics = new Map<string, T[]>()
  for (const each of list) {
    const group = topics.get(each.topic)
    if (group) group.push(each)
    else topics.set(each.topic, [each])
  }
  return topics
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
