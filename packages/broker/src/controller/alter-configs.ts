import { errorCodes } from '@kfk/protocol'
import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import {
  alterConfigValues,
  brokerConfigurable,
  type Configurable,
  type ConfigChanges,
  groupConfigurable,
  replaceConfigValues,
  topicConfigurable,
} from '../config/config-changes.js'
import type { TopicImage } from '../context.js'
import type { ControllerContext, Decision } from './decision.js'
import { isFixedConfig } from './create-topics.js'
import {
  type BrokerConfigChanged,
  MAX_NODE_ID,
  type TopicConfigChanged,
} from './metadata-records.js'
import { Refusal, refuse } from './refusal.js'
import { topicNameProblem } from './topic-name.js'

type AlterRequest = RequestOf<typeof apis.incrementalAlterConfigs>
type ReplaceRequest = RequestOf<typeof apis.alterConfigs>
type Response = ResponseOf<typeof apis.incrementalAlterConfigs>
type Change = TopicConfigChanged | BrokerConfigChanged

/** DescribeConfigs' and AlterConfigs' numbers for what has configs. */
export const resourceTypes = {
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const

/** IncrementalAlterConfigs: changes single values. */
export function alterConfigs(
  request: AlterRequest,
  context: ControllerContext,
): Decision<Response> {
  return decideEach(request, (resource) =>
    decide(resource, context, (target, { present, inForce }) =>
      alterConfigValues(
        target,
        resource.configs,
        (name) => present.get(name) ?? inForce(name) ?? null,
      ),
    ),
  )
}

/** AlterConfigs: replaces all values. */
export function replaceConfigs(
  request: ReplaceRequest,
  context: ControllerContext,
): Decision<Response> {
  return decideEach(request, (resource) =>
    decide(resource, context, (target, { present }) =>
      replaceConfigValues(target, resource.configs, present),
    ),
  )
}

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly { readonly name: string }[]
}

/** What a resource has now. */
interface Present {
  readonly present: ReadonlyMap<string, string>
  /** What counts where it has no value of its own. */
  readonly inForce: (name: string) => string | null | undefined
}

type Work = (target: Configurable, now: Present) => ConfigChanges

function decideEach<R extends Resource>(
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  decideOne: (resource: R) => Change | Refusal | undefined,
): Decision<Response> {
  const records: Change[] = []
  const keyOf = ({ resourceType, resourceName }: Resource) => `${resourceType}/${resourceName}`
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const key of request.resources.map(keyOf)) (seen.has(key) ? twice : seen).add(key)
  const responses = request.resources.map((resource) => {
    const { resourceType, resourceName } = resource
    const outcome = twice.has(keyOf(resource))
      ? refuse(errorCodes.INVALID_REQUEST, 'Each resource must appear at most once.')
      : decideOne(resource)
    if (outcome instanceof Refusal) {
      const { errorCode, message: errorMessage } = outcome
      return { errorCode, errorMessage, resourceType, resourceName }
    }
    if (!request.validateOnly && outcome !== undefined) records.push(outcome)
    return { errorCode: errorCodes.NONE, errorMessage: null, resourceType, resourceName }
  })
  return { records, response: { throttleTimeMs: 0, responses } }
}

/** Undefined: the configs are so already. */
function decide(
  resource: Resource,
  context: ControllerContext,
  work: Work,
): Change | Refusal | undefined {
  switch (resource.resourceType) {
    case resourceTypes.topic:
      return decideTopic(resource, context, work)
    case resourceTypes.broker:
      return decideBroker(resource, context, work)
    case resourceTypes.group:
      return groupRefusal(resource, work)
    case resourceTypes.brokerLogger:
      return refuse(
        errorCodes.INVALID_CONFIG,
        'The loggers of a broker have no levels of their own.',
      )
    case resourceTypes.clientMetrics:
      return refuse(errorCodes.INVALID_CONFIG, 'Metrics of clients are not collected.')
    default:
      return refuse(errorCodes.INVALID_REQUEST, `Unknown resource type ${resource.resourceType}`)
  }
}

function decideTopic(
  { resourceName, configs }: Resource,
  { image, config }: ControllerContext,
  work: Work,
): TopicConfigChanged | Refusal | undefined {
  if (resourceName === '') {
    return refuse(errorCodes.INVALID_REQUEST, 'Default topic resources are not allowed.')
  }
  const topic = image.topics.get(resourceName)
  if (topic === undefined) {
    const problem = topicNameProblem(resourceName)
    if (problem !== undefined) return refuse(errorCodes.INVALID_TOPIC_EXCEPTION, problem)
    const message = `The topic '${resourceName.slice(0, 249)}' does not exist.`
    return refuse(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, message)
  }
  const fixed = configs.find(({ name }) => isFixedConfig(topic.name, name))
  if (fixed !== undefined) {
    const message = `${fixed.name} of the internal topic ${topic.name} is fixed.`
    return refuse(errorCodes.INVALID_CONFIG, message)
  }
  const inForce = (name: string) => config.topicDefault(name)
  const changes = changesOf(work(topicConfigurable, { present: changeable(topic), inForce }), topic)
  if (changes === undefined || changes instanceof Refusal) return changes
  return { type: 'topic-config-changed', id: topic.id, configs: changes }
}

/** Replacing all configs of an internal topic leaves those that are fixed. */
function changeable({ name, configs }: TopicImage): ReadonlyMap<string, string> {
  return new Map([...configs].filter(([config]) => !isFixedConfig(name, config)))
}

function decideBroker(
  { resourceName }: Resource,
  { image, config }: ControllerContext,
  work: Work,
): BrokerConfigChanged | Refusal | undefined {
  const nodeId = resourceName === '' ? null : Number(resourceName)
  if (nodeId !== null && !(Number.isInteger(nodeId) && nodeId >= 0 && nodeId <= MAX_NODE_ID)) {
    return refuse(
      errorCodes.INVALID_REQUEST,
      `Node id must be an integer, but it is: ${resourceName}`,
    )
  }
  const present = image.brokerConfigs(nodeId)
  const cluster = image.brokerConfigs(null)
  const inForce = (name: string) =>
    cluster.get(name) ??
    config.explicit.get(name) ??
    brokerConfigurable.definitions.get(name)?.default
  const changes = changesOf(work(brokerConfigurable, { present, inForce }), { configs: present })
  if (changes === undefined || changes instanceof Refusal) return changes
  return { type: 'broker-config-changed', nodeId, configs: changes }
}

function changesOf(
  wanted: ConfigChanges,
  { configs }: { readonly configs: ReadonlyMap<string, string> },
): Readonly<Record<string, string | null>> | Refusal | undefined {
  if (wanted.problem !== undefined) return refuse(wanted.errorCode, wanted.problem)
  const changes = Object.entries(wanted.changes).filter(
    ([name, value]) => (configs.get(name) ?? null) !== value,
  )
  return changes.length === 0 ? undefined : Object.fromEntries(changes)
}

/** Groups keep their defaults: nothing is ever written down. */
function groupRefusal({ resourceName }: Resource, work: Work): Refusal | undefined {
  if (resourceName === '') {
    return refuse(errorCodes.INVALID_REQUEST, 'Default group resources are not allowed.')
  }
  const { definitions } = groupConfigurable
  const inForce = (name: string) => definitions.get(name)?.default
  const wanted = work(groupConfigurable, { present: new Map(), inForce })
  return wanted.problem === undefined ? undefined : refuse(wanted.errorCode, wanted.problem)
}
