import { createClient, type Client, type ClientOptions } from '@kfk/client'
import {
  apis,
  encodeRecordBatch,
  type Api,
  type RequestOf,
  type ResponseInput,
} from '@kfk/protocol'
import { FakeCluster, type FakeClusterOptions } from '../../client/test/fake-broker.js'
import { ManualClock, settle } from '../../client/test/manual-clock.js'
import { createConsumer, type Consumer, type ConsumerSettings } from '../src/index.js'
import type { TopicPartition } from '../src/topic-partition.js'

type Fetch = RequestOf<typeof apis.fetch>
type FetchAsked = Fetch['topics'][number]['partitions'][number]
type FetchAnswer = ResponseInput<typeof apis.fetch>['responses'][number]['partitions'][number]

interface FakeSession {
  readonly id: number
  epoch: number
  readonly asked: Map<string, FetchAsked>
  readonly told: Map<string, number>
}

/**
 * A fake cluster that can be consumed from, with a coordinator for a group of one member. Time is the test's; answers to
 * requests are scripted by `codes`: the error codes of the next answers by API, 0 when there are none.
 */
export class ConsumerCluster {
  readonly fake: FakeCluster
  readonly clock = new ManualClock()
  readonly client: Client
  /** By `topic/partition`. */
  readonly committed = new Map<string, number>()
  readonly codes: Record<
    'heartbeat' | 'commit' | 'join' | 'sync' | 'offsetFetch' | 'list',
    number[]
  > = {
    heartbeat: [],
    commit: [],
    join: [],
    sync: [],
    offsetFetch: [],
    list: [],
  }
  /** What sync answers instead of what the leader wants. */
  share: ((generation: number) => Uint8Array | undefined) | undefined
  /** Error code of a fetch of this partition. */
  fetchCode: (topic: string, partition: number) => number = () => 0
  logStart = 0
  /** Where the log parts from what the reader of this partition has, if it does (KIP-595). */
  divergesAt: (asked: FetchAsked) => number | undefined = () => undefined
  /** Gives out fetch sessions (KIP-227), for as long as it is set. */
  sessions = false
  /** Answers a fetch as a whole, by its number in order of arrival. */
  sessionCode: (body: Fetch) => number = () => 0
  readonly #sessions = new Map<number, FakeSession>()
  #lastSession = 0
  generation = 0
  #wakePolls = new Set<() => void>()

  constructor(options: FakeClusterOptions, client: ClientOptions = {}) {
    this.fake = new FakeCluster(options)
    this.client = createClient({
      broker: this.fake,
      clock: this.clock,
      retry: { initialMs: 10, maxMs: 100 },
      ...client,
    })
    this.#serveRecords()
    this.#serveGroup()
    this.#serveOffsets()
  }

  consumer<const T extends string>(settings: ConsumerSettings<T>): Consumer<T> {
    return createConsumer({ client: this.client, from: 'earliest', ...settings })
  }

  /** One batch of these values at the end of the partition. */
  append(topic: string, partition: number, values: readonly string[]): void {
    const records = values.map((value, at) => ({ key: null, value, timestamp: 1000 + at }))
    this.appendBytes(topic, partition, encodeRecordBatch(records, {}))
  }

  /** A batch of one record whose checksum does not match. */
  appendBroken(topic: string, partition: number): void {
    const broken = encodeRecordBatch([{ key: null, value: 'x', timestamp: 1 }], {})
    broken[broken.length - 1]! ^= 1
    this.appendBytes(topic, partition, broken)
  }

