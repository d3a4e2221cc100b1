import { errorCodes, ZERO_UUID } from '@kfk/protocol'
import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import { describeTopicConfigs } from '../config/describe.js'
import { topicConfigProblem } from '../config/config-changes.js'
import type { ControllerContext, Decision } from './decision.js'
import { MAX_PARTITIONS, type TopicCreated } from './metadata-records.js'
import { placePartitions } from './placement.js'
import { Refusal, refuse } from './refusal.js'
import {
  manualAssignment,
  MAX_REPLICATION_FACTOR,
  unsupportedFactor,
} from './replica-assignment.js'
import { newTopicId } from './topic-id.js'
import {
  collisionKey,
  isInternalTopic,
  KAFKA_METADATA_TOPIC,
  METADATA_TOPIC,
  topicNameProblem,
} from './topic-name.js'

type Request = RequestOf<typeof apis.createTopics>
type Response = ResponseOf<typeof apis.createTopics>
type Wanted = Request['topics'][number]
type Result = Response['topics'][number]

/**
 * CreateTopics: each topic is created or refused on its own. What an internal topic is used for
 * decides some of its configs: they are set whoever creates it.
 */
export function createTopics(request: Request, context: ControllerContext): Decision<Response> {
  const records: TopicCreated[] = []
  const created = new Map<string, string>()
  const counts = new Map<string, number>()
  for (const { name } of request.topics) counts.set(name, (counts.get(name) ?? 0) + 1)
  const topics: Result[] = []
  for (const wanted of request.topics) {
    const count = counts.get(wanted.name)!
    if (count === 0) continue
    if (count > 1) {
      // One answer for all of them, as in Kafka.
      counts.set(wanted.name, 0)
      const refusal = refuse(errorCodes.INVALID_REQUEST, 'Duplicate topic name.')
      topics.push(failed(wanted.name, refusal))
      continue
    }
    const outcome = decide(wanted, context, created)
    if (outcome instanceof Refusal) {
      topics.push(failed(wanted.name, outcome))
      continue
    }
    created.set(collisionKey(wanted.name), wanted.name)
    if (!request.validateOnly) records.push(outcome)
    topics.push(succeeded(outcome, request.validateOnly, context))
  }
  return { records, response: { throttleTimeMs: 0, topics } }
}

function decide(
  wanted: Wanted,
  context: ControllerContext,
  created: ReadonlyMap<string, string>,
): TopicCreated | Refusal {
  const { name } = wanted
  const badName = nameProblem(name, context, created)
  if (badName !== undefined) return badName
  const configs = configsOf(wanted)
  if (configs instanceof Refusal) return configs
  const partitions =
    wanted.assignments.length > 0 ? assigned(wanted, context) : placed(wanted, context)
  if (partitions instanceof Refusal) return partitions
  return { type: 'topic-created', name, id: newTopicId(context.randomBytes), partitions, configs }
}

function nameProblem(
  name: string,
  context: ControllerContext,
  created: ReadonlyMap<string, string>,
): Refusal | undefined {
  const problem = topicNameProblem(name)
  if (problem !== undefined) return refuse(errorCodes.INVALID_TOPIC_EXCEPTION, problem)
  if (name === METADATA_TOPIC || name === KAFKA_METADATA_TOPIC) {
    return refuse(errorCodes.INVALID_REQUEST, `Creation of internal topic ${name} is prohibited.`)
  }
  if (context.image.topics.has(name)) {
    return refuse(errorCodes.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
  }
  const [existing] = context.image.collidingTopics(name)
  const colliding = existing ?? created.get(collisionKey(name))
  if (colliding !== undefined) {
    const message = `Topic '${name}' collides with existing topic: ${colliding}`
    return refuse(errorCodes.INVALID_TOPIC_EXCEPTION, message)
  }
  return undefined
}

/**
 * Configs that an internal topic cannot do without: its records are the state of coordinators, on
 * disk when acknowledged.
 */
const INTERNAL_CONFIGS: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  'flush.messages': '1',
}

/** Whether a config of an internal topic is fixed. */
export function isFixedConfig(topic: string, config: string): boolean {
  return isInternalTopic(topic) && Object.hasOwn(INTERNAL_CONFIGS, config)
}

