import { apis, errorCodes, ZERO_UUID } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { topicNameProblem } from '../controller/topic-name.js'
import {
  type ClusterView,
  defineHandler,
  type Handler,
  type RequestContext,
  type TopicImage,
} from '../context.js'
import { features } from './features.js'
import { clusterOperations, noOperations, topicOperations } from './operations.js'

type Request = RequestOf<typeof apis.metadata>
type TopicResponse = ResponseInput<typeof apis.metadata>['topics'][number]

/**
 * Since these versions a topic may be named by id (KIP-516), and null instead of an empty list
 * means all.
 */
const byIdSince = 12
const nullMeansAllSince = 1

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/

function describe(cluster: ClusterView, topic: TopicImage, operations: number): TopicResponse {
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.map(({ index, replicas }) => {
      const { leaderId, leaderEpoch } = cluster.leaderOf(topic.name, index) ?? absentLeader
      const present = leaderId >= 0
      return {
        errorCode: present ? errorCodes.NONE : errorCodes.LEADER_NOT_AVAILABLE,
        partitionIndex: index,
        leaderId,
        leaderEpoch,
        replicaNodes: replicas,
        isrNodes: replicas,
        offlineReplicas: present ? [] : replicas,
      }
    }),
    topicAuthorizedOperations: operations,
  }
}

const absentLeader = { leaderId: -1, leaderEpoch: -1 }

function unknown(
  errorCode: number,
  names: { name: string | null; topicId?: string },
): TopicResponse {
  return {
    errorCode,
    name: names.name,
    topicId: names.topicId ?? ZERO_UUID,
    isInternal: false,
    partitions: [],
  }
}

async function describeNamed(
  context: RequestContext,
  name: string,
  options: { create: boolean; operations: number },
): Promise<TopicResponse> {
  const { cluster, config, controller } = context.services
  const topic = cluster.topic(name)
  if (topic !== undefined) return describe(cluster, topic, options.operations)
  if (topicNameProblem(name) !== undefined)
    return unknown(errorCodes.INVALID_TOPIC_EXCEPTION, { name })
  if (!options.create || !config.boolean('auto.create.topics.enable')) {
    return unknown(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, { name })
  }
  const errorCode = await controller.ensureTopic(name)
  if (errorCode !== errorCodes.NONE) return unknown(errorCode, { name })
  const created = cluster.topic(name)
  return created === undefined
    ? unknown(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, { name })
    : describe(cluster, created, options.operations)
}

async function describeTopics(context: RequestContext, request: Request): Promise<TopicResponse[]> {
  const { cluster } = context.services
  const operations = request.includeTopicAuthorizedOperations ? topicOperations : noOperations
  const all =
    request.topics === null ||
    (request.topics.length === 0 && context.apiVersion < nullMeansAllSince)
  if (request.topics === null || all) {
    return [...cluster.topics()].map((topic) => describe(cluster, topic, operations))
  }
  const create = request.allowAutoTopicCreation
  const ids = new Set(request.topics.map(({ topicId }) => topicId))
  ids.delete(ZERO_UUID)
  // Who gives an id means it, whatever the names say.
  if (ids.size > 0) return [...ids].map((id) => describeById(cluster, id, operations))
  const names = new Set(request.topics.map(({ name }) => name))
  return Promise.all(
    [...names].map(async (name) =>
      name === null
        ? unknown(errorCodes.UNKNOWN_TOPIC_ID, { name })
        : describeNamed(context, name, { create, operations }),
    ),
  )
}

function describeById(cluster: ClusterView, topicId: string, operations: number): TopicResponse {
  const topic = cluster.topicById(topicId)
  return topic === undefined
    ? unknown(errorCodes.UNKNOWN_TOPIC_ID, { name: null, topicId })
    : describe(cluster, topic, operations)
}

/** Versions 10 and 11 have room for an id and for no name, and no meaning for either. */
function namesOnly(request: Request): boolean {
  return (request.topics ?? []).every(({ name, topicId }) => name !== null && topicId === ZERO_UUID)
}

/**
 * Metadata: brokers, topics, partitions and their leaders; creates missing topics when that is
 * wanted.
 */
export const metadata: Handler = defineHandler<typeof apis.metadata>({
  api: apis.metadata,
  versions: [0, 13],
  async handle(context, request) {
    if (context.apiVersion < byIdSince && !namesOnly(request)) {
      const topics = request.topics!.map(({ name, topicId }) => {
        return unknown(errorCodes.INVALID_REQUEST, { name: name ?? '', topicId })
      })
      return { brokers: [], clusterId: null, controllerId: -1, topics }
    }
    // First, because creating a topic may change the rest.
    const topics = await describeTopics(context, request)
    const { cluster, clusterId } = context.services
    return {
      brokers: cluster
        .brokers()
        .map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack })),
      clusterId,
      controllerId: cluster.controllerId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations
        : noOperations,
    }
  },
})

/** ApiVersions: what this broker speaks. */
export const apiVersions: Handler = defineHandler<typeof apis.apiVersions>({
  api: apis.apiVersions,
  versions: [0, 4],
  handle(context, request) {
    const { advertised } = context.services
    const named =
      context.apiVersion < 3 ||
      (softwareName.test(request.clientSoftwareName) &&
        softwareName.test(request.clientSoftwareVersion))
    if (!named) return { errorCode: errorCodes.INVALID_REQUEST, apiKeys: [] }
    return {
      errorCode: errorCodes.NONE,
      apiKeys: advertised,
      supportedFeatures: features
        // Version 3 has no way to say "may be absent", hence none whose minimum is 0.
        .filter(({ min }) => min > 0 || context.apiVersion > 3)
        .map(({ name, min, max }) => ({ name, minVersion: min, maxVersion: max })),
      finalizedFeaturesEpoch: 0n,
      finalizedFeatures: features.map(({ name, level }) => ({
        name,
        maxVersionLevel: level,
        minVersionLevel: level,
      })),
    }
  },
})

/** What DescribeCluster asks about (KIP-919). */
const brokersEndpoint = 1
const controllersEndpoint = 2

/** DescribeCluster: the brokers, for admin clients. */
export const describeCluster: Handler = defineHandler<typeof apis.describeCluster>({
  api: apis.describeCluster,
  versions: [0, 2],
  handle(context, request) {
    const { cluster, clusterId } = context.services
    if (request.endpointType !== brokersEndpoint) {
      const controllers = request.endpointType === controllersEndpoint
      return {
        throttleTimeMs: 0,
        errorCode: controllers
          ? errorCodes.MISMATCHED_ENDPOINT_TYPE
          : errorCodes.UNSUPPORTED_ENDPOINT_TYPE,
        errorMessage: controllers
          ? 'This is a broker; its controller has no endpoint of its own'
          : `There is no endpoint type ${request.endpointType}`,
        endpointType: 1,
        clusterId: '',
        brokers: [],
      }
    }
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes.NONE,
      endpointType: 1,
      clusterId,
      controllerId: cluster.controllerId,
      brokers: cluster.brokers().map(({ nodeId, host, port, rack }) => ({
        brokerId: nodeId,
        host,
        port,
        rack,
        isFenced: false,
      })),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations
        : noOperations,
    }
  },
})
