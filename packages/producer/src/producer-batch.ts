import { ClientError } from '@kfk/client'
import type { SerializedData } from '@kfk/client'
import { RecordBatchBuilder, setProducerState } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'
import { BatchOutcome } from './batch-outcome.js'
import type { BatchResult, BatchTarget } from './batch-outcome.js'
import type { BufferPool } from './buffer-pool.js'
import type { BatchNumbers } from './idempotence-state.js'
import type { SerializedRecord } from './record.js'

export interface ProducerBatchOptions {
  readonly target: BatchTarget
  readonly compression: CompressionType
  readonly maxBytes: number
  /** A guess at its size: memory taken at once instead of in steps. 0 for none. */
  readonly expectedBytes: number
  /** Memory for a batch that is expected to become large; undefined: none of it may be reused. */
  readonly pool: BufferPool | undefined
  /** Grows with every batch of the producer. */
  readonly order: number
  readonly createdMs: number
  readonly deadlineMs: number
}

/** Below this the builder's own first step is enough. */
const worthwhileBytes = 4096
/** A batch that will fill less of a pooled buffer than this gets memory of its own. */
const pooledShare = 0.25

/**
 * Records of one partition on their way. They are encoded once, straight into the batch.
 */
export class ProducerBatch {
  /** Its fate, for those who wait for its records. */
  readonly outcome: BatchOutcome
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
  /** Memory counted for it. */
  chargedBytes = 0
  /** Its waiters know the outcome. */
  settled = false
  /** The last reason for sending it again. */
  lastError: unknown
  /** It is being compressed in another thread, takes no more records, and cannot be encoded yet. */
  compressing = false
  readonly #builder: RecordBatchBuilder
  readonly #compression: CompressionType
  readonly #pool: BufferPool | undefined
  /** Its memory from the pool. */
  #slot: Buffer | undefined
  #acknowledged = false
  #bytes: Uint8Array | undefined
  #encodedNumbers: BatchNumbers | undefined

  constructor(options: ProducerBatchOptions) {
    this.outcome = new BatchOutcome(options.target)
    this.order = options.order
    this.createdMs = options.createdMs
    this.deadlineMs = options.deadlineMs
    const { compression, maxBytes } = options
    this.#compression = compression
    this.#pool = options.pool
    this.#slot = slotFor(options)
    const buffer = this.#slot ?? ownBuffer(options)
    this.#builder = new RecordBatchBuilder({
      compression,
      maxBytes,
      ...(buffer === undefined ? {} : { buffer }),
    })
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
    return this.recordCount - this.outcome.watchedCount
  }

  /** False when the batch is full. */
  tryAppend(record: SerializedRecord): boolean {
    return this.#builder.tryAppend(record)
  }

  /** What is only a value, stamped like the one before; false: it goes another way. */
  tryAppendValue(value: SerializedData): boolean {
    return typeof value === 'string'
      ? this.#builder.tryAppendText(value)
      : this.#builder.tryAppendValue(value)
  }

  /** There is so much to compress that another thread should. */
  get paysApart(): boolean {
    return this.#builder.paysApart
  }

  /** Has the records compressed in another thread. Never rejects: what is wrong, `encode` says. */
  async compressApart(): Promise<void> {
    this.compressing = true
    await this.#builder.compressApart()
    this.compressing = false
  }

  /** The batch under its present numbers. */
  encode(): Uint8Array {
    const { numbers } = this
    if (this.#bytes === undefined) {
      this.#bytes = this.#compression === 'none' ? this.#builder.build(numbers) : this.#compress()
    } else if (numbers !== this.#encodedNumbers) {
      // An earlier sending may still hold the old bytes.
      this.#bytes = this.#bytes.slice()
      if (numbers !== undefined) setProducerState(this.#bytes, numbers)
    }
    this.#encodedNumbers = numbers
    return this.#bytes
  }

  /** Compressed, the batch is in other memory: if it was large, that is of the pool, too. */
  #compress(): Uint8Array {
    const target = this.#slot === undefined ? undefined : this.#pool!.take()
    try {
      return this.#builder.build(this.numbers, target)
    } finally {
      this.#leaveSlot(true)
      this.#slot = target
    }
  }

  succeed(result: BatchResult): void {
    if (this.settled) return
    this.settled = true
    this.#acknowledged = true
    this.outcome.succeed(result, this.recordCount)
  }

  /**
   * To be called when it is settled and not on the wire: its memory may be used again. Not after a
   * failure or a second sending, when a connection that has ended may still refer to the bytes.
   */
  release(): void {
    this.#leaveSlot(this.#acknowledged && this.attempts === 1)
  }

  fail(error: unknown): void {
    if (this.settled) return
    this.settled = true
    this.outcome.fail(error)
  }

  #leaveSlot(isUnused: boolean): void {
    const slot = this.#slot
    if (slot === undefined) return
    this.#slot = undefined
    if (isUnused) this.#pool!.giveBack(slot)
    else this.#pool!.forget()
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

function slotFor({ pool, expectedBytes }: ProducerBatchOptions): Buffer | undefined {
  return pool !== undefined && expectedBytes >= pool.slotBytes * pooledShare
    ? pool.take()
    : undefined
}

function ownBuffer({ expectedBytes, maxBytes }: ProducerBatchOptions): Buffer | undefined {
  if (expectedBytes < worthwhileBytes) return undefined
  return Buffer.allocUnsafeSlow(Math.min(maxBytes, expectedBytes + (expectedBytes >> 3)))
}