function configsOf(wanted: Wanted): Record<string, string> | Refusal {
  const configs = new Map<string, string>()
  for (const { name, value } of wanted.configs) {
    // Of a config that is named twice the last value counts, as in Kafka.
    const problem = topicConfigProblem(name, value)
    if (problem !== undefined) return refuse(errorCodes.INVALID_CONFIG, problem)
    configs.set(name, value!.trim())
  }
  if (isInternalTopic(wanted.name)) {
    for (const [name, value] of Object.entries(INTERNAL_CONFIGS)) configs.set(name, value)
  }
  return Object.fromEntries(configs)
}

function placed(wanted: Wanted, context: ControllerContext): readonly number[][] | Refusal {
  const { numPartitions, replicationFactor } = wanted
  const { liveBrokers } = context
  if (numPartitions === 0 || numPartitions < -1) {
    return refuse(
      errorCodes.INVALID_PARTITIONS,
      'Number of partitions must be larger than 0, or -1 to use the default value.',
    )
  }
  if (replicationFactor === 0 || replicationFactor < -1) {
    return refuse(
      errorCodes.INVALID_REPLICATION_FACTOR,
      'Replication factor must be larger than 0, or -1 to use the default value.',
    )
  }
  const factor =
    replicationFactor === -1
      ? context.config.number('default.replication.factor')
      : replicationFactor
  if (factor > liveBrokers.length) {
    return refuse(
      errorCodes.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${factor} time(s): only ${liveBrokers.length} ` +
        'broker(s) are registered.',
    )
  }
  if (factor > MAX_REPLICATION_FACTOR) return unsupportedFactor(factor)
  const count = numPartitions === -1 ? context.config.number('num.partitions') : numPartitions
  if (count > MAX_PARTITIONS) return tooManyPartitions(count)
  return placePartitions(wanted.name, liveBrokers, { from: 0, to: count })
}

function assigned(wanted: Wanted, context: ControllerContext): readonly number[][] | Refusal {
  if (wanted.numPartitions !== -1 || wanted.replicationFactor !== -1) {
    return refuse(
      errorCodes.INVALID_REQUEST,
      'A manual partition assignment was specified: number of partitions and replication ' +
        'factor must be -1.',
    )
  }
  if (wanted.assignments.length > MAX_PARTITIONS) {
    return tooManyPartitions(wanted.assignments.length)
  }
  const byIndex = [...wanted.assignments].sort((a, b) => a.partitionIndex - b.partitionIndex)
  if (byIndex.some(({ partitionIndex }, index) => partitionIndex !== index)) {
    return refuse(
      errorCodes.INVALID_REPLICA_ASSIGNMENT,
      'Partitions should be a consecutive 0-based integer sequence.',
    )
  }
  return manualAssignment(
    byIndex.map(({ brokerIds }) => brokerIds),
    context.image,
    context.liveBrokers,
  )
}

/** The refusal of more partitions than a topic may have. */
export function tooManyPartitions(count: number): Refusal {
  return refuse(
    errorCodes.INVALID_PARTITIONS,
    `A topic has at most ${MAX_PARTITIONS} partitions, not ${count}.`,
  )
}

function failed(name: string, refusal: Refusal): Result {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode: refusal.errorCode,
    errorMessage: refusal.message,
    topicConfigErrorCode: 0,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  }
}

function succeeded(topic: TopicCreated, validateOnly: boolean, context: ControllerContext): Result {
  const overrides = new Map(Object.entries(topic.configs))
  return {
    name: topic.name,
    topicId: validateOnly ? ZERO_UUID : topic.id,
    errorCode: errorCodes.NONE,
    errorMessage: null,
    topicConfigErrorCode: 0,
    numPartitions: topic.partitions.length,
    replicationFactor: topic.partitions[0]!.length,
    configs: describeTopicConfigs(context.config, overrides).map(
      ({ name, value, readOnly, configSource, isSensitive }) => ({
        name,
        value,
        readOnly,
        configSource,
        isSensitive,
      }),
    ),
  }
}
