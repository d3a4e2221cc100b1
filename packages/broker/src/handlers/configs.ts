import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { type ConfigRow, describeBrokerConfigs, describeTopicConfigs } from '../config/describe.js'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { askController } from './controller-requests.js'

type DescribeRequest = RequestOf<typeof apis.describeConfigs>
type Result = ResponseInput<typeof apis.describeConfigs>['results'][number]

const topicResource = 2
const brokerResource = 4

/**
 * DescribeConfigs: every config of a topic or of this broker, set or not (PROTOCOL gotcha 10).
 * Other brokers describe themselves. A broker named '' is the default of all brokers, of which
 * nothing can be set here.
 */
export const describeConfigs: Handler = defineHandler<typeof apis.describeConfigs>({
  api: apis.describeConfigs,
  versions: [1, 4],
  handle(context, request) {
    const results = request.resources.map((resource) => describe(context, request, resource))
    return { throttleTimeMs: 0, results }
  },
})

/** IncrementalAlterConfigs: every broker takes it, the controller decides. Topics only. */
export const incrementalAlterConfigs: Handler = defineHandler<typeof apis.incrementalAlterConfigs>({
  api: apis.incrementalAlterConfigs,
  versions: [0, 1],
  handle(context, request) {
    return askController(context, apis.incrementalAlterConfigs, {
      request,
      timeoutMs: context.services.config.number('request.timeout.ms'),
      unavailable: (why) => ({
        throttleTimeMs: 0,
        responses: request.resources.map(({ resourceType, resourceName }) => {
          return { ...why, resourceType, resourceName }
        }),
      }),
    })
  },
})

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
  return { errorCode: errorCodes.NONE, errorMessage: null, resourceType, resourceName, configs }
}

function rowsOf(
  context: RequestContext,
  resourceType: number,
  resourceName: string,
): { rows: ConfigRow[] } | { errorCode: number; errorMessage: string } {
  const { config, cluster, nodeId } = context.services
  if (resourceType === topicResource) {
    const topic = cluster.topic(resourceName)
    return topic === undefined
      ? {
          errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
          errorMessage: 'This server does not host this topic-partition.',
        }
      : { rows: describeTopicConfigs(config, topic.configs) }
  }
  if (resourceType !== brokerResource) {
    const errorMessage = `Configs of resource type ${resourceType} are not supported.`
    return { errorCode: errorCodes.INVALID_REQUEST, errorMessage }
  }
  if (resourceName === '') return { rows: [] }
  if (resourceName !== String(nodeId)) {
    const errorMessage = `This is broker ${nodeId}, and each describes itself.`
    return { errorCode: errorCodes.INVALID_REQUEST, errorMessage }
  }
  return { rows: describeBrokerConfigs(config) }
}
