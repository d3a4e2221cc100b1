import { apis } from '@kfk/protocol'
import type { ResponseOf } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { atController, throwFailures } from './controller-call.js'
import { byTopic, type Place } from './leader-calls.js'

/** A node that has a copy of the metadata log. */
export interface QuorumReplica {
  readonly nodeId: number
  /** Undefined when the leader does not know. */
  readonly logEndOffset: bigint | undefined
  /** Wall clock in ms; undefined when unknown. */
  readonly lastCaughtUpTimestamp: number | undefined
}

/** Who keeps the metadata of the cluster (KIP-595). */
export interface Quorum {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly highWatermark: bigint
  readonly voters: readonly QuorumReplica[]
  readonly observers: readonly QuorumReplica[]
}

/** A feature of the cluster (KIP-584). */
export interface Feature {
  readonly name: string
  /** What the broker that was asked could do. */
  readonly supported: { readonly min: number; readonly max: number } | undefined
  /** What is in force; 0 when it is off. */
  readonly level: number
}

/** A wish for the level of a feature. */
export interface FeatureUpdate {
  readonly name: string
  /** 0 turns it off. */
  readonly level: number
  /** Default 'upgrade': a lower level is refused. */
  readonly change?: 'upgrade' | 'safe-downgrade' | 'unsafe-downgrade'
}

export interface Election extends Place {
  /** False: the partition had the right leader already. */
  readonly elected: boolean
}

export interface QuorumAdmin {
  /** Voters and observers of the metadata log. */
  describeQuorum(options?: CallOptions): Promise<Quorum>
  /** Features by name: those that brokers know, and those that are in force. */
  describeFeatures(options?: CallOptions): Promise<Feature[]>
  /** Changes levels of features, all of them or none. Rejects with INVALID_UPDATE_VERSION. */
  updateFeatures(
    updates: readonly FeatureUpdate[],
    options?: CallOptions & { readonly validateOnly?: boolean },
  ): Promise<void>
  /**
   * Has partitions (default: all) led by their preferred replica, or with `unclean` by any that is
   * there, which may lose records (KIP-460). Without `places` only those that needed it are told.
   */
  electLeaders(
    places?: readonly Place[],
    options?: CallOptions & { readonly unclean?: boolean },
  ): Promise<Election[]>
}

const metadataTopic = '__cluster_metadata'
const electionNotNeeded = 84
/** The broker waits so long for the change. */
const changeTimeoutMs = 30_000
const upgradeTypes = { upgrade: 1, 'safe-downgrade': 2, 'unsafe-downgrade': 3 } as const

export function quorumAdmin(client: Client): QuorumAdmin {
  return {
    describeQuorum: (options) => describeQuorum(client, options),
    describeFeatures: (options) => describeFeatures(client, options),
    updateFeatures: (updates, options) => updateFeatures(client, updates, options),
    electLeaders: (places, options) => electLeaders(client, places, options),
  }
}

const boundsOf = ({ signal, timeoutMs = defaultCallTimeoutMs }: CallOptions = {}) => ({
  signal,
  timeoutMs,
})

function describeQuorum(client: Client, options?: CallOptions): Promise<Quorum> {
  const bounds = boundsOf(options)
  return client.retrying(async () => {
    const topics = [{ topicName: metadataTopic, partitions: [{ partitionIndex: 0 }] }]
    const response = await client.request(apis.describeQuorum, { topics }, 'any', bounds)
    if (response.errorCode !== 0) throw kafkaError(response.errorCode, response.errorMessage)
    const found = response.topics[0]?.partitions[0]
    if (found === undefined) throw kafkaError(-1, 'the answer lacks the metadata log')
    if (found.errorCode !== 0) throw kafkaError(found.errorCode, found.errorMessage)
    const { leaderId, leaderEpoch, highWatermark } = found
    return {
      ...{ leaderId, leaderEpoch, highWatermark },
      voters: found.currentVoters.map(toReplica),
      observers: found.observers.map(toReplica),
    }
  }, bounds)
}

