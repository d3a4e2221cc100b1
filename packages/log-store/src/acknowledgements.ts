import type { StoreError } from './errors.js'
import { Listeners } from './listeners.js'

interface Waiter {
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (reason: StoreError) => void
}

/** Who waits for which offset to be acknowledged, and who listens to every advance. */
export class Acknowledgements {
  // Ascending by offset; appends ask in order, so insertion is at the end as a rule.
  #waiters: Waiter[] = []
  readonly #advances = new Listeners<number>()
  #offset: number
  #failure: StoreError | undefined

  constructor(offset: number) {
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  /** Moves on and tells. Going back is for truncation and tells nobody. */
  advance(offset: number): void {
    if (offset <= this.#offset || this.#failure !== undefined) return
    this.#offset = offset
    let done = 0
    while (done < this.#waiters.length && this.#waiters[done]!.offset <= offset) done++
    if (done > 0) for (const waiter of this.#waiters.splice(0, done)) waiter.resolve()
    this.#advances.tell(offset)
  }

  /** After truncation. */
  reset(offset: number): void {
    this.#offset = offset
  }

  wait(offset: number, signal?: AbortSignal): Promise<void> {
    if (offset <= this.#offset) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    return new Promise((resolve, reject) => {
      if (signal === undefined) {
        this.#insert({ offset, resolve, reject })
        return
      }
      const abort = () => {
        const at = this.#waiters.indexOf(waiter)
        if (at !== -1) this.#waiters.splice(at, 1)
        reject(signal.reason as Error)
      }
      const waiter: Waiter = {
        offset,
        resolve() {
          signal.removeEventListener('abort', abort)
          resolve()
        },
        reject(reason) {
          signal.removeEventListener('abort', abort)
          reject(reason)
        },
      }
      signal.addEventListener('abort', abort)
      this.#insert(waiter)
    })
  }

  listen(listener: (acknowledgedOffset: number) => void): () => void {
    return this.#advances.add(listener)
  }

  /** Rejects those who wait for more than `endOffset`: these records are gone. */
  rollBack(endOffset: number, error: StoreError): void {
    const from = this.#waiters.findIndex((waiter) => waiter.offset > endOffset)
    if (from === -1) return
    for (const waiter of this.#waiters.splice(from)) waiter.reject(error)
  }

  /** No further acknowledgement, ever. */
  fail(error: StoreError): void {
    this.#failure ??= error
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }

  #insert(waiter: Waiter): void {
    let at = this.#waiters.length
    while (at > 0 && this.#waiters[at - 1]!.offset > waiter.offset) at--
    if (at === this.#waiters.length) this.#waiters.push(waiter)
    else this.#waiters.splice(at, 0, waiter)
  }
}
