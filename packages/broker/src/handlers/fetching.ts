import { apis, errorCodes } from '@kfk/protocol'
import type { LogSlice } from '@kfk/log-store'
import type { RequestOf } from '@kfk/protocol'
import {
  answersLater,
  type AnswerMemory,
  type AskedPartition,
  type FetchSession,
  type Partition,
  type RequestContext,
} from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import { checkLeaderEpoch, epochEnd } from './epoch-check.js'
import {
  abortedTransactions,
  failure,
  holdsZstd,
  isNews,
  noRecords,
  responseOf,
  success,
  type FetchResponse,
  type Reading,
} from './fetch-answers.js'

type Request = RequestOf<typeof apis.fetch>
/** A response, or one that comes when there is something to read. */
export type Outcome = FetchResponse | typeof answersLater

/** From here on topics are named by id. */
export const byIdSince = 13
/** From here on zstd is allowed (KIP-110). */
const zstdSince = 10
/** Isolation level (KIP-98): nothing of transactions that are open or were aborted. */
const readCommitted = 1
/** Reads of up to so many bytes, in memory that is used again. */
const pooledReadBytesMin = 16 * 1024
const pooledReadBytesMax = 4 * 1024 * 1024

export interface FetchingOptions {
  readonly context: RequestContext
  readonly request: Request
  /** All partitions to read: those of the request, or those of its session. */
  readonly asked: readonly AskedPartition[]
  /** The session that the request goes on with, or that one is to begin with the answer. */
  readonly session: FetchSession | 'new' | undefined
}

/**
 * One Fetch request: reads, and when that gives too little, waits in purgatory and reads once more.
 */
export class Fetching {
  readonly #context: RequestContext
  readonly #request: Request
  readonly #asked: readonly AskedPartition[]
  readonly #session: FetchingOptions['session']
  /** Of the session while this is its last fetch. */
  readonly #sessionEpoch: number
  readonly #committedOnly: boolean
  readonly #maxBytes: number
  readonly #minBytes: number
  /** Why partitions are not read. */
  readonly #refusals = new Map<AskedPartition, number>()
  /** What the partitions have given; in a session, those that have nothing to say are left out. */
  #readings: Reading[] = []
  #next = 0
  #readBytes = 0
  /** There is something that the client should know of soon. */
  #urgent = false

  constructor({ context, request, asked, session }: FetchingOptions) {
    this.#context = context
    this.#request = request
    this.#asked = asked
    this.#session = session
    this.#sessionEpoch = typeof session === 'object' ? session.epoch : 0
    this.#committedOnly = request.isolationLevel === readCommitted
    const maxBytes = context.services.config.number('fetch.max.bytes')
    this.#maxBytes = Math.min(request.maxBytes, maxBytes)
    this.#minBytes = Math.min(request.minBytes, this.#maxBytes)
  }

  run(): Outcome | Promise<Outcome> {
    const opening = this.#find()
    if (opening !== undefined) return opening.then(() => this.#readOrWait())
    const reading = this.#readAll()
    if (reading !== undefined) return reading.then(() => this.#answerOrWait())
    return this.#answerOrWait()
  }

  /** Finds the partitions; a promise when some have to be opened first. */
  #find(): Promise<unknown> | undefined {
    const opening: Promise<unknown>[] = []
    for (const asked of this.#asked) {
      if (asked.partition !== undefined && !asked.partition.closed) continue
      const found = this.#lookUp(asked)
      if (found !== undefined) this.#found(asked, found)
      else opening.push(this.#open(asked))
    }
    return opening.length === 0 ? undefined : Promise.all(opening)
  }

  /** As `PartitionRegistry.local`. */
  #lookUp({ topic, topicId, index, foundAs }: AskedPartition): Partition | number | undefined {
    const { partitions, cluster } = this.#context.services
    if (this.#context.apiVersion < byIdSince) return partitions.local(topic, index)
    const found = partitions.localById(topicId, index)
    if (found !== errorCodes.UNKNOWN_TOPIC_ID || foundAs === undefined) return found
    // It was deleted during the session, and perhaps created again.
    return cluster.topic(foundAs) === undefined
      ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION
      : errorCodes.INCONSISTENT_TOPIC_ID
  }

  async #open(asked: AskedPartition): Promise<void> {
    const { partitions, cluster } = this.#context.services
    const name = asked.topic === '' ? cluster.topicById(asked.topicId)?.name : asked.topic
    this.#found(asked, await partitions.open(name ?? '', asked.index))
  }

  #found(asked: AskedPartition, found: Partition | number): void {
    asked.partition = typeof found === 'number' ? undefined : found
    if (typeof found === 'number') this.#refusals.set(asked, found)
    else asked.foundAs = found.topic
  }

