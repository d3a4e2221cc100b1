import { apis, ZERO_UUID } from '@kfk/protocol'
import type { RequestInput, ResponseOf } from '@kfk/protocol'
import { abortable } from './abortable.js'
import { BatchedLoad } from './batched-load.js'
import type { Clock } from './clock.js'
import { ClientError, kafkaError } from './errors.js'
import type {
  BrokerMetadata,
  ClusterMetadata,
  Metadata,
  PartitionMetadata,
  TopicLookup,
  TopicMetadata,
} from './metadata.js'
import { checkTopicName } from './topic-definition.js'

export interface MetadataCacheOptions {
  readonly send: (
    body: RequestInput<typeof apis.metadata>,
    minVersion?: number,
  ) => Promise<ResponseOf<typeof apis.metadata>>
  readonly clock: Clock
  /**
   * An answer older than this is still used once more, while a new one is fetched (Kafka:
   * `metadata.max.age.ms`).
   */
  readonly maxAgeMs: number
  readonly autoCreate: boolean
}

interface Entry {
  readonly topic: TopicMetadata
  readonly loadedMs: number
  stale: boolean
  refreshing: boolean
}

type Failures = ReadonlyMap<string, ClientError>
type TopicAnswer = ResponseOf<typeof apis.metadata>['topics'][number]

const unknownTopic = 3
const leaderNotAvailable = 5
const unknownTopicId = 100

export class MetadataCache implements Metadata {
  readonly #options: MetadataCacheOptions
  readonly #topics = new Map<string, Entry>()
  readonly #names = new Map<string, string>()
  readonly #creating: BatchedLoad<Failures>
  readonly #looking: BatchedLoad<Failures>
  readonly #byId: BatchedLoad<Failures>
  #cluster: ClusterMetadata | undefined
  #nodes = new Map<number, BrokerMetadata>()

  constructor(options: MetadataCacheOptions) {
    this.#options = options
    this.#creating = new BatchedLoad((names) => this.#loadNames(names, true))
    this.#looking = new BatchedLoad((names) => this.#loadNames(names, false))
    this.#byId = new BatchedLoad((ids) => this.#loadIds(ids))
  }

  async topic(name: string, options: TopicLookup = {}): Promise<TopicMetadata> {
    const entry = this.#topics.get(name)
    if (entry !== undefined && !entry.stale && options.refresh !== true) {
      this.#refreshWhenOld(name, entry)
      return entry.topic
    }
    checkTopicName(name)
    const failures = await abortable(this.#loader(options).request([name]), options.signal)
    return this.#found(name, failures)
  }

  async topicById(topicId: string, options: TopicLookup = {}): Promise<TopicMetadata> {
    const name = this.#names.get(topicId)
    const entry = name === undefined ? undefined : this.#topics.get(name)
    if (entry !== undefined && !entry.stale && options.refresh !== true) return entry.topic
    const failures = await abortable(this.#byId.request([topicId]), options.signal)
    const found = this.#topics.get(this.#names.get(topicId) ?? '')
    if (found !== undefined && !failures.has(topicId)) return found.topic
    throw failures.get(topicId) ?? kafkaError(unknownTopicId, null, { topicId })
  }

  async topics(names?: readonly string[], options: TopicLookup = {}): Promise<TopicMetadata[]> {
    if (names !== undefined) {
      return Promise.all(names.map((name) => this.topic(name, options)))
    }
    const response = await abortable(this.#send(null, false), options.signal)
    const failures = this.#update(response)
    return response.topics
      .filter(({ name }) => name !== null && !failures.has(name))
      .map(({ name }) => this.#topics.get(name!)!.topic)
  }

  cached(name: string): TopicMetadata | undefined {
    return this.#topics.get(name)?.topic
  }

  async leader(
    topic: string,
    partition: number,
    options: TopicLookup = {},
  ): Promise<{ nodeId: number; leaderEpoch: number }> {
    const details = { topic, partition }
    const found = (await this.topic(topic, options)).partitions[partition]
    if (found === undefined) {
      throw kafkaError(unknownTopic, `topic "${topic}" has no partition ${partition}`, details)
    }
    if (found.leaderId >= 0) return { nodeId: found.leaderId, leaderEpoch: found.leaderEpoch }
    this.invalidate(topic)
    throw kafkaError(leaderNotAvailable, `${topic}-${partition} has no leader now`, details)
  }

  async cluster(options: Pick<TopicLookup, 'signal' | 'refresh'> = {}): Promise<ClusterMetadata> {
    if (this.#cluster !== undefined && options.refresh !== true) return this.#cluster
    await abortable(this.#looking.request([]), options.signal)
    return this.#cluster!
  }

  broker(nodeId: number): BrokerMetadata | undefined {
    return this.#nodes.get(nodeId)
  }

  /** Brokers known now, without a request. */
  knownBrokers(): readonly BrokerMetadata[] {
    return this.#cluster?.brokers ?? []
  }

  /** Adds an address learnt from another response (FindCoordinator names brokers as well). */
  learnBroker(broker: Omit<BrokerMetadata, 'rack'>): void {
    this.#nodes.set(broker.nodeId, { rack: null, ...this.#nodes.get(broker.nodeId), ...broker })
  }

  invalidate(topic?: string): void {
    if (topic === undefined) for (const entry of this.#topics.values()) entry.stale = true
    else {
      const entry = this.#topics.get(topic)
      if (entry !== undefined) entry.stale = true
    }
  }

  #loader(options: TopicLookup): BatchedLoad<Failures> {
    return (options.autoCreate ?? this.#options.autoCreate) ? this.#creating : this.#looking
  }

  #found(name: string, failures: Failures): TopicMetadata {
    const failure = failures.get(name)
    const entry = this.#topics.get(name)
    if (failure === undefined && entry !== undefined) return entry.topic
    throw failure ?? kafkaError(unknownTopic, `topic "${name}" does not exist`, { topic: name })
  }

  #refreshWhenOld(name: string, entry: Entry): void {
    const ageMs = this.#options.clock.monotonicMs() - entry.loadedMs
    if (ageMs < this.#options.maxAgeMs || entry.refreshing) return
    entry.refreshing = true
    this.#looking.request([name]).then(
      () => {},
      () => (entry.refreshing = false),
    )
  }

  #send(
    topics: RequestInput<typeof apis.metadata>['topics'],
    autoCreate: boolean,
    minVersion?: number,
  ): Promise<ResponseOf<typeof apis.metadata>> {
    return this.#options.send({ topics, allowAutoTopicCreation: autoCreate }, minVersion)
  }

  async #loadNames(names: readonly string[], autoCreate: boolean): Promise<Failures> {
    return this.#update(
      await this.#send(
        names.map((name) => ({ name })),
        autoCreate,
      ),
    )
  }

  async #loadIds(ids: readonly string[]): Promise<Failures> {
    // Names may be null, and ids alone suffice, from version 12 on (KIP-516).
    const topics = ids.map((topicId) => ({ topicId, name: null }))
    return this.#update(await this.#send(topics, false, 12))
  }

