import type { ClusterChange, TopicImage } from '../context.js'
import { BrokerError } from '../errors.js'
import {
  type BrokerConfigChanged,
  type BrokerRegistered,
  MAX_PARTITIONS,
  METADATA_LEVEL,
  type MetadataRecord,
  type PartitionsAdded,
  type TopicConfigChanged,
  type TopicCreated,
  type TopicDeleted,
} from './metadata-records.js'
import { collisionKey, isInternalTopic } from './topic-name.js'

const EMPTY: ClusterChange = { added: [], changed: [], removed: [], brokersChanged: false }

/**
 * What the metadata log says, and nothing else: the same records give the same image on every
 * broker. Only `replay` changes it. Topic images in it are immutable and stay valid for whoever
 * keeps one.
 */
export class ClusterImage {
  #clusterId: string | undefined
  #controllerNodeId: number | undefined
  #nextOffset = 0
  #nextProducerId = 0n
  readonly #topics = new Map<string, TopicImage>()
  readonly #topicsById = new Map<string, TopicImage>()
  readonly #namesByCollisionKey = new Map<string, Set<string>>()
  readonly #brokers = new Map<number, BrokerRegistered>()
  readonly #brokerConfigs = new Map<number | null, ReadonlyMap<string, string>>()

  /** Undefined until the first record. */
  get clusterId(): string | undefined {
    return this.#clusterId
  }

  get controllerNodeId(): number | undefined {
    return this.#controllerNodeId
  }

  /** Offset in the metadata log of the next record to replay. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** First producer id that nobody has. */
  get nextProducerId(): bigint {
    return this.#nextProducerId
  }

  /** By name. */
  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topics
  }

  topicById(id: string): TopicImage | undefined {
    return this.#topicsById.get(id)
  }

  /** The last known registration of every broker that was ever here, dead or alive. */
  get brokers(): ReadonlyMap<number, BrokerRegistered> {
    return this.#brokers
  }

  /**
   * The configs of a broker that were set while it ran; of null, those of all brokers. Immutable: a
   * change makes a new map.
   */
  brokerConfigs(nodeId: number | null): ReadonlyMap<string, string> {
    return this.#brokerConfigs.get(nodeId) ?? noConfigs
  }

  /** Topics whose name differs from this one at most by '.' instead of '_'. */
  collidingTopics(name: string): ReadonlySet<string> {
    return this.#namesByCollisionKey.get(collisionKey(name)) ?? new Set()
  }

  /**
   * Applies the record at `offset`. Records below `nextOffset` are ignored, so that a log may be
   * replayed again.
   *
   * @throws {BrokerError} KFK_BROKER_CLUSTER when the record does not fit; the image is unchanged
   *   then
   */
  replay(record: MetadataRecord, offset: number): ClusterChange {
    if (offset < this.#nextOffset) return EMPTY
    if (offset > this.#nextOffset) {
      throw misfit(record, offset, `offset ${this.#nextOffset} is missing`)
    }
    if ((record.type === 'cluster-founded') !== (offset === 0)) {
      throw misfit(record, offset, 'the founding of the cluster is the first record, once')
    }
    const change = this.#apply(record, offset)
    this.#nextOffset = offset + 1
    return change
  }

  #apply(record: MetadataRecord, offset: number): ClusterChange {
    switch (record.type) {
      case 'cluster-founded': {
        const unknown = Object.entries(record.features).find(
          ([feature, level]) => feature !== 'kfk.metadata' || level > METADATA_LEVEL,
        )
        if (unknown !== undefined) {
          const wanted = `feature ${unknown[0]} at level ${unknown[1]}`
          throw misfit(record, offset, `the cluster needs ${wanted}: upgrade this broker`)
        }
        this.#clusterId = record.clusterId
        this.#controllerNodeId = record.controllerNodeId
        return EMPTY
      }
      case 'broker-registered':
        this.#brokers.set(record.nodeId, record)
        return { ...EMPTY, brokersChanged: true }
      case 'broker-config-changed':
        return this.#configure(record)
      case 'producer-ids-granted':
        if (record.first < this.#nextProducerId) {
          throw misfit(record, offset, `producer ids below ${this.#nextProducerId} are used`)
        }
        this.#nextProducerId = record.first + BigInt(record.count)
        return EMPTY
      case 'topic-created':
        return this.#create(record, offset)
      default:
        return this.#alter(record, offset)
    }
  }

  #create(record: TopicCreated, offset: number): ClusterChange {
    if (this.#topics.has(record.name)) throw misfit(record, offset, `${record.name} exists`)
    if (this.#topicsById.has(record.id)) throw misfit(record, offset, `${record.id} exists`)
    const topic: TopicImage = {
      name: record.name,
      id: record.id,
      internal: isInternalTopic(record.name),
      configs: new Map(Object.entries(record.configs)),
      partitions: record.partitions.map((replicas, index) => ({ index, replicas })),
    }
    this.#put(topic)
    const key = collisionKey(topic.name)
    const names = this.#namesByCollisionKey.get(key) ?? new Set()
    this.#namesByCollisionKey.set(key, names.add(topic.name))
    return { ...EMPTY, added: [topic] }
  }

  #alter(
    record: TopicDeleted | PartitionsAdded | TopicConfigChanged,
    offset: number,
  ): ClusterChange {
    const topic = this.#topicsById.get(record.id)
    if (topic === undefined) throw misfit(record, offset, `there is no topic ${record.id}`)
    if (record.type === 'topic-deleted') {
      this.#remove(topic)
      return { ...EMPTY, removed: [topic] }
    }
    let altered: TopicImage
    if (record.type === 'partitions-added') {
      const count = topic.partitions.length
      if (record.from !== count || count + record.partitions.length > MAX_PARTITIONS) {
        throw misfit(record, offset, `${topic.name} has ${count} partitions`)
      }
      const added = record.partitions.map((replicas, index) => ({ index: count + index, replicas }))
      altered = { ...topic, partitions: [...topic.partitions, ...added] }
    } else {
      altered = { ...topic, configs: changed(topic.configs, record.configs) }
    }
    this.#put(altered)
    return { ...EMPTY, changed: [altered] }
  }

  #configure({ nodeId, configs }: BrokerConfigChanged): ClusterChange {
    const after = changed(this.brokerConfigs(nodeId), configs)
    if (after.size > 0) this.#brokerConfigs.set(nodeId, after)
    else this.#brokerConfigs.delete(nodeId)
    return { ...EMPTY, configsChanged: true }
  }

  #put(topic: TopicImage): void {
    this.#topics.set(topic.name, topic)
    this.#topicsById.set(topic.id, topic)
  }

  #remove(topic: TopicImage): void {
    this.#topics.delete(topic.name)
    this.#topicsById.delete(topic.id)
    const names = this.#namesByCollisionKey.get(collisionKey(topic.name))
    names?.delete(topic.name)
    if (names?.size === 0) this.#namesByCollisionKey.delete(collisionKey(topic.name))
  }
}

const noConfigs: ReadonlyMap<string, string> = new Map()

function changed(
  configs: ReadonlyMap<string, string>,
  changes: Readonly<Record<string, string | null>>,
): Map<string, string> {
  const after = new Map(configs)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) after.delete(name)
    else after.set(name, value)
  }
  return after
}

function misfit(record: MetadataRecord, offset: number, why: string): BrokerError {
  return new BrokerError(
    'KFK_BROKER_CLUSTER',
    `metadata record ${record.type} at offset ${offset} does not fit: ${why}`,
    { details: { offset, type: record.type } },
  )
}
