import { BrokerError } from '../errors.js'
import { isTopicId } from './topic-id.js'
import { topicNameProblem } from './topic-name.js'

/** Largest `node.id`: leader epochs are `counter * 1024 + nodeId`. */
export const MAX_NODE_ID = 1023
/**
 * Most partitions of a topic: bounds a record of the metadata log to some hundred KB. As Kafka's
 * limit per request.
 */
export const MAX_PARTITIONS = 10_000
/** The level of the metadata log's schema; a broker refuses a log of a higher one. */
export const METADATA_LEVEL = 1

/** The first record of every metadata log. */
export interface ClusterFounded {
  readonly type: 'cluster-founded'
  readonly clusterId: string
  /** The only writer of this log, until replication brings more. */
  readonly controllerNodeId: number
  /** Levels of features that all brokers must know. */
  readonly features: Readonly<Record<string, number>>
}

/**
 * A broker started, or came under another address. Its leader epoch is `epochCounter * 1024 +
 * nodeId`.
 */
export interface BrokerRegistered {
  readonly type: 'broker-registered'
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Names one run of the broker's process. */
  readonly incarnation: string
  readonly epochCounter: number
}

export interface TopicCreated {
  readonly type: 'topic-created'
  readonly name: string
  readonly id: string
  /** Replicas of each partition, ascending by partition. */
  readonly partitions: readonly (readonly number[])[]
  readonly configs: Readonly<Record<string, string>>
}

export interface TopicDeleted {
  readonly type: 'topic-deleted'
  readonly id: string
}

export interface PartitionsAdded {
  readonly type: 'partitions-added'
  readonly id: string
  /** Index of the first new partition: the number that there were before. */
  readonly from: number
  readonly partitions: readonly (readonly number[])[]
}

export interface TopicConfigChanged {
  readonly type: 'topic-config-changed'
  readonly id: string
  /** New values; null returns to the default. What is not named stays. */
  readonly configs: Readonly<Record<string, string | null>>
}

/** Configs that brokers take up while they run. */
export interface BrokerConfigChanged {
  readonly type: 'broker-config-changed'
  /** Null: all brokers that have no value of their own. */
  readonly nodeId: number | null
  /** New values; null returns to what holds without. What is not named stays. */
  readonly configs: Readonly<Record<string, string | null>>
}

/** Ids from `first` to `first + count - 1` belong to broker `to` and count as used. */
export interface ProducerIdsGranted {
  readonly type: 'producer-ids-granted'
  readonly first: bigint
  readonly count: number
  readonly to: number
}

/** What the metadata log is made of. Replaying the records in order gives the cluster's image. */
export type MetadataRecord =
  | ClusterFounded
  | BrokerRegistered
  | TopicCreated
  | TopicDeleted
  | PartitionsAdded
  | TopicConfigChanged
  | BrokerConfigChanged
  | ProducerIdsGranted

/**
 * Versions of the record types, one number each; raised when a type gets a field that a reader must
 * know.
 */
const VERSION = 1

/** The value of a record: JSON, so that a dump of the log can be read. */
export function encodeMetadataRecord(record: MetadataRecord): Uint8Array {
  const plain =
    record.type === 'producer-ids-granted' ? { ...record, first: String(record.first) } : record
  const { type, ...fields } = plain
  return Buffer.from(JSON.stringify({ type, version: VERSION, ...fields }))
}

/**
 * Reads a record's value, which may have been fetched from elsewhere: nothing in it is trusted.
 *
 * @throws {BrokerError} KFK_BROKER_CLUSTER when it is no record of the metadata log that this
 *   release knows
 */
export function decodeMetadataRecord(value: Uint8Array | null): MetadataRecord {
  const fields = new Fields(parseObject(value))
  const type = fields.text('type')
  const version = fields.integer('version', 1, 1_000_000)
  if (version > VERSION) {
    throw new BrokerError(
      'KFK_BROKER_CLUSTER',
      `metadata record ${type} has version ${version}, this release knows ${VERSION}: ` +
        'upgrade this broker',
    )
  }
  switch (type) {
    case 'cluster-founded':
      return {
        type,
        clusterId: fields.text('clusterId'),
        controllerNodeId: fields.nodeId('controllerNodeId'),
        features: fields.record('features', (level) => typeof level === 'number') as Record<
          string,
          number
        >,
      }
    case 'broker-registered':
      return {
        type,
        nodeId: fields.nodeId('nodeId'),
        host: fields.text('host'),
        port: fields.integer('port', 0, 65_535),
        rack: fields.textOrNull('rack'),
        incarnation: fields.text('incarnation'),
        epochCounter: fields.integer('epochCounter', 0, MAX_EPOCH_COUNTER),
      }
    case 'broker-config-changed':
      return {
        type,
        nodeId: fields.nodeIdOrNull('nodeId'),
        configs: fields.configChanges('configs'),
      }
    case 'producer-ids-granted':
      return {
        type,
        first: fields.bigint('first'),
        count: fields.integer('count', 1, 1_000_000),
        to: fields.nodeId('to'),
      }
    default:
      return decodeTopicRecord(type, fields)
  }
}