  #update(response: ResponseOf<typeof apis.metadata>): Failures {
    if (response.errorCode !== 0) throw kafkaError(response.errorCode)
    const { clusterId, controllerId, brokers } = response
    if (brokers.length > 0) {
      this.#cluster = { clusterId, controllerId, brokers }
      this.#nodes = new Map(brokers.map((broker) => [broker.nodeId, broker]))
    }
    const failures = new Map<string, ClientError>()
    for (const answer of response.topics) this.#updateTopic(answer, failures)
    return failures
  }

  #updateTopic(answer: TopicAnswer, failures: Map<string, ClientError>): void {
    const { name, topicId, errorCode } = answer
    if (errorCode !== 0) {
      const subject = name ?? topicId
      const text = errorCode === unknownTopic ? `topic "${subject}" does not exist` : null
      failures.set(subject, kafkaError(errorCode, text, { topic: subject }))
      if (name !== null) this.#forget(name)
      return
    }
    if (name === null) return
    const known = this.#topics.get(name)?.topic
    const topic = mergeTopic(answer, name, known)
    if (known !== undefined && known.topicId !== topic.topicId) this.#names.delete(known.topicId)
    if (topicId !== ZERO_UUID) this.#names.set(topicId, name)
    const loadedMs = this.#options.clock.monotonicMs()
    this.#topics.set(name, { topic, loadedMs, stale: false, refreshing: false })
  }

  #forget(name: string): void {
    const entry = this.#topics.get(name)
    if (entry === undefined) return
    this.#names.delete(entry.topic.topicId)
    this.#topics.delete(name)
  }
}

/**
 * The answer as TopicMetadata. A partition whose leader epoch is older than the known one keeps
 * what is known: brokers learn of elections at different times, and a late one must not send
 * requests back to the old leader.
 */
function mergeTopic(
  answer: TopicAnswer,
  name: string,
  known: TopicMetadata | undefined,
): TopicMetadata {
  const sameTopic = known?.topicId === answer.topicId && answer.topicId !== ZERO_UUID
  const partitions = answer.partitions
    .map((partition): PartitionMetadata => {
      const before = sameTopic ? known.partitions[partition.partitionIndex] : undefined
      if (before !== undefined && before.leaderEpoch > partition.leaderEpoch) return before
      return {
        index: partition.partitionIndex,
        leaderId: partition.leaderId,
        leaderEpoch: partition.leaderEpoch,
        replicas: partition.replicaNodes,
        isr: partition.isrNodes,
        offline: partition.offlineReplicas,
      }
    })
    .sort((left, right) => left.index - right.index)
  return { name, topicId: answer.topicId, internal: answer.isInternal, partitions }
}
