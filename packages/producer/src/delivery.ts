import { abortedError } from '@kfk/client'
import type { RecordMetadata } from './record.js'

/** Who hears of a record's fate. `position` is the record's place in what was sent together. */
export interface Delivery {
  /** Nobody waits any more. */
  readonly done: boolean
  succeed(position: number, metadata: RecordMetadata): void
  fail(error: unknown): void
}

type Reject = (error: unknown) => void

abstract class PromiseDelivery {
  done = false
  readonly #reject: Reject
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined

  constructor(reject: Reject, signal: AbortSignal | undefined) {
    this.#reject = reject
    this.#signal = signal
    if (signal === undefined) return
    this.#onAbort = () => this.fail(abortedError(signal))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  fail(error: unknown): void {
    if (this.done) return
    this.finish()
    this.#reject(error)
  }

  protected finish(): void {
    this.done = true
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

/** The promise of one record. */
export class SingleDelivery extends PromiseDelivery implements Delivery {
  readonly #resolve: (metadata: RecordMetadata) => void

  constructor(
    resolve: (metadata: RecordMetadata) => void,
    reject: Reject,
    signal: AbortSignal | undefined,
  ) {
    super(reject, signal)
    this.#resolve = resolve
  }

  succeed(_position: number, metadata: RecordMetadata): void {
    if (this.done) return
    this.finish()
    this.#resolve(metadata)
  }
}

/**
 * One promise for many records: resolves when all are delivered, rejects with the first failure.
 */
export class ManyDelivery extends PromiseDelivery implements Delivery {
  readonly #resolve: (metadata: RecordMetadata[]) => void
  readonly #results: RecordMetadata[]
  #missing: number

  constructor(
    count: number,
    resolve: (metadata: RecordMetadata[]) => void,
    reject: Reject,
    signal: AbortSignal | undefined,
  ) {
    super(reject, signal)
    this.#resolve = resolve
    this.#missing = count
    this.#results = new Array<RecordMetadata>(count)
  }

  succeed(position: number, metadata: RecordMetadata): void {
    this.#results[position] = metadata
    this.#missing -= 1
    if (this.done || this.#missing > 0) return
    this.finish()
    this.#resolve(this.#results)
  }
}
