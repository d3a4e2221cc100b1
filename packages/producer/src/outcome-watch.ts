import type { BatchOutcome } from './batch-outcome.js'

interface Waiter {
  readonly batches: Set<BatchOutcome>
  readonly resolve: () => void
}

/** Tells when a set of batches has been settled, whatever comes after them. */
export class OutcomeWatch {
  readonly #waiters = new Set<Waiter>()

  /** Resolves when each of these batches has an outcome. */
  of(open: readonly BatchOutcome[]): Promise<void> {
    if (open.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.add({ batches: new Set(open), resolve }))
  }

  settled(batch: BatchOutcome): void {
    for (const waiter of this.#waiters) {
      if (!waiter.batches.delete(batch) || waiter.batches.size > 0) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }
}
