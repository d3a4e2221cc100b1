import { apis, errorCodes } from '@kfk/protocol'
import type { Api, RequestOf, ResponseInput } from '@kfk/protocol'
import {
  type ConfigRow,
  describeBrokerConfigs,
  describeClusterDefaults,
  describeGroupConfigs,
  describeTopicConfigs,
} from '../config/describe.js'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { resourceTypes } from '../controller/alter-configs.js'
import { topicNameProblem } from '../controller/topic-name.js'
import { askController } from './controller-requests.js'

type DescribeRequest = RequestOf<typeof apis.describeConfigs>
type Result = ResponseInput<typeof apis.describeConfigs>['results'][number]
type AlterResult = ResponseInput<typeof apis.alterConfigs>['responses'][number]
type Listed = ResponseInput<typeof apis.listConfigResources>['configResources'][number]

interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string
}

/**
 * DescribeConfigs: every config of a topic, group or of this broker, set or not (PROTOCOL gotcha
 * 10). Other brokers describe themselves. A broker named '' is the default of all brokers, of which
 * only what is set is told.
 */
const describeConfigs = defineHandler<typeof apis.describeConfigs>({
  api: apis.describeConfigs,
  versions: [1, 4],
  handle(context, request) {
    const results = request.resources.map((resource) => describe(context, request, resource))
    return { throttleTimeMs: 0, results }
  },
})

/** AlterConfigs: every broker takes it, the controller decides. */
const alterConfigs = defineHandler<typeof apis.alterConfigs>({
  api: apis.alterConfigs,
  versions: [0, 2],
  handle: (context, request) => alter(context, apis.alterConfigs, request),
})

/** IncrementalAlterConfigs: every broker takes it, the controller decides. */
const incrementalAlterConfigs = defineHandler<typeof apis.incrementalAlterConfigs>({
  api: apis.incrementalAlterConfigs,
  versions: [0, 1],
  handle: (context, request) => alter(context, apis.incrementalAlterConfigs, request),
})

/** Since here ListConfigResources tells of more than the metrics of clients. */
const allTypesSince = 1

/** ListConfigResources: what there is that has configs. Metrics of clients are not collected. */
const listConfigResources = defineHandler<typeof apis.listConfigResources>({
  api: apis.listConfigResources,
  versions: [0, 1],
  handle({ apiVersion, services: { cluster } }, request) {
    const { topic, broker, brokerLogger, clientMetrics, group } = resourceTypes
    const known: readonly number[] = [group, clientMetrics, brokerLogger, broker, topic]
    const asked = new Set(request.resourceTypes.length > 0 ? request.resourceTypes : known)
    if ([...asked].some((type) => !known.includes(type))) {
      const errorCode = errorCodes.UNSUPPORTED_VERSION
      return { throttleTimeMs: 0, errorCode, configResources: [] }
    }
    const brokers = cluster.brokers().map(({ nodeId }) => String(nodeId))
    const names = new Map<number, Iterable<string>>([
      [brokerLogger, brokers],
      [broker, brokers],
      [topic, [...cluster.topics()].map(({ name }) => name)],
    ])
    const configResources: Listed[] = []
    for (const [resourceType, listed] of apiVersion < allTypesSince ? [] : names) {
      if (!asked.has(resourceType)) continue
      for (const resourceName of listed) configResources.push({ resourceName, resourceType })
    }
    return { throttleTimeMs: 0, errorCode: errorCodes.NONE, configResources }
  },
})

/** DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources. */
export const configHandlers: readonly Handler[] = [
  describeConfigs,
  alterConfigs,
  incrementalAlterConfigs,
  listConfigResources,
]