type ReplicaState = ResponseOf<
  typeof apis.describeQuorum
>['topics'][number]['partitions'][number]['observers'][number]

function toReplica(replica: ReplicaState): QuorumReplica {
  const { replicaId, logEndOffset, lastCaughtUpTimestamp } = replica
  return {
    nodeId: replicaId,
    logEndOffset: logEndOffset < 0n ? undefined : logEndOffset,
    lastCaughtUpTimestamp: lastCaughtUpTimestamp < 0n ? undefined : Number(lastCaughtUpTimestamp),
  }
}

function describeFeatures(client: Client, options?: CallOptions): Promise<Feature[]> {
  const bounds = boundsOf(options)
  return client.retrying(async () => {
    const body = { clientSoftwareName: 'kfk', clientSoftwareVersion: '0.1.0' }
    const response = await client.request(apis.apiVersions, body, 'any', bounds)
    if (response.errorCode !== 0) throw kafkaError(response.errorCode)
    const { supportedFeatures, finalizedFeatures } = response
    const names = [...supportedFeatures, ...finalizedFeatures].map(({ name }) => name)
    return [...new Set(names)].sort().map((name) => {
      const known = supportedFeatures.find((feature) => feature.name === name)
      const final = finalizedFeatures.find((feature) => feature.name === name)
      return {
        name,
        supported: known && { min: known.minVersion, max: known.maxVersion },
        level: final?.maxVersionLevel ?? 0,
      }
    })
  }, bounds)
}

async function updateFeatures(
  client: Client,
  updates: readonly FeatureUpdate[],
  options: Parameters<QuorumAdmin['updateFeatures']>[1] = {},
): Promise<void> {
  const body = (apiVersion: number) => ({
    timeoutMs: changeTimeoutMs,
    featureUpdates: updates.map(({ name, level, change = 'upgrade' }) => ({
      feature: name,
      maxVersionLevel: level,
      ...(apiVersion > 0
        ? { upgradeType: upgradeTypes[change] }
        : { allowDowngrade: change !== 'upgrade' }),
    })),
    ...(apiVersion > 0 && { validateOnly: options.validateOnly ?? false }),
  })
  await atController(
    client,
    async () => {
      const where = options.validateOnly === true ? { minVersion: 1 } : {}
      const { errorCode, errorMessage, results } = await client.request(
        apis.updateFeatures,
        body,
        'controller',
        { ...boundsOf(options), ...where },
      )
      if (errorCode !== 0) throw kafkaError(errorCode, errorMessage)
      throwFailures(results.map((each) => ({ ...each, name: each.feature })))
    },
    options,
  )
}

async function electLeaders(
  client: Client,
  places: readonly Place[] | undefined,
  options: Parameters<QuorumAdmin['electLeaders']>[1] = {},
): Promise<Election[]> {
  const unclean = options.unclean === true
  const topicPartitions =
    places === undefined
      ? null
      : byTopic(places).map(({ topic, places: some }) => ({
          topic,
          partitions: some.map(({ partition }) => partition),
        }))
  const body = (apiVersion: number) => ({
    ...(apiVersion > 0 && { electionType: unclean ? 1 : 0 }),
    topicPartitions,
    timeoutMs: changeTimeoutMs,
  })
  const bounds = { ...boundsOf(options), ...(unclean && { minVersion: 1 }) }
  return atController(
    client,
    async () => {
      const response = await client.request(apis.electLeaders, body, 'controller', bounds)
      if (response.errorCode !== 0) throw kafkaError(response.errorCode)
      const results = response.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
        partitionResult.map((each) => ({ ...each, topic, name: `${topic}-${each.partitionId}` })),
      )
      throwFailures(results.filter(({ errorCode }) => errorCode !== electionNotNeeded))
      return results.map(({ topic, partitionId, errorCode }) => ({
        ...{ topic, partition: partitionId },
        elected: errorCode === 0,
      }))
    },
    options,
  )
}
