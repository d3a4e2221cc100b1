import type { Client } from '@kfk/client'
import { apis } from '@kfk/protocol'
import type { SeekEntry, TopicsAdmin } from './admin-api.js'
import { protocolError } from './error-translation.js'
import {
  KafkaJSBrokerNotFound,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSNonRetriableError,
  type KafkaJSDeleteTopicRecordsErrorPartition,
} from './errors.js'
import { given } from './given.js'
import type { Link } from './link.js'

const timeoutMs = 5000

/** Moves the beginning of partitions forward; those that are done are not tried again. */
export async function deleteTopicRecords(
  link: Link,
  { topic, partitions }: Parameters<TopicsAdmin['deleteTopicRecords']>[0],
): Promise<void> {
  if (!topic || typeof topic !== 'string') {
    throw new KafkaJSNonRetriableError(`Invalid topic "${topic}"`)
  }
  if (!Array.isArray(given(partitions)) || partitions.length === 0) {
    throw new KafkaJSNonRetriableError('Invalid partitions')
  }
  let left: readonly SeekEntry[] = partitions
  const attempt = async (client: Client): Promise<void> => {
    const failed = await deleteOnce(client, topic, left)
    if (failed.length === 0) return
    client.metadata.invalidate(topic)
    left = failed
    throw new KafkaJSDeleteTopicRecordsError({ topic, partitions: failed })
  }
  await link.call(attempt, { bail: false })
}

async function deleteOnce(
  client: Client,
  topic: string,
  entries: readonly SeekEntry[],
): Promise<KafkaJSDeleteTopicRecordsErrorPartition[]> {
  const { partitions } = await client.metadata.topic(topic, { autoCreate: false })
  const failed: KafkaJSDeleteTopicRecordsErrorPartition[] = []
  const byLeader = new Map<number, SeekEntry[]>()
  for (const entry of entries) {
    const leader = partitions[entry.partition]?.leaderId ?? -1
    if (leader >= 0) byLeader.set(leader, [...(byLeader.get(leader) ?? []), entry])
    else failed.push({ ...entry, error: noLeader() })
  }
  if (failed.length > 0) return failed
  await Promise.all(
    [...byLeader].map(async ([nodeId, asked]) => {
      const topics = [
        {
          name: topic,
          partitions: asked.map(({ partition, offset }) => ({
            partitionIndex: partition,
            offset: Number(offset),
          })),
        },
      ]
      const answer = await client.request(apis.deleteRecords, { topics, timeoutMs }, { nodeId })
      for (const { partitionIndex, errorCode } of answer.topics[0]?.partitions ?? []) {
        const entry = asked.find(({ partition }) => partition === partitionIndex)
        if (errorCode === 0 || entry === undefined) continue
        failed.push({ ...entry, error: protocolError(errorCode) })
      }
    }),
  )
  return failed
}

function noLeader(): KafkaJSBrokerNotFound {
  const message = 'Could not find the leader for the partition'
  return new KafkaJSBrokerNotFound(message, { retriable: false })
}
