import { availableParallelism } from 'node:os'
import type { ProducerBatch } from './producer-batch.js'

/** More than there are processors gain nothing, and take the threads that files and names need. */
const maxRunning = Math.min(availableParallelism(), 4)

/** Has batches compressed in other threads, a few at a time, so that the event loop goes on. */
export class BatchCompressor {
  readonly #onDone: () => void
  #running = 0

  /** `onDone` is called when one has been compressed: there is room for another. */
  constructor(onDone: () => void) {
    this.#onDone = onDone
  }

  /**
   * The batch can be encoded without holding up the event loop. False while it is compressed, which
   * this may have begun, or waits for that.
   */
  isDone(batch: ProducerBatch): boolean {
    if (batch.compressing) return false
    if (!batch.paysApart) return true
    if (this.#running < maxRunning) {
      this.#running += 1
      void batch.compressApart().then(() => {
        this.#running -= 1
        this.#onDone()
      })
    }
    return false
  }
}