/** Has the controller alter what may be altered through this broker, and refuses the rest. */
async function alter<A extends typeof apis.alterConfigs | typeof apis.incrementalAlterConfigs>(
  context: RequestContext,
  api: A & Api,
  request: RequestOf<A>,
): Promise<{ throttleTimeMs: number; responses: AlterResult[] }> {
  const resources: readonly { resourceType: number; resourceName: string }[] = request.resources
  const refusals = resources.map((resource) => brokerRefusal(context, resource))
  const allowed = resources.filter((_resource, index) => refusals[index] === undefined)
  const answer = await askController(context, api as Api, {
    request: { ...request, resources: allowed },
    timeoutMs: context.services.config.number('request.timeout.ms'),
    unavailable: (why) => ({ responses: allowed.map((resource) => ({ ...resource, ...why })) }),
  })
  const decided = [...(answer as { responses: AlterResult[] }).responses]
  const responses = resources.map(({ resourceType, resourceName }, index) => {
    const refusal = refusals[index]
    return refusal === undefined ? decided.shift()! : { ...refusal, resourceType, resourceName }
  })
  return { throttleTimeMs: 0, responses }
}

/** The configs of a single broker are altered through that broker. */
function brokerRefusal(
  { services: { nodeId } }: RequestContext,
  { resourceType, resourceName }: { resourceType: number; resourceName: string },
): Refusal | undefined {
  if (resourceType !== resourceTypes.broker || resourceName === '') return undefined
  if (!/^[+-]?\d+$/.test(resourceName)) {
    return invalid(`Node id must be an integer, but it is: ${resourceName}`)
  }
  return resourceName === String(nodeId)
    ? undefined
    : invalid(`Unexpected broker id, expected ${nodeId}, but received ${resourceName}`)
}

function describe(
  context: RequestContext,
  request: DescribeRequest,
  resource: DescribeRequest['resources'][number],
): Result {
  const { resourceType, resourceName, configurationKeys } = resource
  const found = rowsOf(context, resourceType, resourceName)
  if ('errorCode' in found) return { ...found, resourceType, resourceName, configs: [] }
  // Kafka takes an empty list for all, too.
  const wanted = configurationKeys?.length ? new Set(configurationKeys) : undefined
  const configs = found.rows
    .filter(({ name }) => wanted?.has(name) ?? true)
    .map((row) => ({
      ...row,
      synonyms: request.includeSynonyms ? row.synonyms : [],
      documentation: request.includeDocumentation ? row.documentation : null,
    }))
  return { errorCode: errorCodes.NONE, errorMessage: '', resourceType, resourceName, configs }
}

type Rows = { readonly rows: readonly ConfigRow[] } | Refusal

function rowsOf(context: RequestContext, resourceType: number, resourceName: string): Rows {
  switch (resourceType) {
    case resourceTypes.topic:
      return topicRows(context, resourceName)
    case resourceTypes.broker:
      return brokerRows(context, resourceName)
    case resourceTypes.brokerLogger: {
      if (resourceName === '') return invalid('Broker id must not be empty')
      const rows = brokerRows(context, resourceName)
      // Nothing is told of loggers: they have no levels of their own.
      return 'errorCode' in rows ? rows : { rows: [] }
    }
    case resourceTypes.group:
      return resourceName === ''
        ? invalid('Group name must not be empty')
        : { rows: describeGroupConfigs() }
    case resourceTypes.clientMetrics:
      return invalid('Metrics of clients are not collected.')
    default:
      return invalid(`Configs of resource type ${resourceType} are not supported.`)
  }
}

function topicRows({ services: { cluster, config } }: RequestContext, name: string): Rows {
  const topic = cluster.topic(name)
  if (topic !== undefined) return { rows: describeTopicConfigs(config, topic.configs) }
  const problem = topicNameProblem(name)
  return problem === undefined
    ? { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: '' }
    : { errorCode: errorCodes.INVALID_TOPIC_EXCEPTION, errorMessage: problem }
}

function brokerRows({ services: { config, nodeId } }: RequestContext, name: string): Rows {
  if (name === '') return { rows: describeClusterDefaults(config) }
  if (!/^[+-]?\d+$/.test(name)) {
    return invalid(`Broker id must be an integer, but it is: ${name}`)
  }
  return name === String(nodeId)
    ? { rows: describeBrokerConfigs(config) }
    : invalid(`Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`)
}

function invalid(errorMessage: string): Refusal {
  return { errorCode: errorCodes.INVALID_REQUEST, errorMessage }
}
