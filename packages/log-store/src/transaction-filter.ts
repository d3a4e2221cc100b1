import type { ProducerSummary } from './batch-format.js'
import type { AbortedTransaction } from './log-tracker.js'

interface Aborted {
  readonly transaction: AbortedTransaction
  /** A batch of it was met. */
  seen: boolean
}

/**
 * Follows transactions while batches go by in their order, and says which batches are of no use any
 * more: those of aborted transactions, and markers of transactions that have no batch left.
 */
export class TransactionFilter {
  /** Aborted transactions that have not begun yet, by first offset. */
  readonly #ahead: readonly AbortedTransaction[]
  #next = 0
  readonly #aborted = new Map<bigint, Aborted>()
  readonly #committed = new Set<bigint>()
  /** Told of each aborted transaction whose marker must stay: it belongs into the new index. */
  readonly #onKept: (transaction: AbortedTransaction) => void

  constructor(
    aborted: readonly AbortedTransaction[],
    onKept: (transaction: AbortedTransaction) => void = () => undefined,
  ) {
    this.#ahead = aborted
    this.#onKept = onKept
  }

  /** True: the records of the batch that ends at `lastOffset` are of no use. */
  isUseless(producer: ProducerSummary, lastOffset: number, empty: boolean): boolean {
    this.#begin(lastOffset)
    if (producer.control !== undefined) return this.#isUselessMarker(producer, lastOffset, empty)
    if (!producer.transactional) return false
    const aborted = this.#abortedAt(producer.producerId, lastOffset)
    if (aborted === undefined) {
      this.#committed.add(producer.producerId)
      return false
    }
    aborted.seen = true
    return true
  }

  #isUselessMarker(producer: ProducerSummary, lastOffset: number, empty: boolean): boolean {
    if (empty) return true
    const { producerId } = producer
    if (producer.control === 'other') return false
    if (producer.control === 'commit') return !this.#committed.delete(producerId)
    const aborted = this.#abortedAt(producerId, lastOffset)
    this.#aborted.delete(producerId)
    if (aborted?.seen !== true) return true
    this.#onKept(aborted.transaction)
    return false
  }

  #begin(offset: number): void {
    for (;;) {
      const transaction = this.#ahead[this.#next]
      if (transaction === undefined || transaction.firstOffset > offset) return
      this.#next++
      const { producerId, firstOffset } = transaction
      if (this.#abortedAt(producerId, firstOffset) === undefined) {
        this.#aborted.set(producerId, { transaction, seen: false })
      }
    }
  }

  /**
   * The aborted transaction that holds what a producer has at `offset`. The marker that ended it
   * may be gone since the list was made: an earlier pass has had no use for it.
   */
  #abortedAt(producerId: bigint, offset: number): Aborted | undefined {
    const aborted = this.#aborted.get(producerId)
    return aborted === undefined || aborted.transaction.lastOffset < offset ? undefined : aborted
  }
}