function decodeTopicRecord(type: string, fields: Fields): MetadataRecord {
  switch (type) {
    case 'topic-created':
      return {
        type,
        name: fields.topicName('name'),
        id: fields.topicId('id'),
        partitions: fields.partitions('partitions'),
        configs: fields.record('configs', isText) as Record<string, string>,
      }
    case 'topic-deleted':
      return { type, id: fields.topicId('id') }
    case 'partitions-added':
      return {
        type,
        id: fields.topicId('id'),
        from: fields.integer('from', 1, MAX_PARTITIONS),
        partitions: fields.partitions('partitions'),
      }
    case 'topic-config-changed':
      return {
        type,
        id: fields.topicId('id'),
        configs: fields.configChanges('configs'),
      }
    default:
      throw garbage(`unknown type ${JSON.stringify(type).slice(0, 60)}`)
  }
}

/** Epochs are 32-bit integers: 2^31 / 1024 starts. */
export const MAX_EPOCH_COUNTER = 2_097_151

const isText = (value: unknown): boolean => typeof value === 'string'

function parseObject(value: Uint8Array | null): Readonly<Record<string, unknown>> {
  if (value === null) throw garbage('no value')
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString())
  } catch (cause) {
    throw garbage('no JSON', cause)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw garbage('no object')
  }
  return parsed as Record<string, unknown>
}

/** Reads fields of untrusted JSON. `Object.hasOwn` keeps what the prototype has out. */
class Fields {
  constructor(readonly object: Readonly<Record<string, unknown>>) {}

  #field(name: string): unknown {
    return Object.hasOwn(this.object, name) ? this.object[name] : undefined
  }

  text(name: string): string {
    const value = this.#field(name)
    if (typeof value !== 'string' || value.length === 0 || value.length > 255) {
      throw garbage(`${name} is no text of 1 to 255 characters`)
    }
    return value
  }

  textOrNull(name: string): string | null {
    return this.#field(name) === null ? null : this.text(name)
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#field(name)
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw garbage(`${name} is no integer from ${min} to ${max}`)
    }
    return value
  }

  nodeId(name: string): number {
    return this.integer(name, 0, MAX_NODE_ID)
  }

  nodeIdOrNull(name: string): number | null {
    return this.#field(name) === null ? null : this.nodeId(name)
  }

  configChanges(name: string): Record<string, string | null> {
    const allowed = (value: unknown): boolean => value === null || isText(value)
    return this.record(name, allowed) as Record<string, string | null>
  }

  bigint(name: string): bigint {
    const value = this.#field(name)
    const number = typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : -1n
    if (number < 0n || number >= 2n ** 63n) throw garbage(`${name} is no int64`)
    return number
  }

  topicName(name: string): string {
    const value = this.text(name)
    const problem = topicNameProblem(value)
    if (problem !== undefined) throw garbage(problem)
    return value
  }

  topicId(name: string): string {
    const value = this.#field(name)
    if (!isTopicId(value)) throw garbage(`${name} is no topic id`)
    return value
  }

  record(name: string, allowed: (value: unknown) => boolean): Record<string, unknown> {
    const value = this.#field(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw garbage(`${name} is no object`)
    }
    if (!Object.values(value).every(allowed)) throw garbage(`${name} has a bad value`)
    return value as Record<string, unknown>
  }

  partitions(name: string): number[][] {
    const value = this.#field(name)
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_PARTITIONS) {
      throw garbage(`${name} is no list of 1 to ${MAX_PARTITIONS} partitions`)
    }
    return value.map((replicas: unknown) => {
      if (!isReplicaList(replicas)) throw garbage(`${name} has a bad list of replicas`)
      return replicas
    })
  }
}

function isReplicaList(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((id) => Number.isInteger(id) && id >= 0 && id <= MAX_NODE_ID) &&
    new Set(value).size === value.length
  )
}

function garbage(what: string, cause?: unknown): BrokerError {
  return new BrokerError('KFK_BROKER_CLUSTER', `bad metadata record: ${what}`, { cause })
}
