import type { TopicMetadata } from '@kfk/client'
import { ZERO_UUID } from '@kfk/protocol'
import type { apis, CompressionType, RequestInput, ResponseOf } from '@kfk/protocol'
import type { BatchResult } from './batch-outcome.js'
import type { PartitionQueue } from './partition-queue.js'
import type { ProducerBatch } from './producer-batch.js'

/** A batch in a request, and where it goes. */
export interface SentBatch {
  readonly queue: PartitionQueue
  readonly batch: ProducerBatch
  readonly topic: TopicMetadata
}

export interface PartitionAnswer extends BatchResult {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export interface ProduceSettings {
  /** 0, 1, or -1 for all in-sync replicas. */
  readonly acks: number
  readonly timeoutMs: number
}

/** Record batches v2 came with version 3; brokers refuse what is older (KIP-896). */
const firstVersionWithBatches = 3
const firstVersionWithZstd = 7
/** From version 13 on topics are named by id only. */
const lastVersionWithNames = 12

/** Versions that can carry these batches. */
export function produceVersions(
  sent: readonly SentBatch[],
  compression: CompressionType,
): { minVersion: number; maxVersion: number | undefined } {
  const hasIds = sent.every(({ topic }) => topic.topicId !== ZERO_UUID)
  return {
    minVersion: compression === 'zstd' ? firstVersionWithZstd : firstVersionWithBatches,
    maxVersion: hasIds ? undefined : lastVersionWithNames,
  }
}

/** One request for all batches: at most one per partition, as the protocol demands. */
export function produceBody(
  sent: readonly SentBatch[],
  { acks, timeoutMs }: ProduceSettings,
): RequestInput<typeof apis.produce> {
  const byTopic = new Map<string, { index: number; records: Uint8Array }[]>()
  for (const { queue, batch } of sent) {
    const partition = { index: queue.index, records: batch.encode() }
    const list = byTopic.get(queue.topic)
    if (list === undefined) byTopic.set(queue.topic, [partition])
    else list.push(partition)
  }
  const ids = new Map(sent.map(({ topic }) => [topic.name, topic.topicId]))
  return {
    transactionalId: null,
    acks,
    timeoutMs,
    topicData: [...byTopic].map(([name, partitionData]) => ({
      name,
      topicId: ids.get(name)!,
      partitionData,
    })),
  }
}

/** The answer for each batch; undefined for one that the response leaves out. */
export function produceAnswers(
  sent: readonly SentBatch[],
  response: ResponseOf<typeof apis.produce>,
): (PartitionAnswer | undefined)[] {
  const answers = new Map<string, PartitionAnswer>()
  for (const { name, topicId, partitionResponses } of response.responses) {
    for (const answer of partitionResponses) {
      const key = `${name === '' ? topicId : name}/${answer.index}`
      answers.set(key, withRecordErrors(answer))
    }
  }
  return sent.map(
    ({ queue, topic }) =>
      answers.get(`${topic.topicId}/${queue.index}`) ??
      answers.get(`${queue.topic}/${queue.index}`),
  )
}

type WireAnswer = ResponseOf<typeof apis.produce>['responses'][number]['partitionResponses'][number]

/** The broker's text, with the first of the refused records (KIP-467). */
function withRecordErrors(answer: WireAnswer): PartitionAnswer {
  const first = answer.recordErrors.find(
    ({ batchIndexErrorMessage }) => batchIndexErrorMessage !== null,
  )
  if (first === undefined) return answer
  const text = `record ${first.batchIndex} of the batch: ${first.batchIndexErrorMessage}`
  const { errorMessage } = answer
  return { ...answer, errorMessage: errorMessage === null ? text : `${errorMessage} (${text})` }
}
