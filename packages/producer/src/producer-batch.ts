import { ClientError } from '@kfk/client'
import type { SerializedData } from '@kfk/client'
import { decodeRecords, RecordBatchBuilder, setProducerState } from '@kfk/protocol'
import type { CompressionType } from '@kfk/protocol'
import type { BatchOutcome, BatchPart, BatchResult } from './batch-outcome.js'
import type { BufferPool } from './buffer-pool.js'
import { numbersFrom } from './idempotence-state.js'
import type { BatchNumbers } from './idempotence-state.js'
import type { SerializedRecord } from './record.js'

export interface ProducerBatchOptions {
  readonly outcome: BatchOutcome
  /** Records of the same outcome before its own: it is a part of a batch that was too large. */
  readonly firstDelta?: number
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
  readonly #firstDelta: number
  readonly #compression: CompressionType
  readonly #pool: BufferPool | undefined
  /** Its memory from the pool. */
  #slot: Buffer | undefined
  #acknowledged = false
  #bytes: Uint8Array | undefined
  #encodedNumbers: BatchNumbers | undefined

  constructor(options: ProducerBatchOptions) {
    this.outcome = options.outcome
    this.#firstDelta = options.firstDelta ?? 0
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
    this.outcome.succeed(result, this.#part)
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
    this.outcome.fail(error, this.#part)
  }

  /**
   * Its records in batches of at most half its size, sent as often as it was, under the numbers
   * that they had in it. Their fate is told by the outcome that they share; it tells none itself.
   */
  split(): ProducerBatch[] {
    const { numbers, outcome } = this
    const records = this.#records()
    this.settled = true
    outcome.split(this.recordCount)
    const maxBytes = Math.ceil(this.sizeInBytes / 2)
    const parts: ProducerBatch[] = []
    let recordCount = 0
    for (const record of records) {
      if (parts.at(-1)?.tryAppend(record) !== true) {
        const part = new ProducerBatch({
          outcome,
          firstDelta: this.#firstDelta + recordCount,
          compression: this.#compression,
          maxBytes,
          expectedBytes: 0,
          pool: undefined,
          order: this.order,
          createdMs: this.createdMs,
          deadlineMs: this.deadlineMs,
        })
        part.attempts = this.attempts
        part.numbers = numbers && numbersFrom(numbers, recordCount)
        part.tryAppend(record)
        parts.push(part)
      }
      recordCount += 1
    }
    return parts
  }

  #records(): SerializedRecord[] {
    const settings = { verifyChecksum: false, maxDecompressedBytes: this.sizeInBytes }
    return decodeRecords(this.encode(), settings).map(({ key, value, headers, timestamp }) => {
      return { key, value, headers, timestamp, partition: undefined }
    })
  }

  get #part(): BatchPart {
    return { firstDelta: this.#firstDelta, recordCount: this.recordCount }
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
