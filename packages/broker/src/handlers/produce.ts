import { apis, errorCodes, readBatchHeader } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import {
  type AdmissionVerdict,
  type Answer,
  answersLater,
  type CommitWaiter,
  defineHandler,
  type Handler,
  type Partition,
  type PartitionAppendResult,
  type RequestContext,
  type TimerHandle,
} from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import type { TransactionInput } from '../transaction/transaction-api.js'
import { currentLeader, leaderEndpoints } from './leader-hints.js'
import type { Writable } from './writable.js'

type Request = RequestOf<typeof apis.produce>
type Response = Writable<ResponseInput<typeof apis.produce>>
type TopicRequest = Request['topicData'][number]
type PartitionRequest = TopicRequest['partitionData'][number]
type PartitionResponse = Response['responses'][number]['partitionResponses'][number]

/**
 * Older versions carry older record formats; they are listed because clients look for them
 * (KIP-896).
 */
const firstServed = 3
/** From here on topics are named by id. */
const byId = 13
/** From here on zstd is allowed (KIP-110). */
const zstdSince = 7
/** The client knows TRANSACTION_ABORTABLE, and writing adds a partition (KIP-890). */
const abortableSince = 11
const addsSince = 12

const fromClient = { origin: 'client' } as const

/** One batch of a transactional request. */
interface Write {
  readonly name: string
  readonly topicId: string
  readonly index: number
  readonly records: Uint8Array | null
  readonly response: PartitionResponse
}

/** A partition whose records wait to be committed. */
class Uncommitted implements CommitWaiter {
  readonly offset: number
  readonly response: PartitionResponse
  settled = false
  readonly #production: Production

  constructor(production: Production, offset: number, response: PartitionResponse) {
    this.#production = production
    this.offset = offset
    this.response = response
  }

  committed(failure?: Error): void {
    if (this.settled) return
    this.settled = true
    if (failure !== undefined) fail(this.response, toErrorCode(failure))
    this.#production.settled()
  }
}

/**
 * One Produce request. Everything that is open is appended on the spot, in the order of the
 * request, so that pipelined requests keep theirs; the answer waits until all of it is committed
 * (acks 1 and -1 alike at replication factor 1).
 */
class Production {
  readonly #context: RequestContext
  readonly #request: Request
  readonly #response: Response = { responses: [] }
  #uncommitted: Uncommitted[] | undefined
  #unsettled = 0
  /** The answer waits for the commits alone. */
  #waiting = false
  #timer: TimerHandle | undefined

  constructor(context: RequestContext, request: Request) {
    this.#context = context
    this.#request = request
  }

  /** Appends, and answers at once or when all is committed. */
  run(): Answer<typeof apis.produce> | Promise<Answer<typeof apis.produce>> {
    const { transactionalId } = this.#request
    if (transactionalId !== null) {
      const producer = transactionalProducer(this.#request)
      if (producer !== undefined) return this.#runInTransaction({ transactionalId, ...producer })
    }
    let opening: Promise<void>[] | undefined
    for (const topic of this.#request.topicData) {
      const partitionResponses: PartitionResponse[] = []
      this.#response.responses.push({
        name: topic.name,
        topicId: topic.topicId,
        partitionResponses,
      })
      for (const data of topic.partitionData) {
        const response: PartitionResponse = { index: data.index, errorCode: 0, baseOffset: -1 }
        partitionResponses.push(response)
        const opened = this.#produce(topic, data, response)
        if (opened !== undefined) (opening ??= []).push(opened)
      }
    }
    if (opening === undefined) return this.#outcome()
    return Promise.all(opening).then(() => this.#outcome())
  }

