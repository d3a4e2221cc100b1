import type { TopicMetadata } from '@kfk/client'
import { apis, type ResponseOf } from '@kfk/protocol'
import type { RequestObserver } from './observed-client.js'

export interface PartitionState {
  /** -1 unless the topic has LogAppendTime. */
  readonly logAppendTime: number
  readonly logStartOffset: number
}

const unknownState: PartitionState = { logAppendTime: -1, logStartOffset: -1 }

/** What brokers last said of partitions that were written to. One entry for each of them. */
export class ProduceAnswers implements RequestObserver {
  readonly #states = new Map<string, PartitionState>()

  answered({ api }: { readonly api: { readonly key: number } }, response: unknown): void {
    if (api.key !== apis.produce.key || response === undefined) return
    const { responses } = response as ResponseOf<typeof apis.produce>
    for (const { name, topicId, partitionResponses } of responses) {
      const topic = name === '' ? topicId : name
      for (const { index, errorCode, logAppendTimeMs, logStartOffset } of partitionResponses) {
        if (errorCode !== 0) continue
        this.#states.set(`${topic}/${index}`, { logAppendTime: logAppendTimeMs, logStartOffset })
      }
    }
  }

  of({ name, topicId }: TopicMetadata, partition: number): PartitionState {
    const byId = this.#states.get(`${topicId}/${partition}`)
    return byId ?? this.#states.get(`${name}/${partition}`) ?? unknownState
  }
}
