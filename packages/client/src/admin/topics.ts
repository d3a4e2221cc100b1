import { apis, ZERO_UUID } from '@kfk/protocol'
import type { Client } from '../client.js'
import type { TopicMetadata } from '../metadata.js'
import { checkTopicName } from '../topic-definition.js'
import type { TopicDefinition } from '../topic-definition.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { atController, lookUp, throwFailures } from './controller-call.js'

export interface NewTopic {
  readonly name: string
  /** Default: the broker's `num.partitions`. */
  readonly partitions?: number | undefined
  /** Default: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number | undefined
  /** Topic configs by Kafka's names, such as `retention.ms`. */
  readonly configs?: Readonly<Record<string, string>> | undefined
}

export interface CreatedTopic {
  readonly name: string
  /** Undefined from brokers before Kafka 2.8. */
  readonly topicId: string | undefined
  /** Undefined from brokers before Kafka 2.4. */
  readonly partitions: number | undefined
  readonly replicationFactor: number | undefined
}

export interface TopicsAdmin {
  /**
   * Creates topics. Rejects with TOPIC_ALREADY_EXISTS and the like; `error.details.failed` names
   * the topics that failed. `ifNotExists` leaves existing topics as they are, whatever their
   * settings.
   */
  createTopics(
    topics: readonly (string | NewTopic | TopicDefinition<never, never>)[],
    options?: CallOptions & { readonly validateOnly?: boolean; readonly ifNotExists?: boolean },
  ): Promise<CreatedTopic[]>
  /** Deletes topics with all their records. */
  deleteTopics(names: readonly string[], options?: CallOptions): Promise<void>
  /** Names in order; internal topics (`__consumer_offsets`) only when asked for. */
  listTopics(options?: CallOptions & { readonly internal?: boolean }): Promise<string[]>
  /**
   * Partitions, leaders and replicas as the cluster has them now; all topics when no names are
   * given.
   */
  describeTopics(names?: readonly string[], options?: CallOptions): Promise<TopicMetadata[]>
  /** Grows a topic to `count` partitions. Keys are spread anew from then on. */
  createPartitions(topic: string, count: number, options?: CallOptions): Promise<void>
}

const topicAlreadyExists = 36
/** The broker waits so long for the change to reach its view (`timeoutMs` of the request). */
const changeTimeoutMs = 30_000

export function topicsAdmin(client: Client): TopicsAdmin {
  return {
    createTopics: (topics, options) => createTopics(client, topics.map(newTopic), options),
    async deleteTopics(names, options) {
      await atController(
        client,
        async () => {
          const body = (apiVersion: number) => ({
            timeoutMs: changeTimeoutMs,
            ...(apiVersion >= 6
              ? { topics: names.map((name) => ({ name, topicId: ZERO_UUID })) }
              : { topicNames: names }),
          })
          const { responses } = await client.request(
            apis.deleteTopics,
            body,
            'controller',
            requestOptions(options),
          )
          throwFailures(responses.map((result) => ({ ...result, name: result.name ?? '' })))
        },
        options,
      )
      for (const name of names) client.metadata.invalidate(name)
    },
    async listTopics(options) {
      const topics = await lookUp(
        client,
        () => client.metadata.topics(undefined, { signal: options?.signal }),
        options,
      )
      return topics
        .filter(({ internal }) => options?.internal === true || !internal)
        .map(({ name }) => name)
        .sort()
    },
    describeTopics: (names, options) =>
      lookUp(
        client,
        () =>
          client.metadata.topics(names, {
            signal: options?.signal,
            refresh: true,
            autoCreate: false,
          }),
        options,
      ),
    createPartitions: (topic, count, options) => createPartitions(client, topic, count, options),
  }
}

async function createTopics(
  client: Client,
  topics: readonly NewTopic[],
  options: Parameters<TopicsAdmin['createTopics']>[1] = {},
): Promise<CreatedTopic[]> {
  const body = {
    topics: topics.map((topic) => ({
      name: topic.name,
      numPartitions: topic.partitions ?? -1,
      replicationFactor: topic.replicationFactor ?? -1,
      assignments: [],
      configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
    })),
    timeoutMs: changeTimeoutMs,
    validateOnly: options.validateOnly ?? false,
  }
  const created = await atController(
    client,
    async () => {
      const response = await client.request(
        apis.createTopics,
        body,
        'controller',
        requestOptions(options),
      )
      throwFailures(
        response.topics.filter(
          ({ errorCode }) => options.ifNotExists !== true || errorCode !== topicAlreadyExists,
        ),
      )
      return response.topics
    },
    options,
  )
  for (const { name } of created) client.metadata.invalidate(name)
  return created.map(({ name, topicId, numPartitions, replicationFactor }) => ({
    name,
    topicId: topicId === ZERO_UUID ? undefined : topicId,
    partitions: numPartitions < 0 ? undefined : numPartitions,
    replicationFactor: replicationFactor < 0 ? undefined : replicationFactor,
  }))
}

async function createPartitions(
  client: Client,
  name: string,
  count: number,
  options: CallOptions = {},
): Promise<void> {
  await atController(
    client,
    async () => {
      const { results } = await client.request(
        apis.createPartitions,
        {
          topics: [{ name, count, assignments: null }],
          timeoutMs: changeTimeoutMs,
          validateOnly: false,
        },
        'controller',
        requestOptions(options),
      )
      throwFailures(results)
    },
    options,
  )
  client.metadata.invalidate(name)
}

function newTopic(topic: string | NewTopic | TopicDefinition<never, never>): NewTopic {
  const given: NewTopic = typeof topic === 'string' ? { name: topic } : topic
  checkTopicName(given.name)
  return given
}

function requestOptions(options: CallOptions = {}) {
  return { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
}
