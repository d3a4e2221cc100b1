import { inspect } from 'node:util'
import type {
  ConsumerSubscribeTopic,
  ConsumerSubscribeTopics,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionOffsetAndMetadata,
} from './consumer-api.js'
import { KafkaJSNonRetriableError } from './errors.js'
import type { OffsetToCommit } from './partition-progress.js'

/** @throws KafkaJSNonRetriableError */
export function subscribedTopics(
  subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic,
): readonly (string | RegExp)[] {
  const { topic, topics } = subscription as Partial<
    ConsumerSubscribeTopics & ConsumerSubscribeTopic
  >
  if (!topic && !topics) throw new KafkaJSNonRetriableError('Missing required argument "topics"')
  if (topics != null && !Array.isArray(topics)) {
    throw new KafkaJSNonRetriableError('Argument "topics" must be an array')
  }
  const wanted: readonly unknown[] = topics ?? [topic]
  for (const each of wanted) {
    if (typeof each === 'string' || each instanceof RegExp) continue
    throw new KafkaJSNonRetriableError(
      `Invalid topic ${inspect(each)} (${typeof each}), the topic name has to be a String or a RegExp`,
    )
  }
  return wanted as readonly (string | RegExp)[]
}

/** @throws KafkaJSNonRetriableError */
export function seekTarget(to: TopicPartitionOffset): number | 'earliest' | 'latest' {
  checkPartition(to)
  const offset = offsetOf(to.offset)
  if (offset === -1) return 'latest'
  if (offset === -2) return 'earliest'
  if (offset < 0) throw new KafkaJSNonRetriableError('Offset must not be a negative number')
  return offset
}

/** @throws KafkaJSNonRetriableError */
export function offsetsToCommit(
  offsets: readonly TopicPartitionOffsetAndMetadata[],
): OffsetToCommit[] {
  return offsets.map((each) => {
    const { topic, partition, metadata = null } = each
    checkPartition(each)
    const offset = offsetOf(each.offset)
    if (offset < 0) throw new KafkaJSNonRetriableError('Offset must not be a negative number')
    if (metadata !== null && typeof metadata !== 'string') {
      throw new KafkaJSNonRetriableError(
        `Invalid offset metadata, expected string or null, received ${inspect(metadata)}`,
      )
    }
    return { topic, partition: numberOf(partition), offset, metadata }
  })
}

/** @throws KafkaJSNonRetriableError */
export function checkPauses(topics: readonly unknown[], verb: 'pause' | 'resume'): void {
  for (const each of topics) {
    const { topic, partitions } = (each ?? {}) as { topic?: string; partitions?: unknown }
    if (!topic) throw new KafkaJSNonRetriableError(`Invalid topic ${inspect(topic)}`)
    if (partitions === undefined) continue
    if (Array.isArray(partitions) && !partitions.some((index) => Number.isNaN(Number(index)))) {
      continue
    }
    throw new KafkaJSNonRetriableError(
      `Array of valid partitions required to ${verb} specific partitions instead of ${inspect(partitions)}`,
    )
  }
}

function checkPartition({ topic, partition }: TopicPartition): void {
  if (!topic) throw new KafkaJSNonRetriableError(`Invalid topic ${topic}`)
  if (Number.isNaN(numberOf(partition))) {
    throw new KafkaJSNonRetriableError(`Invalid partition, expected a number received ${partition}`)
  }
}

/** kafkajs takes numbers in texts, too. */
export function numberOf(value: unknown): number {
  return Number(value)
}

function offsetOf(offset: unknown): number {
  const number = offset === '' || offset === null ? Number.NaN : Number(offset)
  if (Number.isSafeInteger(number)) return number
  throw new KafkaJSNonRetriableError(`Invalid offset, expected a long received ${inspect(offset)}`)
}
