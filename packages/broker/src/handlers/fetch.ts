import { apis, batches, errorCodes } from '@kfk/protocol'
import type { AbortedTransaction, LogSlice } from '@kfk/log-store'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import {
  answersLater,
  defineHandler,
  type AnswerMemory,
  type Handler,
  type Partition,
  type RequestContext,
} from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import { checkLeaderEpoch } from './epoch-check.js'
import { currentLeader, leaderEndpoints } from './leader-hints.js'
import type { Writable } from './writable.js'

type Request = RequestOf<typeof apis.fetch>
type Response = Writable<ResponseInput<typeof apis.fetch>>
type TopicResponse = Response['responses'][number]
type PartitionResponse = TopicResponse['partitions'][number]
/** A response, or one that comes when there is something to read. */
type Outcome = Response | typeof answersLater
type PartitionRequest = Request['topics'][number]['partitions'][number]

/** From here on topics are named by id. */
const byId = 13
/** From here on zstd is allowed (KIP-110). */
const zstdSince = 10
/** From here on a response may say who leads (KIP-951), and since 16 where that is. */
const leaderHintSince = 12
const endpointsSince = 16
/** Isolation level (KIP-98): nothing of transactions that are open or were aborted. */
const readCommitted = 1
const noRecords = new Uint8Array(0)
/** Reads of up to so many bytes, in memory that is used again. */
const pooledReadBytesMin = 16 * 1024
const pooledReadBytesMax = 4 * 1024 * 1024

/** One partition of a fetch: what is asked, where it is, and what has been read. */
interface Target {
  readonly topicName: string
  readonly topicId: string
  readonly request: PartitionRequest
  partition: Partition | number
  /** `committedBytes` of the partition just before the last reading. */
  committedBefore: number
  response: PartitionResponse
}

/**
 * One Fetch request: reads, and when that gives too little, waits in purgatory and reads once more.
 */
class Fetching {
  readonly #context: RequestContext
  readonly #request: Request
  readonly #targets: Target[] = []
  #next = 0
  #readBytes = 0
  #failed = false

  constructor(context: RequestContext, request: Request) {
    this.#context = context
    this.#request = request
  }

  run(): Outcome | Promise<Outcome> {
    const opening = this.#resolve()
    if (opening !== undefined) return opening.then(() => this.#readOrWait())
    const reading = this.#readAll()
    if (reading !== undefined) return reading.then(() => this.#answerOrWait())
    return this.#answerOrWait()
  }

  /** Finds the partitions; a promise when some have to be opened first. */
  #resolve(): Promise<unknown> | undefined {
    const { partitions, cluster } = this.#context.services
    const named = this.#context.apiVersion < byId
    const opening: Promise<unknown>[] = []
    for (const topic of this.#request.topics) {
      const topicName = named ? topic.topic : (cluster.topicById(topic.topicId)?.name ?? '')
      for (const request of topic.partitions) {
        const found = named
          ? partitions.local(topic.topic, request.partition)
          : partitions.localById(topic.topicId, request.partition)
        const target: Target = {
          topicName,
          topicId: topic.topicId,
          request,
          partition: found ?? errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
          committedBefore: 0,
          response: failure(request.partition, 0),
        }
        this.#targets.push(target)
        if (found !== undefined) continue
        const opened = partitions.open(topicName, request.partition)
        opening.push(opened.then((partition) => (target.partition = partition)))
      }
    }
    return opening.length === 0 ? undefined : Promise.all(opening)
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
    this.#next = 0
    this.#readBytes = 0
    this.#failed = false
    return this.#readOn()
  }

  #readOn(): Promise<void> | undefined {
    while (this.#next < this.#targets.length) {
      const target = this.#targets[this.#next++]!
      const slice = this.#read(target)
      if (slice instanceof Promise) return this.#readOnAfter(target, slice)
      const taking = slice && this.#take(target, slice)
      if (taking !== undefined) return this.#readOnAfter(target, taking)
    }
    return undefined
  }

