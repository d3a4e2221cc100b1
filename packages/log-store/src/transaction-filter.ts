import type { ProducerSummary } from './batch-format.js'
import type { AbortedTransaction } from './log-tracker.js'

/**
 * Follows transactions while batches go by in their order, and says which batches are of no use any
 * more: those of aborted transactions, and markers of transactions that have no batch left.
 */
export class TransactionFilter {
  /** Aborted transactions that have not begun yet, by first offset. */
  readonly #ahead: readonly AbortedTransaction[]
  #next = 0
  readonly #aborted = new Map<bigint, { transaction: AbortedTransaction; seen: boolean }>()
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
    if (producer.control !== undefined) return this.#isUselessMarker(producer, empty)
    if (!producer.transactional) return false
    const aborted = this.#aborted.get(producer.producerId)
    if (aborted === undefined) {
      this.#committed.add(producer.producerId)
      return false
    }
    aborted.seen = true
    return true
  }

  #isUselessMarker(producer: ProducerSummary, empty: boolean): boolean {
    if (empty) return true
    const { producerId } = producer
    if (producer.control === 'other') return false
    if (producer.control === 'commit') return !this.#committed.delete(producerId)
    const aborted = this.#aborted.get(producerId)
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
      if (!this.#aborted.has(transaction.producerId)) {
        this.#aborted.set(transaction.producerId, { transaction, seen: false })
      }
    }
  }
}
