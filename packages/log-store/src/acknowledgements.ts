import type { StoreError } from './errors.js'
import { Listeners } from './listeners.js'
import { OffsetWaiters } from './offset-waiters.js'

/** Who waits for which offset to be acknowledged, and who listens to every advance. */
export class Acknowledgements {
  /** Of those who wait, or listen. */
  #waiters: OffsetWaiters | undefined
  #advances: Listeners<number> | undefined
  #offset: number
  #failure: StoreError | undefined

  constructor(offset: number) {
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  /** Smallest offset that somebody waits for; Number.MAX_SAFE_INTEGER when nobody does. */
  get lowestAwaited(): number {
    return this.#waiters?.lowest ?? Number.MAX_SAFE_INTEGER
  }

  /**
   * Moves on and tells; answers how many had waited for it. Going back is for truncation and tells
   * nobody.
   */
  advance(offset: number): number {
    if (offset <= this.#offset || this.#failure !== undefined) return 0
    this.#offset = offset
    const released = this.#waiters?.release(offset) ?? 0
    if (this.#waiters?.isEmpty === true) this.#waiters = undefined
    this.#advances?.tell(offset)
    return released
  }

  /** After truncation. */
  reset(offset: number): void {
    this.#offset = offset
  }

  /** `group`: see `OffsetWaiters.wait`. */
  wait(offset: number, signal?: AbortSignal, group?: number): Promise<void> {
    if (offset <= this.#offset) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#waiters ??= new OffsetWaiters()
    return this.#waiters.wait(offset, signal, group)
  }

  listen(listener: (acknowledgedOffset: number) => void): () => void {
    this.#advances ??= new Listeners()
    return this.#advances.add(listener)
  }

  /** Rejects those who wait for more than `endOffset`: these records are gone. */
  rollBack(endOffset: number, error: StoreError): void {
    this.#waiters?.rollBack(endOffset, error)
  }

  /** Rejects those who wait for what is written, up to `writtenOffset`: it may take long. */
  tellDelay(writtenOffset: number, error: StoreError): void {
    this.#waiters?.rollBack(this.#offset, error, writtenOffset)
  }

  /** No further acknowledgement, ever. */
  fail(error: StoreError): void {
    this.#failure ??= error
    this.#waiters?.fail(error)
  }
}
