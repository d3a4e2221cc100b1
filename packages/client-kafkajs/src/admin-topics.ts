import { inspect } from 'node:util'
import type { Client } from '@kfk/client'
import { apis, ZERO_UUID } from '@kfk/protocol'
import type { ITopicConfig, TopicsAdmin } from './admin-api.js'
import { deleteTopicRecords } from './admin-records.js'
import { protocolErrorSource, throwIfFailed, translated } from './error-translation.js'
import {
  KafkaJSAggregateError,
  KafkaJSCreateTopicError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
} from './errors.js'
import type { Link } from './link.js'
import { partitionMetadataOf } from './topic-metadata.js'

const defaultTimeoutMs = 5000
const topicAlreadyExists = 36
const notController = 41
/** First version in which topics are named one by one. */
const topicIdsVersion = 6

/** Calls about topics. */
export function topicsAdmin(link: Link): TopicsAdmin {
  return {
    async listTopics() {
      const topics = await link.call((client) => client.metadata.topics())
      return topics.map(({ name }) => name)
    },
    createTopics: (options) => createTopics(link, options),
    async deleteTopics({ topics, timeout = defaultTimeoutMs }) {
      checkNames('topics', topics)
      await link.call((client) => deleteTopics(client, topics, timeout))
    },
    async createPartitions({ topicPartitions, timeout = defaultTimeoutMs, validateOnly = false }) {
      checkNames('topic partitions', topicPartitions)
      if (topicPartitions.length === 0) {
        throw new KafkaJSNonRetriableError('Empty topic partitions array')
      }
      const topics = topicPartitions.map(({ topic: name, count, assignments }) => ({
        name,
        count,
        assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
      }))
      await link.call((client) =>
        atController(client, async () => {
          const body = { topics, timeoutMs: timeout, validateOnly }
          const { results } = await client.request(apis.createPartitions, body, 'controller')
          for (const { errorCode, errorMessage } of results) throwIfFailed(errorCode, errorMessage)
        }),
      )
      for (const { name } of topics) (await link.client()).metadata.invalidate(name)
      return true
    },
    async fetchTopicMetadata({ topics = [] } = { topics: [] }) {
      for (const topic of topics) checkTopic(topic)
      const client = await link.client()
      const wanted = topics.length === 0 ? undefined : topics
      const look = { refresh: true, autoCreate: false }
      try {
        const found = await client.metadata.topics(wanted, look)
        return {
          topics: found.map((each) => ({ name: each.name, partitions: partitionMetadataOf(each) })),
        }
      } catch (error) {
        throw translated(error)
      }
    },
    deleteTopicRecords: (options) => deleteTopicRecords(link, options),
  }
}

async function createTopics(
  link: Link,
  options: Parameters<TopicsAdmin['createTopics']>[0],
): Promise<boolean> {
  const {
    topics,
    validateOnly = false,
    timeout = defaultTimeoutMs,
    waitForLeaders = true,
  } = options
  checkNames('topics', topics)
  for (const each of topics) checkConfigEntries(each)
  try {
    await link.call((client) =>
      atController(client, async () => {
        const body = { topics: topics.map(topicBody), timeoutMs: timeout, validateOnly }
        const response = await client.request(apis.createTopics, body, 'controller')
        const failed = response.topics.filter(({ errorCode }) => errorCode !== 0)
        const moved = failed.find(({ errorCode }) => errorCode === notController)
        if (moved !== undefined) throwIfFailed(notController)
        if (failed.length === 0) return
        const errors = failed.map(
          ({ name, errorCode, errorMessage }) =>
            new KafkaJSCreateTopicError(protocolErrorSource(errorCode, errorMessage), name),
        )
        throw new KafkaJSAggregateError('Topic creation errors', errors)
      }),
    )
  } catch (error) {
    if (error instanceof KafkaJSAggregateError && error.errors.every(existsAlready)) return false
    throw error
  }
  const client = await link.client()
  for (const { topic } of topics) client.metadata.invalidate(topic)
  if (waitForLeaders && !validateOnly) await waitUntilLed(link, topics)
  return true
}

