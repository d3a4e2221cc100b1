import type { StoreError } from './errors.js'
import { Listeners } from './listeners.js'
import { OffsetWaiters } from './offset-waiters.js'

/** Who waits for which offset to be acknowledged, and who listens to every advance. */
export class Acknowledgements {
  readonly #waiters = new OffsetWaiters()
  readonly #advances = new Listeners<number>()
  #offset: number
  #failed = false

  constructor(offset: number) {
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  /**
   * Moves on and tells; answers how many had waited for it. Going back is for truncation and tells
   * nobody.
   */
  advance(offset: number): number {
    if (offset <= this.#offset || this.#failed) return 0
    this.#offset = offset
    const released = this.#waiters.release(offset)
    this.#advances.tell(offset)
    return released
  }

  /** After truncation. */
  reset(offset: number): void {
    this.#offset = offset
  }

  /** `group`: see `OffsetWaiters.wait`. */
  wait(offset: number, signal?: AbortSignal, group?: number): Promise<void> {
    if (offset <= this.#offset) return Promise.resolve()
    return this.#waiters.wait(offset, signal, group)
  }

  listen(listener: (acknowledgedOffset: number) => void): () => void {
    return this.#advances.add(listener)
  }

  /** Rejects those who wait for more than `endOffset`: these records are gone. */
  rollBack(endOffset: number, error: StoreError): void {
    this.#waiters.rollBack(endOffset, error)
  }

  /** No further acknowledgement, ever. */
  fail(error: StoreError): void {
    this.#failed = true
    this.#waiters.fail(error)
  }
}
