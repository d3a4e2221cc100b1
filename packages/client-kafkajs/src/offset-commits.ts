import type { Consumer as OurConsumer } from '@kfk/consumer'
import type { ConsumerEvents, ConsumerRunConfig } from './consumer-api.js'
import { translating } from './error-translation.js'
import type { Instrumentation } from './instrumentation.js'
import { topicOffsets, type OffsetToCommit, type Progress } from './partition-progress.js'

export interface OffsetCommitsOptions {
  readonly consumer: Pick<OurConsumer<string>, 'commit' | 'membership'>
  readonly progress: Progress
  readonly groupId: string
  readonly run: ConsumerRunConfig
  readonly instrumentation: Instrumentation<ConsumerEvents>
}

/** Commits the offsets of one run. */
export class OffsetCommits {
  readonly #options: OffsetCommitsOptions
  #lastMs = Date.now()

  constructor(options: OffsetCommitsOptions) {
    this.#options = options
  }

  /** What is processed, unless the program commits by itself. */
  auto(): Promise<void> {
    return (this.#options.run.autoCommit ?? true) ? this.processed() : Promise.resolve()
  }

  /** What is processed, if it is time to by interval or count. Undefined: it is not. */
  ifNecessary(): Promise<void> | undefined {
    const { autoCommitInterval, autoCommitThreshold } = this.#options.run
    const isTime = autoCommitInterval != null && Date.now() >= this.#lastMs + autoCommitInterval
    const isMany =
      autoCommitThreshold != null &&
      this.#options.progress.countUncommitted() >= autoCommitThreshold
    return isTime || isMany ? this.processed() : undefined
  }

  processed(): Promise<void> {
    return this.commit(this.#options.progress.uncommitted())
  }

  /** Rejects with a KafkaJSError. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { consumer, progress, groupId, instrumentation } = this.#options
    if (offsets.length > 0) {
      const wanted = offsets.map(({ topic, partition, offset, metadata }) => ({
        topic,
        partition,
        offset: BigInt(offset),
        metadata: metadata ?? '',
      }))
      await translating(consumer.commit(wanted))
      progress.committed(offsets)
      if (instrumentation.hasListeners(instrumentation.events.COMMIT_OFFSETS)) {
        const { memberId = '', generation = -1 } = consumer.membership ?? {}
        const topics = topicOffsets(offsets)
        const payload = { groupId, memberId, groupGenerationId: generation, topics }
        instrumentation.emit(instrumentation.events.COMMIT_OFFSETS, payload)
      }
    }
    this.#lastMs = Date.now()
  }
}