  async #readOnAfter(target: Target, pending: Promise<LogSlice | undefined>): Promise<void> {
    try {
      const slice = await pending
      if (slice !== undefined) await this.#take(target, slice)
    } catch (error) {
      this.#fail(target, toErrorCode(error))
    }
    await this.#readOn()
  }

  /** Undefined when the target has its response already. */
  #read(target: Target): LogSlice | Promise<LogSlice> | undefined {
    const { partition, request } = target
    const from = request.fetchOffset
    const refusal = refuses(partition, request)
    if (refusal !== errorCodes.NONE || typeof partition === 'number') {
      this.#fail(target, refusal)
      return undefined
    }
    target.committedBefore = partition.committedBytes
    const left = this.#maxBytes() - this.#readBytes
    const maxBytes = Math.min(request.partitionMaxBytes, left)
    // The first batch of the whole answer comes whatever its size, or a small limit would stop a
    // consumer for good (KIP-74).
    const minOneBatch = this.#readBytes === 0
    const maxOffset = this.#committedOnly ? partition.lastStableOffset : partition.highWatermark
    if (from >= maxOffset || (maxBytes <= 0 && !minOneBatch)) {
      this.#succeed(target, noRecords)
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
      this.#fail(target, toErrorCode(error))
      return undefined
    }
  }

  #maxBytes(): number {
    return Math.min(this.#request.maxBytes, this.#context.services.config.number('fetch.max.bytes'))
  }

  get #committedOnly(): boolean {
    return this.#request.isolationLevel === readCommitted
  }

  /** A promise when the aborted transactions have to be read first. */
  #take(target: Target, slice: LogSlice): Promise<undefined> | undefined {
    if (this.#context.apiVersion < zstdSince && holdsZstd(slice.bytes)) {
      this.#fail(target, errorCodes.UNSUPPORTED_COMPRESSION_TYPE)
      return undefined
    }
    this.#readBytes += slice.bytes.length
    this.#succeed(target, slice.bytes)
    if (!this.#committedOnly || slice.bytes.length === 0) return undefined
    const { log } = target.partition as Partition
    const { fetchOffset } = target.request
    const aborted = log.abortedTransactionsNow(fetchOffset, slice.nextOffset)
    if (aborted !== undefined) {
      target.response.abortedTransactions = aborted.map(abortedTransaction)
      return undefined
    }
    return log.abortedTransactions(fetchOffset, slice.nextOffset).then((read) => {
      target.response.abortedTransactions = read.map(abortedTransaction)
      return undefined
    })
  }

  #succeed(target: Target, records: Uint8Array): void {
    target.response = success(target, target.partition as Partition, records)
    if (this.#committedOnly) target.response.abortedTransactions = []
  }

  #fail(target: Target, errorCode: number): void {
    this.#failed = true
    target.response = failure(target.request.partition, errorCode)
    const { partition } = target
    if (typeof partition === 'number') return
    target.response.highWatermark = partition.highWatermark
    target.response.logStartOffset = partition.logStartOffset
  }

  #answerOrWait(): Outcome {
    const { maxWaitMs, minBytes } = this.#request
    const enough = this.#readBytes >= minBytes || this.#failed || this.#targets.length === 0
    return enough || maxWaitMs <= 0 ? this.#answer() : this.#wait()
  }

  #wait(): typeof answersLater {
    const { purgatory } = this.#context.services
    const keys = new Set(this.#targets.map(({ partition }) => (partition as Partition).key))
    purgatory.watch({
      keys: [...keys],
      timeoutMs: this.#request.maxWaitMs,
      tryComplete: () => {
        if (this.#bytesToCome() < this.#request.minBytes) return false
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
    for (const target of this.#targets) target.partition = this.#stillServed(target)
    const reading = this.#readAll()
    if (reading === undefined) context.answer(this.#answer())
    else void reading.then(() => context.answer(this.#answer()))
  }

  #stillServed({ partition, topicName, request }: Target): Partition | number {
    const found = this.#context.services.partitions.local(topicName, request.partition)
    if (typeof found === 'number') return found
    return found === partition ? partition : errorCodes.NOT_LEADER_OR_FOLLOWER
  }

  /**
   * What was read, and what has been committed since; enough for sure when a partition is not
   * served here any more.
   */
  #bytesToCome(): number {
    let bytes = this.#readBytes
    for (const target of this.#targets) {
      const { committedBytes } = target.partition as Partition
      if (typeof this.#stillServed(target) === 'number') return Infinity
      bytes += committedBytes - target.committedBefore
    }
    return bytes
  }

  #answer(): Response {
    const { apiVersion, services } = this.#context
    const responses: TopicResponse[] = []
    const leaders = new Set<number>()
    let at = 0
    for (const topic of this.#request.topics) {
      const partitions: PartitionResponse[] = []
      responses.push({ topic: topic.topic, topicId: topic.topicId, partitions })
      for (let count = topic.partitions.length; count > 0; count--) {
        const target = this.#targets[at++]!
        partitions.push(target.response)
        if (apiVersion < leaderHintSince || !wantsLeader(target.response.errorCode)) continue
        const leader = currentLeader(services.cluster, target.topicName, target.request.partition)
        if (leader === undefined) continue
        target.response.currentLeader = leader
        leaders.add(leader.leaderId)
      }
    }
    const response: Response = { throttleTimeMs: 0, responses }
    if (apiVersion >= endpointsSince && leaders.size > 0) {
      response.nodeEndpoints = leaderEndpoints(services.cluster, leaders)
    }
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

/** Why nothing can be read from there; NONE when it can. */
function refuses(partition: Partition | number, request: PartitionRequest): number {
  if (typeof partition === 'number') return partition
  const epochError = checkLeaderEpoch(partition, request.currentLeaderEpoch)
  if (epochError !== errorCodes.NONE) return epochError
  const { fetchOffset } = request
  return fetchOffset < partition.logStartOffset || fetchOffset > partition.logEndOffset
    ? errorCodes.OFFSET_OUT_OF_RANGE
    : errorCodes.NONE
}

function wantsLeader(errorCode: number | undefined): boolean {
  return (
    errorCode === errorCodes.NOT_LEADER_OR_FOLLOWER || errorCode === errorCodes.FENCED_LEADER_EPOCH
  )
}

function success(target: Target, partition: Partition, records: Uint8Array): PartitionResponse {
  return {
    partitionIndex: target.request.partition,
    errorCode: errorCodes.NONE,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.logStartOffset,
    abortedTransactions: null,
    records,
  }
}

function abortedTransaction(aborted: AbortedTransaction) {
  return { producerId: aborted.producerId, firstOffset: aborted.firstOffset }
}

function failure(partitionIndex: number, errorCode: number): PartitionResponse {
  return {
    partitionIndex,
    errorCode,
    highWatermark: -1,
    abortedTransactions: null,
    records: noRecords,
  }
}

function holdsZstd(bytes: Uint8Array): boolean {
  for (const { header } of batches(bytes)) if (header.compression === 'zstd') return true
  return false
}

/** Fetch: reads record batches as they lie in the log, and waits for them. */
export const fetch: Handler = defineHandler<typeof apis.fetch>({
  api: apis.fetch,
  versions: [4, 18],
  handle(context, request) {
    // Every fetch is a full one: no session is ever given out (KIP-227 allows that), so there is
    // none to name.
    if (request.sessionId !== 0) {
      const errorCode = errorCodes.FETCH_SESSION_ID_NOT_FOUND
      return { throttleTimeMs: 0, errorCode, responses: [] }
    }
    return new Fetching(context, request).run()
  },
})
