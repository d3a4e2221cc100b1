import { apis, batches, decodeRecords, encodeRecordBatch } from '@kfk/protocol'
import type { DecodedRecord } from '@kfk/protocol'
import { offsetsAdmin } from '../admin/offsets.js'
import { topicsAdmin } from '../admin/topics.js'
import type { Client } from '../client.js'
import { ClientError, kafkaError } from '../errors.js'
import { readStructureSet, type StructureSet } from './structure-set.js'

export interface StructuresTopicOptions {
  readonly client: Client
  readonly topic: string
  /** Undefined: the broker's default. */
  readonly replicationFactor: number | undefined
  readonly signal: AbortSignal
}

/** Where sets of structures are kept: a log of definitions that only grows. */
export interface StructuresLog {
  /** The sets that were added since the last call, as far as they were there when it was made. */
  read(): Promise<StructureSet[]>
  /** Resolves when every reader will find the set. */
  add(set: StructureSet): Promise<void>
}

/** Of one attempt with its retries, ms. */
const TIMEOUT_MS = 30_000
const FETCH_BYTES = 1024 * 1024
/** From version 13 on topics are named by id only. */
const LAST_VERSION_WITH_NAMES = 12
const FIRST_VERSION_WITH_BATCHES = 3
const UNKNOWN_TOPIC = 3
/** Keeps its requests from waiting behind long polls and produce requests. */
const LANE = 'structures'

/** The definitions in a compacted topic of one partition. */
export class StructuresTopic implements StructuresLog {
  readonly #options: StructuresTopicOptions
  /** Offset of the first record that was not read. */
  #position = 0
  #exists = false

  constructor(options: StructuresTopicOptions) {
    this.#options = options
  }

  async read(): Promise<StructureSet[]> {
    const { client, topic, signal } = this.#options
    const bounds = { signal, timeoutMs: TIMEOUT_MS }
    const found: StructureSet[] = []
    try {
      const offsets = offsetsAdmin(client)
      const at = { topic, partition: 0 }
      const [earliest, latest] = await offsets.listOffsets(
        [
          { ...at, at: 'earliest' },
          { ...at, at: 'latest' },
        ],
        bounds,
      )
      const end = Number(latest!.offset)
      // A topic that was deleted and made again is read from its start.
      if (this.#position > end) this.#position = 0
      this.#position = Math.max(this.#position, Number(earliest!.offset))
      while (this.#position < end) {
        const records = await client.retrying(() => this.#fetch(), bounds)
        found.push(...this.#take(records))
      }
      this.#exists = true
    } catch (error) {
      if (!(error instanceof ClientError && error.kafkaCode === UNKNOWN_TOPIC)) throw error
      // Nobody has shared anything so far.
      this.#exists = false
      this.#position = 0
    }
    return found
  }

  async add(set: StructureSet): Promise<void> {
    const { client, signal } = this.#options
    if (!this.#exists) await this.#create()
    this.#exists = true
    // Twice the same record is no harm: compaction keeps the later one.
    await client.retrying(() => this.#produce(set), { signal, timeoutMs: TIMEOUT_MS })
  }

  async #create(): Promise<void> {
    const { client, topic, replicationFactor, signal } = this.#options
    const configs = { 'cleanup.policy': 'compact' }
    await topicsAdmin(client).createTopics(
      [{ name: topic, partitions: 1, replicationFactor, configs }],
      { ifNotExists: true, signal, timeoutMs: TIMEOUT_MS },
    )
    client.metadata.invalidate(topic)
  }

  async #produce(set: StructureSet): Promise<void> {
    const { client, topic, signal } = this.#options
    const timestamp = Math.floor(client.clock.now())
    const records = encodeRecordBatch([{ key: set.hash, value: set.text, timestamp }])
    await this.#atLeader(async (nodeId) => {
      const response = await client.request(
        apis.produce,
        {
          acks: -1,
          timeoutMs: TIMEOUT_MS,
          topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
        },
        { nodeId },
        {
          signal,
          lane: LANE,
          minVersion: FIRST_VERSION_WITH_BATCHES,
          maxVersion: LAST_VERSION_WITH_NAMES,
        },
      )
      const answer = response.responses[0]?.partitionResponses[0]
      if (answer === undefined) throw emptyAnswer()
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, answer.errorMessage)
    })
  }

  #fetch(): Promise<Uint8Array> {
    const { client, topic, signal } = this.#options
    return this.#atLeader(async (nodeId) => {
      const partition = {
        partition: 0,
        fetchOffset: this.#position,
        partitionMaxBytes: FETCH_BYTES,
      }
      const response = await client.request(
        apis.fetch,
        { maxWaitMs: 0, minBytes: 1, topics: [{ topic, partitions: [partition] }] },
        { nodeId },
        { signal, lane: LANE, maxVersion: LAST_VERSION_WITH_NAMES },
      )
      if (response.errorCode !== 0) throw kafkaError(response.errorCode)
      const answer = response.responses[0]?.partitions[0]
      if (answer === undefined) throw emptyAnswer()
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode)
      if (answer.records === null || answer.records.length === 0) throw emptyAnswer()
      return answer.records
    })
  }

  /** The next attempt looks for the leader again when this one has failed. */
  async #atLeader<T>(ask: (nodeId: number) => Promise<T>): Promise<T> {
    const { client, topic, signal } = this.#options
    try {
      const { nodeId } = await client.metadata.leader(topic, 0, { signal, autoCreate: false })
      return await ask(nodeId)
    } catch (error) {
      client.metadata.invalidate(topic)
      throw error
    }
  }

  #take(fetched: Uint8Array): StructureSet[] {
    const found: StructureSet[] = []
    for (const { bytes, header } of batches(fetched)) {
      // A fetch returns the whole batch that the position is in.
      if (header.lastOffset < this.#position) continue
      this.#position = header.lastOffset + 1
      for (const { key, value } of this.#records(bytes)) {
        const set = readStructureSet(key, value)
        if (set !== undefined) found.push(set)
      }
    }
    return found
  }

  /** None of a batch that cannot be read: what it defines is missed only by who needs it. */
  #records(batch: Uint8Array): readonly DecodedRecord[] {
    try {
      return decodeRecords(batch, { verifyChecksum: true })
    } catch (error) {
      const { client, topic } = this.#options
      client.logger.warn('a batch of structures cannot be read', { topic, error })
      return []
    }
  }
}

function emptyAnswer(): ClientError {
  return new ClientError('KFK_CLIENT_SERVER', 'A broker answered without what was asked for.', {
    retriable: true,
  })
}