function existsAlready(error: Error | string): boolean {
  return error instanceof KafkaJSProtocolError && error.code === topicAlreadyExists
}

async function waitUntilLed(link: Link, topics: readonly ITopicConfig[]): Promise<void> {
  const names = topics.map(({ topic }) => topic)
  await link.call(async (client) => {
    const look = { refresh: true, autoCreate: false }
    for (const { partitions } of await client.metadata.topics(names, look)) {
      if (partitions.some(({ leaderId }) => leaderId < 0)) throwIfFailed(leaderNotAvailable)
    }
  })
}

const leaderNotAvailable = 5

async function deleteTopics(client: Client, names: readonly string[], timeoutMs: number) {
  await atController(client, async () => {
    const body = (apiVersion: number) => ({
      timeoutMs,
      ...(apiVersion >= topicIdsVersion
        ? { topics: names.map((name) => ({ name, topicId: ZERO_UUID })) }
        : { topicNames: names }),
    })
    const { responses } = await client.request(apis.deleteTopics, body, 'controller')
    for (const { errorCode, errorMessage } of responses) throwIfFailed(errorCode, errorMessage)
  })
  for (const name of names) client.metadata.invalidate(name)
}

/** The controller is looked up again when it has moved. */
async function atController<T>(client: Client, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const { code, kafkaCode } = error as { code?: unknown; kafkaCode?: unknown }
    if (code === notController || kafkaCode === notController) {
      await client.metadata.cluster({ refresh: true })
    }
    throw error
  }
}

function topicBody(topic: ITopicConfig) {
  const { numPartitions = -1, replicationFactor = -1, replicaAssignment, configEntries } = topic
  return {
    name: topic.topic,
    numPartitions: replicaAssignment === undefined ? numPartitions : -1,
    replicationFactor: replicaAssignment === undefined ? replicationFactor : -1,
    assignments: (replicaAssignment ?? []).map(({ partition, replicas }) => ({
      partitionIndex: partition,
      brokerIds: replicas,
    })),
    configs: configEntries ?? [],
  }
}

/** @throws KafkaJSNonRetriableError */
export function checkTopic(topic: unknown): asserts topic is string {
  if (typeof topic === 'string' && topic !== '') return
  throw new KafkaJSNonRetriableError(`Invalid topic ${topic === '' ? '' : inspect(topic)}`)
}

/** Of names, or of what is about a topic. */
function checkNames(what: string, list: unknown): void {
  if (!Array.isArray(list)) {
    throw new KafkaJSNonRetriableError(`Invalid ${what} array ${inspect(list)}`)
  }
  const names = list.map((each: unknown) =>
    typeof each === 'object' ? (each as { topic?: unknown } | null)?.topic : each,
  )
  if (names.some((name) => typeof name !== 'string')) {
    throw new KafkaJSNonRetriableError(
      `Invalid ${what} array, the topic names have to be a valid string`,
    )
  }
  if (new Set(names).size < names.length) {
    throw new KafkaJSNonRetriableError(
      `Invalid ${what} array, it cannot have multiple entries for the same topic`,
    )
  }
}

function checkConfigEntries({ topic, configEntries }: ITopicConfig): void {
  if (configEntries == null) return
  if (!Array.isArray(configEntries)) {
    throw new KafkaJSNonRetriableError(
      `Invalid configEntries for topic "${topic}", must be an array`,
    )
  }
  for (const [index, entry] of (configEntries as readonly unknown[]).entries()) {
    const { name, value } = (entry ?? {}) as { name?: unknown; value?: unknown }
    if (typeof entry === 'object' && typeof name === 'string' && typeof value === 'string') continue
    const wrong = typeof name === 'string' ? 'value' : 'name'
    throw new KafkaJSNonRetriableError(
      typeof entry !== 'object' || entry === null
        ? `Invalid configEntries for topic "${topic}". Entry ${index} must be an object`
        : `Invalid configEntries for topic "${topic}". Entry ${index} must have a valid "${wrong}" property`,
    )
  }
}
