import { errorCodes } from '@kfk/protocol'

/**
 * The batches of a producer that a retry may repeat: clients keep at most five in flight (KIP-98).
 */
const batchesKept = 5
/**
 * Bound of the memory for producers that come and never return; the one silent for longest goes
 * first.
 */
const producersMax = 100_000
const sequenceMax = 0x7fffffff

/** The producer's part of a batch header. */
export interface ProducerBatch {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** One appended batch, as far as idempotence goes. */
export interface AppendedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  /** Largest timestamp of the batch, in ms. */
  readonly timestamp: number
}

/** What a partition knows of one producer. */
export interface ProducerEntry {
  readonly producerId: bigint
  readonly epoch: number
  /** Oldest first, at most five. */
  readonly batches: readonly AppendedBatch[]
}

interface MutableEntry {
  readonly producerId: bigint
  epoch: number
  batches: AppendedBatch[]
}

/** Whether a batch is the next of its producer. `duplicate`: it is in the log already, there. */
export type SequenceVerdict =
  'append' | { duplicate: AppendedBatch } | { errorCode: number; errorMessage: string }

/**
 * The sequences of the producers of one partition: a batch that is sent twice is stored once, and
 * none is stored before its predecessor. Derived from the log alone: whoever applies the same
 * batches has the same state.
 */
export class ProducerState {
  /** In the order of the last append. */
  readonly #entries = new Map<bigint, MutableEntry>()
  #changes = 0

  get size(): number {
    return this.#entries.size
  }

  /** Grows with every change, so that one can tell whether a snapshot is still the newest. */
  get changes(): number {
    return this.#changes
  }

  entries(): Iterable<ProducerEntry> {
    return this.#entries.values()
  }

  /** Kafka's ProducerAppendInfo: epoch first, then duplicates, then the sequence. */
  check(batch: ProducerBatch): SequenceVerdict {
    const entry = this.#entries.get(batch.producerId)
    // An unknown producer may begin anywhere: what it sent before may have been deleted or expired
    // (KIP-360).
    if (entry === undefined) return 'append'
    if (batch.producerEpoch < entry.epoch) return staleEpoch(batch, entry)
    if (batch.producerEpoch > entry.epoch) {
      return batch.baseSequence === 0 ? 'append' : outOfOrder(batch, 'a new epoch begins with 0')
    }
    const lastSequence = lastSequenceOf(batch)
    for (const appended of entry.batches) {
      if (appended.firstSequence === batch.baseSequence && appended.lastSequence === lastSequence) {
        return { duplicate: appended }
      }
    }
    const last = entry.batches.at(-1)
    if (last === undefined) return 'append'
    const expected = nextSequence(last.lastSequence)
    return batch.baseSequence === expected
      ? 'append'
      : outOfOrder(batch, `the next one is ${expected}`)
  }

  /** Takes note of a batch that is in the log. */
  apply(batch: ProducerBatch, at: { lastOffset: number; timestamp: number }): void {
    const { producerId, producerEpoch } = batch
    let entry = this.#entries.get(producerId)
    if (entry === undefined || entry.epoch !== producerEpoch) {
      entry = { producerId, epoch: producerEpoch, batches: [] }
    }
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: lastSequenceOf(batch),
      lastOffset: at.lastOffset,
      offsetDelta: batch.recordCount - 1,
      timestamp: at.timestamp,
    })
    if (entry.batches.length > batchesKept) entry.batches.shift()
    this.#entries.delete(producerId)
    this.#entries.set(producerId, entry)
    this.#changes++
    if (this.#entries.size > producersMax) this.#forgetOldest()
  }

  /** Puts back an entry of a snapshot. */
  restore(entry: ProducerEntry): void {
    const { producerId, epoch } = entry
    this.#entries.set(producerId, { producerId, epoch, batches: [...entry.batches] })
    this.#changes++
  }

  /**
   * Forgets what was appended at or after `endOffset`: those batches are not in the log any more.
   */
  truncate(endOffset: number): void {
    for (const entry of this.#entries.values()) {
      const kept = entry.batches.filter((batch) => batch.lastOffset < endOffset)
      if (kept.length === entry.batches.length) continue
      this.#changes++
      if (kept.length === 0) this.#entries.delete(entry.producerId)
      else entry.batches = kept
    }
  }

  /** Forgets producers whose last batch is `expirationMs` old. */
  expire(nowMs: number, expirationMs: number): void {
    for (const entry of this.#entries.values()) {
      const last = entry.batches.at(-1)
      if (last !== undefined && nowMs - last.timestamp < expirationMs) continue
      this.#entries.delete(entry.producerId)
      this.#changes++
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }
}

function lastSequenceOf(batch: ProducerBatch): number {
  const last = batch.baseSequence + batch.recordCount - 1
  return last > sequenceMax ? last - sequenceMax - 1 : last
}

/** Sequences wrap around to 0 after 2^31 - 1. */
function nextSequence(sequence: number): number {
  return sequence === sequenceMax ? 0 : sequence + 1
}

function staleEpoch(batch: ProducerBatch, entry: ProducerEntry): SequenceVerdict {
  return {
    errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
    errorMessage:
      `Producer ${batch.producerId} has epoch ${entry.epoch}, ` +
      `the batch has ${batch.producerEpoch}`,
  }
}

function outOfOrder(batch: ProducerBatch, why: string): SequenceVerdict {
  return {
    errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
    errorMessage:
      `Sequence ${batch.baseSequence} of producer ${batch.producerId} ` + `is out of order: ${why}`,
  }
}
