import { errorCodes } from '@kfk/protocol'
import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import { alterTopicConfigs } from '../config/topic-config-changes.js'
import type { ControllerContext, Decision } from './decision.js'
import { isFixedConfig } from './create-topics.js'
import type { TopicConfigChanged } from './metadata-records.js'
import { Refusal, refuse } from './refusal.js'

type Request = RequestOf<typeof apis.incrementalAlterConfigs>
type Response = ResponseOf<typeof apis.incrementalAlterConfigs>
type Wanted = Request['resources'][number]

/** DescribeConfigs' and AlterConfigs' numbers for what has configs. */
export const resourceTypes = { topic: 2, broker: 4 } as const

/** IncrementalAlterConfigs: topics only, because a broker's configs are fixed when it starts. */
export function alterConfigs(request: Request, context: ControllerContext): Decision<Response> {
  const records: TopicConfigChanged[] = []
  const seen = new Set<string>()
  const responses = request.resources.map((wanted) => {
    const { resourceType, resourceName } = wanted
    const key = `${resourceType}/${resourceName}`
    const outcome = seen.has(key)
      ? refuse(errorCodes.INVALID_REQUEST, 'Each resource must appear at most once.')
      : decide(wanted, context)
    seen.add(key)
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
  wanted: Wanted,
  { image, config }: ControllerContext,
): TopicConfigChanged | Refusal | undefined {
  if (wanted.resourceType !== resourceTypes.topic) {
    return refuse(
      errorCodes.INVALID_REQUEST,
      'Only the configs of topics can be altered; those of a broker are given when it starts.',
    )
  }
  const topic = image.topics.get(wanted.resourceName)
  if (topic === undefined) {
    const message = `The topic '${wanted.resourceName.slice(0, 249)}' does not exist.`
    return refuse(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, message)
  }
  const fixed = wanted.configs.find(({ name }) => isFixedConfig(topic.name, name))
  if (fixed !== undefined) {
    const message = `${fixed.name} of the internal topic ${topic.name} is fixed.`
    return refuse(errorCodes.INVALID_CONFIG, message)
  }
  const altered = alterTopicConfigs(
    wanted.configs,
    (name) => topic.configs.get(name) ?? config.topicDefault(name),
  )
  if (altered.problem !== undefined) return refuse(errorCodes.INVALID_CONFIG, altered.problem)
  const changes = Object.entries(altered.changes).filter(
    ([name, value]) => (topic.configs.get(name) ?? null) !== value,
  )
  if (changes.length === 0) return undefined
  return { type: 'topic-config-changed', id: topic.id, configs: Object.fromEntries(changes) }
}