  appendBytes(topic: string, partition: number, bytes: Uint8Array): void {
    this.fake.partition(topic, partition).append(bytes)
    for (const wake of [...this.#wakePolls]) wake()
  }

  /** Lets time pass until the condition holds; fails after a minute of it. */
  async until(condition: () => boolean): Promise<void> {
    for (let step = 0; !condition(); step++) {
      if (step > 600) throw new Error(`did not come about: ${condition}`)
      await settle()
      if (!condition()) await this.clock.advance(100)
    }
  }

  requestsOf<A extends Api>(api: A): RequestOf<A>[] {
    return this.fake.requestsOf(api).map(({ body }) => body as RequestOf<A>)
  }

  #serveRecords(): void {
    this.fake.respond(apis.fetch, (_request, body) => this.#fetchInSession(body))
    this.fake.respond(apis.listOffsets, (_request, { topics }) => {
      const errorCode = this.codes.list.shift() ?? 0
      return {
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, timestamp }) => ({
            partitionIndex,
            errorCode,
            timestamp: -1,
            offset: errorCode === 0 ? this.#offsetAt(name, partitionIndex, timestamp) : -1,
          })),
        })),
      }
    })
  }

  #offsetAt(topic: string, index: number, timestamp: number): number {
    const partition = this.fake.partition(topic, index)
    if (timestamp === -1) return partition.endOffset
    if (timestamp === -2) return this.logStart
    return partition.records().find((record) => record.timestamp >= timestamp)?.offset ?? -1
  }

  /** One session after another, by the rules that a broker has. */
  async #fetchInSession(body: Fetch): Promise<ResponseInput<typeof apis.fetch>> {
    const { sessionId, sessionEpoch } = body
    const errorCode = this.sessionCode(body)
    if (errorCode !== 0) return failedFetch(errorCode)
    if (!this.sessions || sessionEpoch === -1) return this.#fetch(body)
    let session = this.#sessions.get(sessionId)
    if (sessionEpoch === 0) {
      this.#sessions.delete(sessionId)
      session = { id: ++this.#lastSession, epoch: 0, asked: new Map(), told: new Map() }
      this.#sessions.set(session.id, session)
    } else if (session === undefined) return failedFetch(70)
    else if (session.epoch !== sessionEpoch) return failedFetch(71)
    session.epoch += 1
    const { asked, told } = session
    for (const { topicId, partitions } of body.topics) {
      for (const one of partitions) asked.set(`${topicId} ${one.partition}`, one)
    }
    for (const { topicId, partitions } of body.forgottenTopicsData) {
      for (const index of partitions) asked.delete(`${topicId} ${index}`)
    }
    const topics = [...asked].map(([key, one]) => ({
      ...{ topic: '', topicId: key.split(' ')[0]!, partitions: [one] },
    }))
    const response = await this.#fetch({ ...body, topics })
    const news = response.responses.filter(({ topicId, partitions: [one] }) => {
      const key = `${topicId} ${one!.partitionIndex}`
      const before = told.get(key)
      told.set(key, one!.errorCode === 0 ? one!.highWatermark : -1)
      return before !== told.get(key) || one!.errorCode !== 0 || one!.records!.length > 0
    })
    return { ...response, sessionId: session.id, ...(sessionEpoch > 0 && { responses: news }) }
  }

  #fetch(
    body: Fetch,
  ): ResponseInput<typeof apis.fetch> | Promise<ResponseInput<typeof apis.fetch>> {
    const answer = this.#read(body)
    if (answer.found || body.maxWaitMs === 0) return answer.response
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel()
        this.#wakePolls.delete(look)
        resolve(this.#read(body).response)
      }
      const look = (): void => {
        if (this.#read(body).found) finish()
      }
      const timer = this.clock.setTimer(body.maxWaitMs, finish)
      this.#wakePolls.add(look)
    })
  }

  #read(body: Fetch): { found: boolean; response: ResponseInput<typeof apis.fetch> } {
    let left = body.maxBytes
    let found = false
    const responses = body.topics.map(({ topicId, topic, partitions }) => {
      const name = topic || [...this.fake.topics].find(([, { id }]) => id === topicId)?.[0]
      const answers = partitions.map((asked): FetchAnswer => {
        const { partition, fetchOffset, partitionMaxBytes } = asked
        const log = name === undefined ? undefined : this.fake.partition(name, partition)
        if (log === undefined) return deletedTopic(partition)
        const common = {
          partitionIndex: partition,
          highWatermark: log.endOffset,
          abortedTransactions: null,
        }
        const isOutside = fetchOffset < this.logStart || fetchOffset > log.endOffset
        const errorCode = this.fetchCode(name!, partition) || (isOutside ? 1 : 0)
        if (errorCode !== 0) {
          found = true
          return { ...common, errorCode, records: null }
        }
        const endOffset = this.divergesAt(asked)
        if (endOffset !== undefined) {
          found = true
          const divergingEpoch = { epoch: 0, endOffset }
          return { ...common, errorCode: 0, divergingEpoch, records: new Uint8Array() }
        }
        const chosen: Uint8Array[] = []
        let room = Math.min(left, partitionMaxBytes)
        for (const { baseOffset, recordCount, bytes } of log.batches) {
          if (baseOffset + recordCount <= fetchOffset) continue
          if (bytes.length > room && (found || chosen.length > 0)) break
          chosen.push(bytes)
          room -= bytes.length
          left -= bytes.length
          found = true
        }
        return { ...common, errorCode: 0, records: Buffer.concat(chosen) }
      })
      return { topic: name ?? '', topicId, partitions: answers }
    })
    return { found, response: { throttleTimeMs: 0, responses } }
  }

  #serveGroup(): void {
    this.fake.respond(apis.joinGroup, (_request, { memberId, protocols }) => {
      const errorCode = this.codes.join.shift() ?? (memberId === '' ? 79 : 0)
      const id = memberId || 'member-1'
      if (errorCode !== 0) {
        return { errorCode, protocolName: '', memberId: id, leader: '', members: [] }
      }
      this.generation += 1
      const [{ name, metadata }] = protocols as [{ name: string; metadata: Uint8Array }]
      return {
        errorCode,
        generationId: this.generation,
        protocolType: 'consumer',
        protocolName: name,
        leader: id,
        memberId: id,
        members: [{ memberId: id, metadata }],
      }
    })
    this.fake.respond(apis.syncGroup, (_request, { assignments }) => ({
      errorCode: this.codes.sync.shift() ?? 0,
      assignment: this.share?.(this.generation) ?? assignments[0]!.assignment,
    }))
    this.fake.respond(apis.heartbeat, () => ({ errorCode: this.codes.heartbeat.shift() ?? 0 }))
    this.fake.respond(apis.leaveGroup, () => ({ errorCode: 0 }))
  }

  #serveOffsets(): void {
    this.fake.respond(apis.offsetCommit, (_request, { topics }) => {
      const errorCode = this.codes.commit.shift() ?? 0
      return {
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, committedOffset }) => {
            if (errorCode === 0) this.committed.set(`${name}/${partitionIndex}`, committedOffset)
            return { partitionIndex, errorCode }
          }),
        })),
      }
    })
    this.fake.respond(apis.offsetFetch, (_request, { groups }) => {
      const [{ groupId, topics }] = groups as [(typeof groups)[number]]
      const errorCode = this.codes.offsetFetch.shift() ?? 0
      return {
        groups: [
          {
            groupId,
            errorCode,
            topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
              name,
              partitions: partitionIndexes.map((partitionIndex) => ({
                partitionIndex,
                committedOffset: this.committed.get(`${name}/${partitionIndex}`) ?? -1,
                metadata: '',
                errorCode: 0,
              })),
            })),
          },
        ],
      }
    })
  }
}

function failedFetch(errorCode: number): ResponseInput<typeof apis.fetch> {
  return { throttleTimeMs: 0, errorCode, responses: [] }
}

function deletedTopic(partitionIndex: number): FetchAnswer {
  const unknownTopicId = 100
  return {
    partitionIndex,
    errorCode: unknownTopicId,
    highWatermark: -1,
    abortedTransactions: null,
    records: null,
  }
}

export const text = ({ value }: { value: Uint8Array | null }): string =>
  Buffer.from(value ?? []).toString()

export const places = (partitions: readonly TopicPartition[]): string =>
  partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(' ')

/** The next `count` values of a loop, which is left then: the last record is not processed. */
export async function take(
  records: AsyncIterable<{ value: Uint8Array | null }>,
  count: number,
): Promise<string[]> {
  const values: string[] = []
  for await (const record of records) {
    values.push(text(record))
    if (values.length === count) break
  }
  return values
}
