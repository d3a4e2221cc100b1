import { randomBytes } from 'node:crypto'
import type { Client } from '@kfk/client'
import { apis, type RequestInput, type ResponseOf } from '@kfk/protocol'
import { throwIfRetriable } from './group-errors.js'
import type { ResolvedSettings } from './options.js'
import { byTopic, type TopicPartition } from './topic-partition.js'

export interface EpochRequestsOptions {
  readonly client: Client
  readonly group: string
  readonly topics: readonly string[]
  readonly settings: ResolvedSettings
  readonly lane: string
  readonly signal: AbortSignal
}

type Heartbeat = RequestInput<typeof apis.consumerGroupHeartbeat>

/** The first version in which clients make their own member ids (KIP-1082), Kafka 4.0. */
const minVersion = 1
/** A member that cannot say goodbye in this time is left to its session timeout. */
const leaveTimeoutMs = 3000
/** An answer that takes longer is asked for again. */
const beatTimeoutMs = 30_000

/** What a heartbeat was answered with; null as assignment: as before, or not to be told yet. */
export interface EpochAnswer {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly epoch: number
  readonly heartbeatIntervalMs: number
  readonly assignment: readonly TopicPartition[] | null
}

/** The requests of a member of the consumer protocol to its coordinator. */
export class EpochRequests {
  readonly memberId = randomBytes(16).toString('base64url')
  readonly #options: EpochRequestsOptions
  readonly #topicIds = new Map<string, string>()
  /** An assignment with topics that are not known here yet. */
  #unresolved: Assignment | undefined
  /** What the coordinator was told last; undefined: it may not know. */
  #told: readonly TopicPartition[] | undefined

  constructor(options: EpochRequestsOptions) {
    this.#options = options
  }

  /** One attempt. Rejects when the coordinator does not answer as one. */
  async heartbeat(epoch: number, owned: readonly TopicPartition[]): Promise<EpochAnswer> {
    const { client, group } = this.#options
    const isFull = epoch === 0 || this.#told === undefined
    const news = isFull || owned !== this.#told ? { topicPartitions: this.#byId(owned) } : {}
    const body = { ...(isFull && this.#subscription()), ...news }
    try {
      const answer = await this.#send(epoch, body, beatTimeoutMs)
      throwIfRetriable(group, answer.errorCode)
      this.#told = answer.errorCode === 0 ? owned : undefined
      const { errorCode, errorMessage, memberEpoch, heartbeatIntervalMs } = answer
      const assignment = await this.#resolve(answer.assignment?.topicPartitions)
      return { errorCode, errorMessage, epoch: memberEpoch, heartbeatIntervalMs, assignment }
    } catch (error) {
      this.#told = undefined
      client.invalidateCoordinator(group)
      throw error
    }
  }

  /** Never rejects. A static member will be back: what it has is kept for it. */
  async leave(): Promise<void> {
    const { client, group, settings } = this.#options
    try {
      await this.#send(settings.groupInstanceId === null ? -1 : -2, {}, leaveTimeoutMs)
    } catch (error) {
      client.logger.debug('could not leave the group; its session will end', { group, error })
    }
  }

  /** Creates topics where brokers do that for those who read them. Never rejects. */
  async lookUpTopics(): Promise<void> {
    const { client, topics, signal } = this.#options
    await Promise.allSettled(topics.map((name) => client.metadata.topic(name, { signal })))
  }

  #subscription(): Partial<Heartbeat> {
    const { topics, settings } = this.#options
    return { rebalanceTimeoutMs: settings.rebalanceTimeoutMs, subscribedTopicNames: topics }
  }

  #send(
    memberEpoch: number,
    body: Partial<Heartbeat>,
    timeoutMs: number,
  ): Promise<ResponseOf<typeof apis.consumerGroupHeartbeat>> {
    const { client, group, lane, signal, settings } = this.#options
    const { memberId } = this
    const instanceId = settings.groupInstanceId
    const request = { groupId: group, memberId, memberEpoch, instanceId, ...body }
    // The goodbye is said when everything else was told to stop.
    const options = { timeoutMs, lane, minVersion, ...(memberEpoch >= 0 && { signal }) }
    return client.request(apis.consumerGroupHeartbeat, request, { group }, options)
  }

  #byId(owned: readonly TopicPartition[]) {
    return byTopic(owned).map(({ topic, partitions }) => {
      return { topicId: this.#topicIds.get(topic)!, partitions }
    })
  }

  /**
   * Names for ids. As long as one of them is not known (the topic is new, or was just deleted),
   * everything stays as it was, and it is asked for again after the next heartbeat.
   */
  async #resolve(fresh: Assignment | undefined): Promise<readonly TopicPartition[] | null> {
    const assignment = fresh ?? this.#unresolved
    this.#unresolved = assignment
    if (assignment === undefined) return null
    const { client, signal } = this.#options
    try {
      const found = await Promise.all(
        assignment.map(async ({ topicId, partitions }) => {
          const { name: topic } = await client.metadata.topicById(topicId, { signal })
          this.#topicIds.set(topic, topicId)
          return partitions.map((partition) => ({ topic, partition }))
        }),
      )
      this.#unresolved = undefined
      return found.flat()
    } catch (error) {
      client.logger.debug('assigned topics are not known yet', { error })
      return null
    }
  }
}

type Assignment = readonly { readonly topicId: string; readonly partitions: readonly number[] }[]
