import type { RecordBatch, TopicPartition } from '@kfk/consumer'
import { ConsumedBatch } from './consumed-batch.js'
import type { ConsumerEvents, ConsumerRunConfig, EachBatchPayload } from './consumer-api.js'
import { protocolError } from './error-translation.js'
import { KafkaJSError } from './errors.js'
import type { Instrumentation } from './instrumentation.js'
import type { Logger } from './logger.js'
import type { OffsetCommits } from './offset-commits.js'
import { topicOffsets, type PartitionProgress, type Progress } from './partition-progress.js'
import type { PausedPartitions } from './paused-partitions.js'
import { asError } from './retry.js'

export interface BatchHandlingOptions {
  readonly run: ConsumerRunConfig
  readonly logger: Logger
  readonly instrumentation: Instrumentation<ConsumerEvents>
  readonly progress: Progress
  readonly commits: OffsetCommits
  readonly paused: PausedPartitions
  readonly isRunning: () => boolean
  /** Returns what resumes. */
  readonly pause: (partition: TopicPartition) => () => void
  readonly readAgainFrom: (partition: TopicPartition, offset: number) => void
}

/** A batch, and what the partition was when it was taken. */
interface Taken {
  readonly batch: ConsumedBatch
  readonly progress: PartitionProgress
  readonly seeks: number
}

const rebalanceInProgress = 27

/** Gives batches to the program's handler, and keeps count of what it has processed. */
export class BatchHandling {
  readonly #options: BatchHandlingOptions

  constructor(options: BatchHandlingOptions) {
    this.#options = options
  }

  /** Rejects with what the handler throws; what was processed before is committed then. */
  async handle(records: RecordBatch): Promise<void> {
    const { run, instrumentation, commits } = this.#options
    const progress = this.#options.progress.get(records)
    if (progress === undefined) return
    const batch = new ConsumedBatch(records)
    const taken = { batch, progress, seeks: progress.seeks }
    const startedAt = Date.now()
    const { START_BATCH_PROCESS, END_BATCH_PROCESS } = instrumentation.events
    const payload = batchPayload(batch)
    instrumentation.emit(START_BATCH_PROCESS, payload)
    try {
      if (run.eachMessage) await this.#eachMessage(taken, run.eachMessage)
      else if (run.eachBatch) await this.#eachBatch(taken, run.eachBatch)
    } catch (error) {
      this.#logFailure(error, batch)
      await commits.auto()
      throw error
    } finally {
      this.#readRestAgain(taken)
    }
    instrumentation.emit(END_BATCH_PROCESS, { ...payload, duration: Date.now() - startedAt })
    await commits.auto()
  }

  async #eachMessage(
    taken: Taken,
    handler: NonNullable<ConsumerRunConfig['eachMessage']>,
  ): Promise<void> {
    const { commits, paused, isRunning, run } = this.#options
    const { batch, progress } = taken
    const { topic, partition } = batch
    const heartbeat = (): Promise<void> => this.#heartbeat(batch)
    const pause = (): (() => void) => this.#options.pause({ topic, partition })
    const isAutomatic = run.autoCommit ?? true
    for (const [index, message] of batch.messages.entries()) {
      if (!isRunning() || this.#isStale(taken)) return
      await handler({ topic, partition, message, heartbeat, pause })
      if (progress.seeks !== taken.seeks) return
      const isLast = index === batch.messages.length - 1
      progress.resolved = isLast ? batch.nextOffset : Number(message.offset) + 1
      const commit = isAutomatic ? commits.ifNecessary() : undefined
      if (commit !== undefined) await commit
      if (paused.has(batch)) return
    }
  }

  async #eachBatch(
    taken: Taken,
    handler: NonNullable<ConsumerRunConfig['eachBatch']>,
  ): Promise<void> {
    const { batch, progress } = taken
    await handler(this.#batchPayload(taken))
    if ((this.#options.run.eachBatchAutoResolve ?? true) && progress.seeks === taken.seeks) {
      progress.resolved = batch.nextOffset
    }
  }

  #batchPayload(taken: Taken): EachBatchPayload {
    const { commits, isRunning } = this.#options
    const { batch, progress } = taken
    const lastMessageOffset = batch.messages.at(-1)?.offset
    return {
      batch,
      resolveOffset: (offset) => {
        if (progress.seeks !== taken.seeks) return
        // What follows the last message (control records) is nobody else's to resolve.
        const isLast = offset === lastMessageOffset
        progress.resolved = isLast ? batch.nextOffset : Number(offset) + 1
      },
      heartbeat: () => this.#heartbeat(batch),
      pause: () => this.#options.pause({ topic: batch.topic, partition: batch.partition }),
      commitOffsetsIfNecessary: async (offsets) => {
        if (offsets === undefined) {
          await commits.ifNecessary()
          return
        }
        const wanted = offsets.topics.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
        )
        await commits.commit(wanted)
      },
      uncommittedOffsets: () => ({ topics: topicOffsets(this.#options.progress.uncommitted()) }),
      isRunning,
      isStale: () => this.#isStale(taken),
    }
  }

  /** Heartbeats leave without it: it tells the handler that the partition is not its any more. */
  #heartbeat({ signal }: ConsumedBatch): Promise<void> {
    return signal.aborted ? Promise.reject(protocolError(rebalanceInProgress)) : Promise.resolve()
  }

  #isStale({ batch, progress, seeks }: Taken): boolean {
    return progress.seeks !== seeks || batch.signal.aborted
  }

  /** What the handler has left comes again. */
  #readRestAgain(taken: Taken): void {
    const { batch, progress } = taken
    if (this.#isStale(taken)) return
    const first = Number(batch.firstOffset())
    const next = Math.max(first, progress.resolved ?? first)
    if (next < batch.nextOffset) this.#options.readAgainFrom(batch, next)
  }

  #logFailure(error: unknown, batch: ConsumedBatch): void {
    if (error instanceof KafkaJSError) return
    const { logger, run } = this.#options
    const { topic, partition } = batch
    const name = run.eachMessage ? 'eachMessage' : 'eachBatch'
    const { stack, message } = asError(error)
    const offset = batch.firstOffset()
    logger.error(`Error when calling ${name}`, { topic, partition, offset, stack, error: message })
  }
}

function batchPayload(batch: ConsumedBatch) {
  return {
    topic: batch.topic,
    partition: batch.partition,
    highWatermark: batch.highWatermark,
    offsetLag: batch.offsetLag(),
    offsetLagLow: batch.offsetLagLow(),
    batchSize: batch.messages.length,
    firstOffset: batch.firstOffset(),
    lastOffset: batch.lastOffset(),
  }
}
