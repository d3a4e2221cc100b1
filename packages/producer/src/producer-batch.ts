import { ClientError } from '@kfk/client'
import { RecordBatchBuilder, setProducerState } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'
import type { Delivery } from './delivery.js'
import type { BatchNumbers } from './idempotence-state.js'
import type { SerializedRecord } from './record.js'

export interface ProducerBatchOptions {
  readonly compression: CompressionType
  readonly maxBytes: number
  /** Grows with every batch of the producer. */
  readonly order: number
  readonly createdMs: number
  readonly deadlineMs: number
}

/** What a broker says of a batch that it has. */
export interface BatchResult {
  /** -1 when unknown. */
  readonly baseOffset: number
  /** -1 unless the topic stamps records itself. */
  readonly logAppendTimeMs: number
}

/** Records of one partition on their way, and who waits for them. Records are encoded once, straight into the batch. */
export class ProducerBatch {
  readonly order: number
  readonly createdMs: number
  /** When it is given up, in monotonic milliseconds. */
  deadlineMs: number
  /** Times it was sent. */
  attempts = 0
  /** Set when it is first sent; kept until the broker has said that it did not take the batch. */
  numbers: BatchNumbers | undefined
  /** On the wire now; its bytes must not change. */
  inFlight = false
  /** Its waiters know the outcome. */
  settled = false
  /** The last reason for sending it again. */
  lastError: unknown
  /** Called once when settled. */
  onSettled: ((error: unknown) => void) | undefined
  readonly #builder: RecordBatchBuilder
  #bytes: Uint8Array | undefined
  #encodedNumbers: BatchNumbers | undefined
  // Parallel arrays: four small writes a record instead of an object.
  readonly #deliveries: Delivery[] = []
  readonly #deltas: number[] = []
  readonly #positions: number[] = []
  readonly #timestamps: number[] = []

  constructor(options: ProducerBatchOptions) {
    this.order = options.order
    this.createdMs = options.createdMs
    this.deadlineMs = options.deadlineMs
    this.#builder = new RecordBatchBuilder(options)
  }

  get recordCount(): number {
    return this.#builder.recordCount
  }

  /** Before compression. */
  get sizeInBytes(): number {
    return this.#builder.sizeInBytes
  }

  /** Records that nobody waits for (`post`). */
  get unwatchedCount(): number {
    return this.recordCount - this.#deliveries.length
  }

  /** False when the batch is full. */
  tryAppend(record: SerializedRecord, delivery: Delivery | undefined, position: number): boolean {
    const delta = this.#builder.recordCount
    const appended =
      record.headers === undefined
        ? this.#builder.tryAppend(record)
        : this.#builder.tryAppend({ ...record, headers: record.headers })
    if (appended && delivery !== undefined) {
      this.#deliveries.push(delivery)
      this.#deltas.push(delta)
      this.#positions.push(position)
      this.#timestamps.push(record.timestamp)
    }
    return appended
  }

  /** The batch under its present numbers. */
  encode(): Uint8Array {
    const { numbers } = this
    if (this.#bytes === undefined) {
      this.#bytes = this.#builder.build()
    } else if (numbers !== this.#encodedNumbers) {
      // An earlier sending may still hold the old bytes.
      this.#bytes = this.#bytes.slice()
    }
    if (numbers !== undefined && numbers !== this.#encodedNumbers) {
      setProducerState(this.#bytes, numbers)
      this.#encodedNumbers = numbers
    }
    return this.#bytes
  }

  succeed(partition: number, result: BatchResult): void {
    if (this.settled) return
    this.settled = true
    const { baseOffset, logAppendTimeMs } = result
    for (let at = 0; at < this.#deliveries.length; at += 1) {
      const delivery = this.#deliveries[at]!
      if (delivery.done) continue
      delivery.succeed(this.#positions[at]!, {
        partition,
        offset: baseOffset < 0 ? -1n : BigInt(baseOffset + this.#deltas[at]!),
        timestamp: logAppendTimeMs < 0 ? this.#timestamps[at]! : logAppendTimeMs,
      })
    }
    this.onSettled?.(undefined)
  }

  fail(error: unknown): void {
    if (this.settled) return
    this.settled = true
    for (const delivery of this.#deliveries) delivery.fail(error)
    this.onSettled?.(error)
  }

  /** Why it is given up at its deadline. */
  expiry(topicPartition: string, timeoutMs: number): ClientError {
    const { lastError } = this
    const reason = lastError instanceof Error ? ` The last failure: ${lastError.message}` : ''
    const unknown = this.attempts > 0 ? ' Whether the broker has them is unknown.' : ''
    return new ClientError(
      'KFK_CLIENT_TIMEOUT',
      `${this.recordCount} records of ${topicPartition} were not acknowledged within ${timeoutMs} ms.${unknown}${reason}`,
      { retriable: false, details: { topicPartition, timeoutMs }, cause: lastError },
    )
  }
}