  /** All of it waits until the partitions are a part of the transaction. */
  #runInTransaction(
    transaction: TransactionInput,
  ): Answer<typeof apis.produce> | Promise<Answer<typeof apis.produce>> {
    const writes: Write[] = []
    for (const { name, topicId, partitionData } of this.#request.topicData) {
      const partitionResponses: PartitionResponse[] = []
      this.#response.responses.push({ name, topicId, partitionResponses })
      for (const { index, records } of partitionData) {
        const response: PartitionResponse = { index, errorCode: 0, baseOffset: -1 }
        partitionResponses.push(response)
        const refusal = refusedRecords(records, this.#context.apiVersion)
        if (refusal === undefined) writes.push({ name, topicId, index, records, response })
        else Object.assign(response, refusal)
      }
    }
    const { apiVersion, services } = this.#context
    const places = new Map<Write, Partition | number>()
    const adds = apiVersion >= addsSince
    const knowsAbortable = apiVersion >= abortableSince
    const partitions = () => this.#placesOf(writes, places)
    const turn = services.transactions.admit(
      { ...transaction, adds, knowsAbortable, partitions },
      (verdict) => {
        for (const write of writes) {
          const place = places.get(write)!
          const code = typeof place === 'number' ? place : verdict.errorCode(place)
          if (code !== errorCodes.NONE) fail(write.response, code)
          else this.#append(place, write.records!, write.response, verdict)
        }
      },
    )
    return turn === undefined ? this.#outcome() : turn.then(() => this.#outcome())
  }

  /** Fills in where each write goes; answers the partitions that are led here. */
  #placesOf(
    writes: readonly Write[],
    places: Map<Write, Partition | number>,
  ): readonly Partition[] | Promise<readonly Partition[]> {
    const { partitions, cluster } = this.#context.services
    const opening: Promise<unknown>[] = []
    for (const write of writes) {
      const named = this.#context.apiVersion < byId
      const found = named
        ? partitions.local(write.name, write.index)
        : partitions.localById(write.topicId, write.index)
      if (found !== undefined) {
        places.set(write, found)
        continue
      }
      const name = named ? write.name : cluster.topicById(write.topicId)!.name
      opening.push(partitions.open(name, write.index).then((opened) => places.set(write, opened)))
    }
    const led = () => [...places.values()].filter((place) => typeof place !== 'number')
    return opening.length === 0 ? led() : Promise.all(opening).then(led)
  }

  #produce(
    topic: TopicRequest,
    data: PartitionRequest,
    response: PartitionResponse,
  ): Promise<void> | undefined {
    const refusal = refusedRecords(data.records, this.#context.apiVersion)
    if (refusal !== undefined) {
      response.errorCode = refusal.errorCode
      response.errorMessage = refusal.errorMessage
      return undefined
    }
    const { partitions, cluster } = this.#context.services
    const named = this.#context.apiVersion < byId
    const found = named
      ? partitions.local(topic.name, data.index)
      : partitions.localById(topic.topicId, data.index)
    if (found !== undefined) {
      this.#append(found, data.records!, response)
      return undefined
    }
    const name = named ? topic.name : cluster.topicById(topic.topicId)!.name
    return partitions
      .open(name, data.index)
      .then((opened) => this.#append(opened, data.records!, response))
  }

  #append(
    partition: Partition | number,
    records: Uint8Array,
    response: PartitionResponse,
    verdict?: AdmissionVerdict,
  ): void {
    if (typeof partition === 'number') {
      response.errorCode = partition
      return
    }
    const result =
      verdict === undefined
        ? partition.append(records, fromClient)
        : partition.append(records, { ...fromClient, verified: verdict.verification(partition) })
    fill(response, result)
    if (result.errorCode !== errorCodes.NONE || this.#request.acks === 0) return
    const committed = result.lastOffset + 1
    if (partition.highWatermark >= committed) return
    const waiting = new Uncommitted(this, committed, response)
    if (this.#uncommitted === undefined) this.#uncommitted = [waiting]
    else this.#uncommitted.push(waiting)
    this.#unsettled++
    partition.onceCommitted(waiting)
  }

  /** One of its partitions is committed, or never will be. */
  settled(): void {
    this.#unsettled--
    if (this.#unsettled === 0 && this.#waiting) this.#end()
  }

  /** What there is to answer now. */
  #outcome(): Answer<typeof apis.produce> {
    if (this.#request.acks === 0) {
      this.#tellFailure()
      return undefined
    }
    if (this.#unsettled === 0) return this.#completed()
    this.#waiting = true
    const timeoutMs = Math.max(0, this.#request.timeoutMs)
    this.#timer = this.#context.services.clock.setTimer(timeoutMs, () => this.#timeOut())
    return answersLater
  }

  #timeOut(): void {
    for (const waiting of this.#uncommitted ?? []) {
      if (!waiting.settled) fail(waiting.response, errorCodes.REQUEST_TIMED_OUT)
      waiting.settled = true
    }
    this.#end()
  }

  #end(): void {
    this.#timer?.cancel()
    this.#context.answer(this.#completed())
  }

  /**
   * Without acks there is no response to carry an error; a lost connection makes the producer look
   * at the metadata again.
   */
  #tellFailure(): void {
    const failed = this.#response.responses
      .flatMap((topic) => topic.partitionResponses)
      .find(({ errorCode }) => errorCode !== errorCodes.NONE)
    if (failed === undefined) return
    const reason = failed.errorMessage ?? `error code ${failed.errorCode}`
    this.#context.disconnect(`a Produce request with acks=0 failed: ${reason}`)
  }

  /** Adds to the response where to go instead (KIP-951). */
  #completed(): Response {
    const leaders = new Set<number>()
    if (this.#context.apiVersion < 10) return this.#response
    const { cluster } = this.#context.services
    for (const topic of this.#response.responses) {
      for (const partition of topic.partitionResponses) {
        if (partition.errorCode !== errorCodes.NOT_LEADER_OR_FOLLOWER) continue
        const name = topic.name || cluster.topicById(topic.topicId ?? '')?.name
        const leader = name && currentLeader(cluster, name, partition.index)
        if (!leader) continue
        partition.currentLeader = leader
        leaders.add(leader.leaderId)
      }
    }
    if (leaders.size > 0) this.#response.nodeEndpoints = leaderEndpoints(cluster, leaders)
    return this.#response
  }
}

/** Of the first transactional batch; the others are of the same, or refused. */
function transactionalProducer(
  request: Request,
): { producerId: bigint; producerEpoch: number } | undefined {
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) {
      try {
        const header = records === null ? undefined : readBatchHeader(records)
        if (header?.isTransactional) return header
      } catch {
        // Not a batch: the validation of the append says what is wrong with it.
      }
    }
  }
  return undefined
}

