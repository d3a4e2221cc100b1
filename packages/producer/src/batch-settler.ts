import { backoffMs, ClientError, kafkaError } from '@kfk/client'
import type { Client } from '@kfk/client'
import type { PartitionQueue } from './partition-queue.js'
import type { PartitionAnswer, SentBatch } from './produce-request.js'
import type { ProducerBatch } from './producer-batch.js'
import type { RecordAccumulator } from './record-accumulator.js'
import type { TopicCatalog } from './topic-catalog.js'
import { isStaleMetadata, judge, messageTooLarge } from './verdict.js'

export interface BatchSettlerOptions {
  readonly client: Client
  readonly accumulator: RecordAccumulator
  readonly topics: TopicCatalog
}

/**
 * Decides what becomes of a batch that has come back from the wire: delivered, sent again, or given
 * up.
 */
export class BatchSettler {
  readonly #options: BatchSettlerOptions

  constructor(options: BatchSettlerOptions) {
    this.#options = options
  }

  /** The broker's answer for this batch; undefined when the response leaves it out. */
  answered({ queue, batch }: SentBatch, answer: PartitionAnswer | undefined): void {
    queue.returned(batch)
    if (answer === undefined) {
      this.#retry(queue, batch, kafkaError(-1, 'the response leaves the partition out'))
      return
    }
    const { errorCode, errorMessage } = answer
    const verdict = judge({
      errorCode,
      idempotent: queue.sequence !== undefined,
      isFirstOutstanding: queue.isFirstOutstanding(batch),
      recordCount: batch.recordCount,
    })
    if (verdict === 'taken') {
      queue.failures = 0
      queue.sequence?.succeeded(batch.order)
      batch.succeed(answer)
      this.#options.accumulator.release(batch)
      return
    }
    const error = kafkaError(errorCode, errorMessage, detailsOf(queue, batch))
    if (verdict === 'split' && !batch.settled) {
      this.#split(queue, batch, error)
      return
    }
    if (verdict === 'fail' || verdict === 'split') {
      // The broker says that it did not take it: what follows need not be refused first.
      if (errorCode === messageTooLarge && queue.isFirstOutstanding(batch)) {
        queue.resetNumbers('restart')
      }
      this.giveUp(queue, batch, explainSize(error, batch))
      return
    }
    if (verdict !== 'retry') queue.resetNumbers(verdict)
    if (isStaleMetadata(errorCode)) this.#options.topics.refresh(queue.topic)
    this.#retry(queue, batch, error)
  }

  /** The request got no answer. */
  failed({ queue, batch }: SentBatch, error: unknown): void {
    queue.returned(batch)
    if (!(error instanceof ClientError) || !error.retriable) {
      this.giveUp(queue, batch, error)
      return
    }
    this.#options.topics.refresh(queue.topic)
    this.#retry(queue, batch, error)
  }

  #split(queue: PartitionQueue, batch: ProducerBatch, error: ClientError): void {
    const { client, accumulator } = this.#options
    client.logger.debug('batch is too large for the topic and will be sent in parts', {
      ...detailsOf(queue, batch),
      reason: error.message,
    })
    try {
      accumulator.split(batch, queue)
    } catch (thrown) {
      this.giveUp(queue, batch, thrown)
    }
  }

  #retry(queue: PartitionQueue, batch: ProducerBatch, error: ClientError): void {
    const { client, accumulator } = this.#options
    if (batch.settled) {
      // Given up while it was on the wire.
      queue.sequence?.abandoned(batch.order)
      accumulator.release(batch)
      return
    }
    batch.lastError = error
    const waitMs = backoffMs(client.retryPolicy, queue.failures, client.random)
    queue.failures += 1
    queue.retry(batch, client.clock.monotonicMs() + waitMs)
    accumulator.active.add(queue)
    client.logger.debug('batch will be sent again', {
      ...detailsOf(queue, batch),
      reason: error.message,
    })
  }

  /** Ends a batch with an error, wherever it is. */
  giveUp(queue: PartitionQueue, batch: ProducerBatch, error: unknown): void {
    const { accumulator } = this.#options
    queue.abandon(batch)
    if (queue.waiting.length === 0) accumulator.active.delete(queue)
    batch.fail(error)
    accumulator.release(batch)
  }
}

/** With acks=0 nobody answers: taken, offset unknown. */
export const unacknowledged: PartitionAnswer = {
  errorCode: 0,
  errorMessage: null,
  baseOffset: -1,
  logAppendTimeMs: -1,
}

function explainSize(error: ClientError, batch: ProducerBatch): ClientError {
  if (error.kafkaCode !== messageTooLarge) return error
  const size = `a record, in a batch of its own of ${batch.encode().length} bytes`
  return kafkaError(
    messageTooLarge,
    `${size}, is larger than the topic allows; raise max.message.bytes`,
    error.details,
  )
}

function detailsOf(queue: PartitionQueue, batch: ProducerBatch): Record<string, unknown> {
  const { topic, index: partition } = queue
  return { topic, partition, records: batch.recordCount, attempts: batch.attempts }
}
