import { inspect } from 'node:util'
import { createAdmin as createOurAdmin, type Client } from '@kfk/client'
import { describeGroup } from './admin-groups.js'
import type { FetchOffsetsPartition, OffsetsAdmin, SeekEntry } from './admin-api.js'
import { checkTopic } from './admin-topics.js'
import { translating } from './error-translation.js'
import { KafkaJSNonRetriableError } from './errors.js'
import { given, givenFields } from './given.js'
import type { Link } from './link.js'

const end = '-1'
const beginning = '-2'
/** Retries are made around it. */
const once = { timeoutMs: 30_000 }

/** Calls about offsets. */
export function offsetsAdmin(link: Link): OffsetsAdmin {
  const at = (client: Client, topic: string, place: 'earliest' | 'latest' | number) =>
    createOurAdmin({ client }).topicOffsets(topic, place, once)

  async function bounds(client: Client, topic: string) {
    const [low, high] = await Promise.all([
      at(client, topic, 'earliest'),
      at(client, topic, 'latest'),
    ])
    return high.map(({ partition, offset }, index) => ({
      partition,
      offset: String(offset),
      high: String(offset),
      low: String(low[index]!.offset),
    }))
  }

  async function setOffsets(options: Parameters<OffsetsAdmin['setOffsets']>[0]): Promise<void> {
    const { groupId, topic, partitions } = options
    checkGroup(groupId)
    checkTopic(topic)
    if (!Array.isArray(given(partitions)) || partitions.length === 0) {
      throw new KafkaJSNonRetriableError('Invalid partitions')
    }
    await link.call(async (client) => {
      const { state } = await describeGroup(client, groupId)
      if (state !== 'Empty' && state !== 'Dead') {
        throw new KafkaJSNonRetriableError(
          `The consumer group must have no running instances, current state: ${state}`,
        )
      }
      const known = partitions.some(isSymbolic) ? await bounds(client, topic) : []
      const offsets = partitions.map((entry) => {
        const { low = '0', high = '0' } =
          known.find(({ partition }) => partition === entry.partition) ?? {}
        const { partition, offset } = entry
        const wanted = offset === beginning ? low : offset === end ? high : offset
        return { topic, partition, offset: BigInt(wanted) }
      })
      await createOurAdmin({ client }).alterGroupOffsets(groupId, offsets, once)
    })
  }

  return {
    async fetchTopicOffsets(topic) {
      checkTopic(topic)
      return link.call((client) => bounds(client, topic))
    },
    async fetchTopicOffsetsByTimestamp(topic, timestamp) {
      checkTopic(topic)
      return link.call(async (client) => {
        const latest = await at(client, topic, 'latest')
        const found = timestamp === undefined ? latest : await at(client, topic, timestamp)
        return found.map(({ partition, offset }, index) => ({
          partition,
          offset: String(offset < 0n ? latest[index]!.offset : offset),
        }))
      })
    },
    fetchOffsets: (options) => fetchOffsets(link, options),
    setOffsets,
    async resetOffsets(options) {
      const { groupId, topic, earliest = false } = givenFields(options)
      checkGroup(groupId)
      checkTopic(topic)
      const { partitions } = await link.call((client) =>
        client.metadata.topic(topic, { autoCreate: false }),
      )
      const offset = earliest ? beginning : end
      const entries = partitions.map(({ index }) => ({ partition: index, offset }))
      await setOffsets({ groupId, topic, partitions: entries })
    },
  }
}

/** Offsets are stored as they are, so there is nothing for `resolveOffsets` to resolve. */
async function fetchOffsets(
  link: Link,
  { groupId, topics = [] }: Parameters<OffsetsAdmin['fetchOffsets']>[0],
): ReturnType<OffsetsAdmin['fetchOffsets']> {
  checkGroup(groupId)
  if (!Array.isArray(topics)) {
    throw new KafkaJSNonRetriableError('Expected topics array to be set')
  }
  const client = await link.client()
  const committed = await link.call(() =>
    translating(createOurAdmin({ client }).listGroupOffsets(groupId, once)),
  )
  const byTopic = new Map<string, FetchOffsetsPartition[]>()
  const found = new Map<string, FetchOffsetsPartition>()
  for (const { topic, partition, offset, metadata } of committed) {
    const entry = { partition, offset: String(offset), metadata: metadata || null }
    found.set(`${topic}/${partition}`, entry)
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), entry])
  }
  if (topics.length === 0) {
    return [...byTopic].map(([topic, partitions]) => ({ topic, partitions }))
  }
  const described = await link.call(() => client.metadata.topics(topics, { autoCreate: false }))
  return described.map(({ name: topic, partitions }) => ({
    topic,
    partitions: partitions.map(
      ({ index }) =>
        found.get(`${topic}/${index}`) ?? { partition: index, offset: end, metadata: null },
    ),
  }))
}

function isSymbolic({ offset }: SeekEntry): boolean {
  return offset === end || offset === beginning
}

function checkGroup(groupId: unknown): asserts groupId is string {
  if (typeof groupId === 'string' && groupId !== '') return
  throw new KafkaJSNonRetriableError(`Invalid groupId ${groupId === '' ? '' : inspect(groupId)}`)
}