  async #readOrWait(): Promise<Outcome> {
    await this.#readAll()
    return this.#answerOrWait()
  }

  /**
   * Reads all partitions in the order of the request; a promise when some bytes have to come from
   * the disk.
   */
  #readAll(): Promise<void> | undefined {
    this.#readings = []
    this.#next = 0
    this.#readBytes = 0
    this.#urgent = this.#refusals.size === this.#asked.length
    return this.#readOn()
  }

  #readOn(): Promise<void> | undefined {
    const inSession = typeof this.#session === 'object'
    while (this.#next < this.#asked.length) {
      const asked = this.#asked[this.#next++]!
      if (inSession && this.#isQuiet(asked)) continue
      const reading: Reading = { asked, answer: failure(asked, errorCodes.NONE) }
      this.#readings.push(reading)
      const slice = this.#read(reading)
      if (slice instanceof Promise) return this.#readOnAfter(reading, slice)
      const taking = slice && this.#take(reading, slice)
      if (taking !== undefined) return this.#readOnAfter(reading, taking)
    }
    return undefined
  }

  async #readOnAfter(reading: Reading, pending: Promise<LogSlice | undefined>): Promise<void> {
    try {
      const slice = await pending
      if (slice !== undefined) await this.#take(reading, slice)
    } catch (error) {
      this.#fail(reading, toErrorCode(error))
    }
    await this.#readOn()
  }

  /** Nothing to read, and nothing to tell that was not told before: the usual case in a session. */
  #isQuiet(asked: AskedPartition): boolean {
    const { partition, fetchOffset, currentLeaderEpoch, lastFetchedEpoch } = asked
    if (partition === undefined || partition.closed) return false
    if (lastFetchedEpoch >= 0 && lastFetchedEpoch !== partition.leaderEpoch) return false
    if (checkLeaderEpoch(partition, currentLeaderEpoch) !== errorCodes.NONE) return false
    const { highWatermark } = partition
    if (highWatermark !== asked.toldHighWatermark || fetchOffset > highWatermark) return false
    if (partition.logStartOffset !== asked.toldLogStartOffset) return false
    if (fetchOffset < this.#endOf(partition, highWatermark)) return false
    asked.committedBefore = partition.committedBytes
    return true
  }

  /** Where reading ends at this isolation level. */
  #endOf(partition: Partition, highWatermark: number): number {
    return this.#committedOnly ? partition.lastStableOffset : highWatermark
  }

  /** Undefined when there is an answer already. */
  #read(reading: Reading): LogSlice | Promise<LogSlice> | undefined {
    const { asked } = reading
    const { partition, fetchOffset: from } = asked
    const refusal = this.#refuses(asked)
    if (refusal !== errorCodes.NONE || partition === undefined) {
      this.#fail(reading, refusal)
      return undefined
    }
    asked.committedBefore = partition.committedBytes
    const diverging = divergence(asked, partition)
    if (typeof diverging === 'object') {
      this.#succeed(reading, noRecords)
      reading.answer.divergingEpoch = diverging
      this.#urgent = true
      return undefined
    }
    // A leader never takes back what it has: once is enough for as long as it is the leader.
    asked.lastFetchedEpoch = -1
    const isWithin = from >= partition.logStartOffset && from <= partition.logEndOffset
    if (diverging !== errorCodes.NONE || !isWithin) {
      this.#fail(reading, errorCodes.OFFSET_OUT_OF_RANGE)
      return undefined
    }
    if (asked.partitionMaxBytes < 0 || this.#maxBytes < 0) {
      this.#fail(reading, errorCodes.UNKNOWN_SERVER_ERROR)
      return undefined
    }
    const left = this.#maxBytes - this.#readBytes
    const maxBytes = Math.min(asked.partitionMaxBytes, left)
    // The first batch of the whole answer comes whatever its size, or a small limit would stop a
    // consumer for good (KIP-74).
    const minOneBatch = this.#readBytes === 0
    const maxOffset = this.#endOf(partition, partition.highWatermark)
    if (from >= maxOffset || (maxBytes <= 0 && !minOneBatch)) {
      this.#succeed(reading, noRecords)
      return undefined
    }
    try {
      const { memory } = this.#context
      const request = { from, maxBytes: Math.max(0, maxBytes), minOneBatch, maxOffset }
      const pooled = maxBytes >= pooledReadBytesMin && maxBytes <= pooledReadBytesMax
      if (!pooled) return partition.read(request)
      const into = memory.take(maxBytes)
      const slice = partition.read({ ...request, into })
      if (!(slice instanceof Promise)) return compact(slice, into, memory)
      // Where a read fails, its memory is left alone: it may not be over.
      return slice.then((read) => compact(read, into, memory))
    } catch (error) {
      this.#fail(reading, toErrorCode(error))
      return undefined
    }
  }

  /** Why nothing is read there whatever the offset; NONE when it can be. */
  #refuses(asked: AskedPartition): number {
    const { partition } = asked
    const refusal = this.#refusals.get(asked)
    if (refusal !== undefined) return refusal
    // Nobody follows: replicas are of no use yet.
    const { replicaId, replicaState } = this.#request
    if (replicaId >= 0 || replicaState.replicaId >= 0) return errorCodes.NOT_LEADER_OR_FOLLOWER
    if (partition === undefined || partition.closed) {
      const found = this.#lookUp(asked)
      return typeof found === 'number' ? found : errorCodes.NOT_LEADER_OR_FOLLOWER
    }
    return checkLeaderEpoch(partition, asked.currentLeaderEpoch)
  }

  /** A promise when the aborted transactions have to be read first. */
  #take(reading: Reading, slice: LogSlice): Promise<undefined> | undefined {
    if (this.#context.apiVersion < zstdSince && holdsZstd(slice.bytes)) {
      this.#fail(reading, errorCodes.UNSUPPORTED_COMPRESSION_TYPE)
      return undefined
    }
    this.#readBytes += slice.bytes.length
    this.#succeed(reading, slice.bytes)
    if (!this.#committedOnly || slice.bytes.length === 0) return undefined
    const { answer, asked } = reading
    const { log } = asked.partition!
    const aborted = log.abortedTransactionsNow(asked.fetchOffset, slice.nextOffset)
    if (aborted !== undefined) {
      answer.abortedTransactions = abortedTransactions(aborted)
      return undefined
    }
    return log.abortedTransactions(asked.fetchOffset, slice.nextOffset).then((read) => {
      answer.abortedTransactions = abortedTransactions(read)
      return undefined
    })
  }

  #succeed(reading: Reading, records: Uint8Array): void {
    reading.answer = success(reading.asked, reading.asked.partition!, records)
    if (this.#committedOnly) reading.answer.abortedTransactions = []
  }

  #fail(reading: Reading, errorCode: number): void {
    reading.answer = failure(reading.asked, errorCode)
    // A topic that is not there (yet) does not hurry those who wait for others, as in Kafka.
    if (isUnknown(errorCode)) reading.answer.abortedTransactions = []
    else this.#urgent = true
  }

  #answerOrWait(): Outcome {
    const { maxWaitMs } = this.#request
    const enough = this.#readBytes >= this.#minBytes || this.#urgent || this.#asked.length === 0
    return enough || maxWaitMs <= 0 ? this.#answer() : this.#wait()
  }

  #wait(): typeof answersLater {
    const keys: string[] = []
    for (const { partition } of this.#asked) if (partition !== undefined) keys.push(partition.key)
    this.#context.services.purgatory.watch({
      keys,
      timeoutMs: this.#request.maxWaitMs,
      tryComplete: () => {
        if (!this.#hasEnough()) return false
        this.#finish()
        return true
      },
      expire: () => this.#finish(),
    })
    return answersLater
  }

  /** What was waited for has come, or its time is over. */
  #finish(): void {
    const context = this.#context
    // Nobody is left to read for.
    if (context.signal.aborted) return
    const reading = this.#readAll()
    if (reading === undefined) context.answer(this.#answer())
    else void reading.then(() => context.answer(this.#answer()))
  }

  /**
   * By what was read, and what has been committed since; sure when a partition is not served here
   * any more.
   */
  #hasEnough(): boolean {
    let bytes = this.#readBytes
    for (const { partition, committedBefore, fetchOffset } of this.#asked) {
      if (partition === undefined) continue
      if (partition.closed) return true
      const came = partition.committedBytes - committedBefore
      if (came <= 0) continue
      // What belongs to an open transaction cannot be read yet.
      if (this.#committedOnly && partition.lastStableOffset <= fetchOffset) continue
      bytes += came
      if (bytes >= this.#minBytes) return true
    }
    return false
  }

  #answer(): FetchResponse {
    const { apiVersion, services } = this.#context
    const session = this.#session
    if (typeof session === 'object') return this.#answerWithin(session)
    const readings = this.#readings
    const response = responseOf(readings, apiVersion, services.cluster)
    if (session === undefined) return response
    for (const reading of readings) isNews(reading)
    response.sessionId = services.fetchSessions.open(this.#asked, apiVersion >= byIdSince)
    return response
  }

  #answerWithin(session: FetchSession): FetchResponse {
    const { apiVersion, services } = this.#context
    if (session.epoch !== this.#sessionEpoch) {
      // Another fetch has overtaken this one.
      const errorCode = errorCodes.INVALID_FETCH_SESSION_EPOCH
      return { throttleTimeMs: 0, errorCode, sessionId: session.id, responses: [] }
    }
    const news = this.#readings.filter(isNews)
    const served = new Set<AskedPartition>()
    for (const { asked, answer } of news) if (answer.records!.length > 0) served.add(asked)
    if (served.size > 0) session.servedLast(served)
    const response = responseOf(news, apiVersion, services.cluster)
    response.sessionId = session.id
    return response
  }
}

/** What was read, without holding up more memory than it needs: it may wait for a slow reader. */
function compact(slice: LogSlice, into: Uint8Array, memory: AnswerMemory): LogSlice {
  const { bytes } = slice
  const within = bytes.buffer === into.buffer
  if (within && bytes.length * 2 >= into.length) return slice
  const kept = within ? { ...slice, bytes: memory.copyOf(bytes) } : slice
  memory.give(into)
  return kept
}

/**
 * Where the log parts from that of a reader whose last record is of `lastFetchedEpoch` (KIP-595);
 * NONE where it does not, or none is named; an error code when the epoch is not known.
 */
function divergence(
  { fetchOffset, lastFetchedEpoch }: AskedPartition,
  partition: Partition,
): { epoch: number; endOffset: number } | number {
  if (lastFetchedEpoch < 0 || fetchOffset < partition.logStartOffset) return errorCodes.NONE
  const { leaderEpoch, endOffset } = epochEnd(partition, lastFetchedEpoch)
  if (leaderEpoch < 0 || endOffset < 0) return errorCodes.OFFSET_OUT_OF_RANGE
  if (leaderEpoch >= lastFetchedEpoch && endOffset >= fetchOffset) return errorCodes.NONE
  return { epoch: leaderEpoch, endOffset }
}

function isUnknown(errorCode: number): boolean {
  return (
    errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION || errorCode === errorCodes.UNKNOWN_TOPIC_ID
  )
}
