import type { PartitionSequence } from './idempotence-state.js'
import type { ProducerBatch } from './producer-batch.js'

/**
 * Batches on the wire per partition: as many as a broker remembers to recognise repeated ones
 * (KIP-98).
 */
const maxInFlightBatches = 5

/**
 * The batches of one partition, oldest first. Order is kept like this: the batches on the wire are
 * older than those waiting, except that one which has to be sent again goes back to its place; it
 * then leaves only when nothing else of the partition is on the wire, and nothing follows it until
 * it is answered.
 */
export class PartitionQueue {
  readonly topic: string
  readonly index: number
  /** Undefined for a producer without idempotence. */
  readonly sequence: PartitionSequence | undefined
  readonly waiting: ProducerBatch[] = []
  readonly inFlight: ProducerBatch[] = []
  /** The youngest waiting batch, while it takes records. */
  open: ProducerBatch | undefined
  /** A guess at the next batch: the size of the last that left, or half of the guess before. */
  expectedBatchBytes = 0
  /** Nothing leaves before this monotonic time. */
  retryAtMs = 0
  /** Retries in a row. */
  failures = 0
  /** Numbers have to start over as soon as nothing is on the wire. */
  #reset: 'restart' | 'renew' | undefined

  constructor(topic: string, index: number, sequence: PartitionSequence | undefined) {
    this.topic = topic
    this.index = index
    this.sequence = sequence
  }

  toString(): string {
    return `${this.topic}-${this.index}`
  }

  /** The batch that may leave now, if any. */
  next(): ProducerBatch | undefined {
    const head = this.waiting[0]
    if (head === undefined || this.inFlight.length === 0) return head
    // Without sequence numbers only one batch at a time keeps order over a retry.
    if (this.sequence === undefined || this.#reset !== undefined) return undefined
    const isRetry = head.attempts > 0 || this.inFlight.some(({ attempts }) => attempts > 1)
    return isRetry || this.inFlight.length >= maxInFlightBatches ? undefined : head
  }

  /**
   * Numbers the batch that `next` gave; false while there is no producer id to number with.
   */
  number(batch: ProducerBatch): boolean {
    const { sequence } = this
    if (sequence === undefined) return true
    if (this.#reset !== undefined) this.#startOver(sequence)
    if (batch.numbers !== undefined) return true
    if (!sequence.prepare(this.#outstanding())) return false
    batch.numbers = sequence.assign(batch.recordCount)
    return true
  }

  /** Moves the head to the wire. */
  take(batch: ProducerBatch): void {
    this.waiting.shift()
    if (this.open === batch) this.open = undefined
    if (batch.attempts === 0) {
      // Among large ones some are small, with which a burst ends.
      this.expectedBatchBytes = Math.max(batch.sizeInBytes, this.expectedBatchBytes >>> 1)
    }
    batch.attempts += 1
    batch.inFlight = true
    this.inFlight.push(batch)
  }

  /** The answer, or the lack of one, is known. */
  returned(batch: ProducerBatch): void {
    batch.inFlight = false
    this.inFlight.splice(this.inFlight.indexOf(batch), 1)
  }

  /**
   * No older batch with numbers is unsettled: what the broker says of this one's numbers is final.
   */
  isFirstOutstanding(batch: ProducerBatch): boolean {
    const isOlder = (other: ProducerBatch): boolean =>
      other.numbers !== undefined && other.order < batch.order
    return !this.inFlight.some(isOlder) && !this.waiting.some(isOlder)
  }

  /** Puts a returned batch back in its place, to leave not before this monotonic time. */
  retry(batch: ProducerBatch, atMs: number): void {
    this.putBack([batch])
    this.retryAtMs = Math.max(this.retryAtMs, atMs)
  }

  /** Puts a returned batch, or its parts, back in its place: before parts that were behind it. */
  putBack(parts: readonly ProducerBatch[]): void {
    const { order } = parts[0]!
    let place = 0
    while (place < this.waiting.length && this.waiting[place]!.order < order) place += 1
    this.waiting.splice(place, 0, ...parts)
  }

  resetNumbers(how: 'restart' | 'renew'): void {
    if (this.#reset !== 'renew') this.#reset = how
  }

  /** The batch is given up, wherever it is; one on the wire stays there until it returns. */
  abandon(batch: ProducerBatch): void {
    if (batch.numbers !== undefined) this.sequence?.abandoned(batch.order)
    const place = this.waiting.indexOf(batch)
    if (place >= 0) this.waiting.splice(place, 1)
    if (this.open === batch) this.open = undefined
  }

  #outstanding(): number {
    return this.inFlight.length + this.waiting.filter(({ numbers }) => numbers !== undefined).length
  }

  #startOver(sequence: PartitionSequence): void {
    if (this.#reset === 'renew') sequence.renew()
    else sequence.restart()
    this.#reset = undefined
    for (const batch of this.waiting) batch.numbers = undefined
  }
}
