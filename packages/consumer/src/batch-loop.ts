import { abortedError, type Clock } from '@kfk/client'
import { RecordPlaces } from '@kfk/protocol'
import type { AssignedPartition, TakenBatch } from './assigned-partition.js'
import { FetchedBatchView } from './batch-view.js'
import type { BatchView } from './consumer-record.js'
import type { Delivery, TakeOptions } from './delivery.js'

export type BatchHandler = (batch: BatchView) => unknown

export interface BatchLoopOptions {
  readonly delivery: Delivery
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly handler: BatchHandler
  /** Handlers running at once, each on another partition. */
  readonly concurrency: number
  readonly signal: AbortSignal | undefined
  readonly commit: (partition: AssignedPartition, nextOffset: number) => Promise<void>
  /** What was taken of the partition is done with, or to be put back. */
  readonly onDone: (partition: AssignedPartition) => void
}

/**
 * After so many bytes of batches, or so much time, the event loop gets a turn: what is fetched
 * meanwhile is read, and heartbeats leave, however much is there to be handled. A turn costs some
 * 100 us, as much as a thousand small records.
 */
const bytesPerTurn = 2 * 1024 * 1024
const msPerTurn = 4

/** Calls a handler for batches. One that returns no promise is called for the next one at once. */
export class BatchLoop {
  readonly #options: BatchLoopOptions
  readonly #from: TakeOptions<TakenBatch>
  readonly #failures: unknown[] = []
  /** Not in use: each handler that runs has one. */
  readonly #places: RecordPlaces[] = []
  #running = 0
  #onEnd: () => void = () => undefined

  constructor(options: BatchLoopOptions) {
    this.#options = options
    this.#from = {
      from: (partition) => this.#takeOf(partition),
      stopped: () => this.#failures.length > 0 || options.signal?.aborted === true,
    }
  }

  /** Resolves when the consumer is closed. Rejects with what a handler or the signal says. */
  async run(): Promise<void> {
    const { delivery, signal } = this.#options
    const interrupt = (): void => delivery.signal()
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      await this.#loop()
      if (signal?.aborted === true && !delivery.ended()) this.#failures.push(abortedError(signal))
    } catch (error) {
      this.#failures.push(error)
    } finally {
      signal?.removeEventListener('abort', interrupt)
    }
    while (this.#running > 0) await this.#oneHasEnded()
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  async #loop(): Promise<void> {
    const { delivery, concurrency, clock } = this.#options
    let handledBytes = 0
    let turnMs = clock.monotonicMs()
    for (;;) {
      if (this.#running >= concurrency) await this.#oneHasEnded()
      const taken = delivery.takeNow(this.#from)
      if (taken !== undefined) {
        this.#handle(taken)
        handledBytes += taken.batch.source.bytes.length
        if (handledBytes < bytesPerTurn && clock.monotonicMs() - turnMs < msPerTurn) continue
        await new Promise((resolve) => setImmediate(resolve))
      } else {
        if (delivery.ended() || this.#from.stopped()) return
        await delivery.changed()
      }
      handledBytes = 0
      turnMs = clock.monotonicMs()
    }
  }

  #takeOf(partition: AssignedPartition): TakenBatch | undefined {
    const places = this.#places.at(-1) ?? new RecordPlaces()
    const taken = partition.takeBatch(places)
    if (taken !== undefined) this.#places.pop()
    return taken
  }

  #handle(taken: TakenBatch): void {
    const { commit, handler } = this.#options
    const view = new FetchedBatchView(taken, commit)
    try {
      const result = handler(view)
      if (!isThenable(result)) {
        this.#finish(taken, view)
        return
      }
      this.#running += 1
      void this.#settle(result, taken, view)
    } catch (error) {
      this.#failed(error, taken, view)
    }
  }

  async #settle(
    result: PromiseLike<unknown>,
    taken: TakenBatch,
    view: FetchedBatchView,
  ): Promise<void> {
    try {
      await result
      this.#finish(taken, view)
    } catch (error) {
      this.#failed(error, taken, view)
    }
    this.#running -= 1
    this.#onEnd()
  }

  #finish(taken: TakenBatch, view: FetchedBatchView): void {
    taken.partition.finish()
    this.#ended(taken, view)
  }

  #failed(error: unknown, taken: TakenBatch, view: FetchedBatchView): void {
    this.#failures.push(error)
    this.#ended(taken, view)
  }

  #ended({ partition, batch }: TakenBatch, view: FetchedBatchView): void {
    view.end()
    this.#places.push(batch.places)
    this.#options.onDone(partition)
  }

  #oneHasEnded(): Promise<void> {
    return new Promise((resolve) => (this.#onEnd = resolve))
  }
}

/** Whether a handler has returned something to wait for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined | null)?.then === 'function'
}
