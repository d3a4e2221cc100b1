import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { features } from './features.js'

type Partition = ResponseInput<typeof apis.describeQuorum>['topics'][number]['partitions'][number]
type FeatureUpdate = RequestOf<typeof apis.updateFeatures>['featureUpdates'][number]

/** Kafka's name for the log that holds the metadata. */
const metadataTopic = '__cluster_metadata'
/** Of a broker whose progress is not known here. */
const unknownOffset = -1n
/** From here on DescribeQuorum tells the addresses of the voters. */
const nodesSince = 2

/**
 * DescribeQuorum: the controller is the only voter, the other brokers observe. How far they are,
 * only they know.
 */
const describeQuorum = defineHandler<typeof apis.describeQuorum>({
  api: apis.describeQuorum,
  versions: [0, 2],
  handle(context, { topics }) {
    const isAsked =
      context.apiVersion >= nodesSince &&
      topics.some(({ topicName, partitions }) =>
        partitions.some(({ partitionIndex }) => isMetadata(topicName, partitionIndex)),
      )
    const { brokers, quorum } = metadataLog(context)
    return {
      errorCode: errorCodes.NONE,
      errorMessage: '',
      topics: topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) =>
          isMetadata(topicName, partitionIndex)
            ? { ...quorum, partitionIndex }
            : notHosted(partitionIndex),
        ),
      })),
      nodes: (isAsked ? brokers : [])
        .filter(({ nodeId }) => nodeId === quorum.leaderId)
        .map(({ nodeId, host, port }) => ({
          nodeId,
          listeners: [{ name: 'CONTROLLER', host, port }],
        })),
    }
  },
})

function isMetadata(topic: string, partition: number): boolean {
  return topic === metadataTopic && partition === 0
}

function metadataLog({ services }: RequestContext) {
  const { cluster, clock, nodeId: self } = services
  const { leaderId, leaderEpoch } = cluster.metadataLeader
  const end = BigInt(cluster.metadataOffset)
  const now = BigInt(clock.now())
  const replica = (replicaId: number) => ({
    replicaId,
    logEndOffset: replicaId === self || replicaId === leaderId ? end : unknownOffset,
    // The one that writes the log has always caught up with itself.
    ...(replicaId === leaderId && { lastFetchTimestamp: now, lastCaughtUpTimestamp: now }),
  })
  const brokers = cluster.brokers()
  const quorum: Partition = {
    partitionIndex: 0,
    errorCode: errorCodes.NONE,
    errorMessage: '',
    ...{ leaderId, leaderEpoch, highWatermark: end },
    currentVoters: [replica(leaderId)],
    observers: brokers
      .filter(({ nodeId }) => nodeId !== leaderId)
      .map((one) => replica(one.nodeId)),
  }
  return { brokers, quorum }
}

function notHosted(partitionIndex: number): Partition {
  return {
    partitionIndex,
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: 'This server does not host this topic-partition.',
    ...{ leaderId: 0, leaderEpoch: 0, highWatermark: 0n },
    ...{ currentVoters: [], observers: [] },
  }
}

/** Versions of UpdateFeatures below this one tell of each feature by itself. */
const upgradeTypeSince = 1

/**
 * UpdateFeatures: the levels are those that this release of the broker works by. Asking for the
 * level that a feature has succeeds, everything else is refused with the reason.
 */
const updateFeatures = defineHandler<typeof apis.updateFeatures>({
  api: apis.updateFeatures,
  versions: [0, 2],
  handle({ apiVersion }, { featureUpdates }) {
    for (const update of featureUpdates) {
      const problem = updateProblem(update, apiVersion)
      if (problem === undefined) continue
      return {
        throttleTimeMs: 0,
        errorCode: errorCodes.INVALID_UPDATE_VERSION,
        errorMessage:
          'The update failed for all features since the following feature had an error: ' +
          `Invalid update version ${update.maxVersionLevel} for feature ${update.feature}. ${problem}`,
        results: [],
      }
    }
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes.NONE,
      errorMessage: null,
      results: featureUpdates.map(({ feature }) => ({
        feature,
        errorCode: errorCodes.NONE,
        errorMessage: 'NONE',
      })),
    }
  },
})

function updateProblem(update: FeatureUpdate, apiVersion: number): string | undefined {
  const { feature, maxVersionLevel: wanted, upgradeType } = update
  const known = features.find(({ name }) => name === feature)
  if (wanted < 0) return 'A feature version cannot be less than 0.'
  if (known === undefined) {
    return wanted === 0
      ? `Feature ${feature} not found.`
      : 'This broker does not support this feature.'
  }
  if (apiVersion >= upgradeTypeSince && (upgradeType < 1 || upgradeType > 3)) {
    return 'The controller does not support the given upgrade type.'
  }
  if (wanted < known.min || wanted > known.max) {
    return `This broker only supports versions ${known.min}-${known.max}`
  }
  return wanted === known.level
    ? undefined
    : `The level is ${known.level}: it belongs to this release and does not change.`
}

/** DescribeQuorum, UpdateFeatures. */
export const quorumHandlers: readonly Handler[] = [describeQuorum, updateFeatures]