function refusedRecords(
  records: Uint8Array | null,
  apiVersion: number,
): { errorCode: number; errorMessage: string } | undefined {
  if (records === null || records.length === 0) {
    return {
      errorCode: errorCodes.INVALID_RECORD,
      errorMessage: 'A partition takes exactly one record batch of a request',
    }
  }
  if (apiVersion >= zstdSince) return undefined
  try {
    if (readBatchHeader(records).compression !== 'zstd') return undefined
  } catch {
    // Not a batch: the validation of the append says what is wrong with it.
    return undefined
  }
  return {
    errorCode: errorCodes.UNSUPPORTED_COMPRESSION_TYPE,
    errorMessage: `zstd needs Produce version ${zstdSince} or later`,
  }
}

function fill(response: PartitionResponse, result: PartitionAppendResult): void {
  response.errorCode = result.errorCode
  response.baseOffset = result.baseOffset
  response.logAppendTimeMs = result.logAppendTimeMs
  response.logStartOffset = result.logStartOffset
  if (result.errorMessage !== undefined) response.errorMessage = result.errorMessage
  if (result.recordErrors !== undefined) response.recordErrors = [...result.recordErrors]
}

function fail(response: PartitionResponse, errorCode: number): void {
  response.errorCode = errorCode
  response.baseOffset = -1
  response.logAppendTimeMs = -1
}

function everyPartition(request: Request, errorCode: number): Response {
  return {
    responses: request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
    })),
  }
}

/** Produce: appends record batches. */
export const produce: Handler = defineHandler<typeof apis.produce>({
  api: apis.produce,
  versions: [0, 13],
  pipelined: true,
  lends: true,
  handle(context, request) {
    if (context.apiVersion < firstServed) {
      context.disconnect(`Produce version ${context.apiVersion} is not served any more`)
      return undefined
    }
    if (request.acks < -1 || request.acks > 1) {
      return everyPartition(request, errorCodes.INVALID_REQUIRED_ACKS)
    }
    return new Production(context, request).run()
  },
})
