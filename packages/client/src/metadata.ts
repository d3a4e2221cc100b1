import type { BrokerAddress } from './address.js'

export interface PartitionMetadata {
  readonly index: number
  /** -1 while the partition has no leader. */
  readonly leaderId: number
  /** -1 when the broker does not tell (before Kafka 2.2). */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offline: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  /** The zero id when the broker does not tell (before Kafka 2.8). */
  readonly topicId: string
  readonly internal: boolean
  /** By index: `partitions[3].index === 3`. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface BrokerMetadata extends BrokerAddress {
  readonly nodeId: number
  readonly rack: string | null
}

export interface ClusterMetadata {
  readonly clusterId: string | null
  /** -1 when unknown. */
  readonly controllerId: number
  readonly brokers: readonly BrokerMetadata[]
}

export interface TopicLookup {
  readonly signal?: AbortSignal | undefined
  /** Ask the cluster even if the cache has an answer. */
  readonly refresh?: boolean | undefined
  /**
   * Let the broker create the topic if it is missing and `auto.create.topics.enable` is set.
   * Default: the client's option.
   */
  readonly autoCreate?: boolean | undefined
}

/**
 * What the client knows of brokers, topics and leaders. Every method may be called concurrently.
 */
export interface Metadata {
  /**
   * From the cache when known; otherwise one request. Rejects with the topic's error (retriable if
   * it may appear).
   */
  topic(name: string, options?: TopicLookup): Promise<TopicMetadata>
  topicById(topicId: string, options?: TopicLookup): Promise<TopicMetadata>
  /** The named topics, or (asking the cluster each time) all of them. */
  topics(names?: readonly string[], options?: TopicLookup): Promise<TopicMetadata[]>
  /** What is known now, without a request; the same object until it changes. */
  cached(name: string): TopicMetadata | undefined
  /** Rejects with LEADER_NOT_AVAILABLE (retriable) while there is none. */
  leader(
    topic: string,
    partition: number,
    options?: TopicLookup,
  ): Promise<{ readonly nodeId: number; readonly leaderEpoch: number }>
  cluster(options?: Pick<TopicLookup, 'signal' | 'refresh'>): Promise<ClusterMetadata>
  /** A broker's address from the cache, without a request. */
  broker(nodeId: number): BrokerMetadata | undefined
  /**
   * The next lookup of this topic (or of any) asks the cluster: to be called after
   * NOT_LEADER_OR_FOLLOWER and the like.
   */
  invalidate(topic?: string): void
}
