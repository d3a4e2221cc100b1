import { abortedError } from '@kfk/client'
import { recordAt } from './batch-outcome.js'
import type { BatchOutcome, Landing } from './batch-outcome.js'
import type { SendOptions, Sent } from './producer-api.js'
import type { ProducerBatch } from './producer-batch.js'
import type { BatchMetadata, RecordMetadata } from './record.js'

/** Who hears of the fate of records that were sent together, or that have to wait. */
export interface Delivery {
  /** Nobody waits any more. */
  readonly done: boolean
  /** The next record, in the order of sending, is the last one of this batch now. */
  entered(batch: ProducerBatch, timestamp: number): void
  fail(error: unknown): void
}

/**
 * Follows `count` records, which `start` sends, and tells of their batches, or with `each` of each
 * of them.
 */
export function deliver(
  count: number,
  { each, signal }: SendOptions = {},
  start: (delivery: Delivery) => void,
): Promise<Sent<boolean>[]> {
  return new Promise((resolve, reject) => {
    const ending = { resolve, reject, signal }
    const Kind = each === true ? RecordsDelivery : BatchesDelivery
    const delivery = new Kind(count, ending)
    try {
      start(delivery)
    } catch (error) {
      delivery.fail(error)
    }
  })
}

/** How a promise ends. */
interface Ending<Result> {
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
}

/** Follows `count` records: rejects with the first failure, or when the signal says so. */
abstract class PromiseDelivery<Result> implements Delivery {
  done = false
  readonly #ending: Ending<Result[]>
  readonly #onAbort: (() => void) | undefined
  readonly #stored: Promise<unknown>[] = []
  #missing: number

  constructor(count: number, ending: Ending<Result[]>) {
    this.#missing = count
    this.#ending = ending
    const { signal } = ending
    if (signal === undefined) return
    this.#onAbort = () => this.fail(abortedError(signal))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  entered({ outcome, recordCount }: ProducerBatch, timestamp: number): void {
    this.note(outcome, recordCount - 1, timestamp)
    this.#missing -= 1
    if (this.#missing > 0 || this.done) return
    Promise.all(this.#stored).then(
      () => this.#succeed(),
      () => {},
    )
  }

  fail(error: unknown): void {
    if (this.done) return
    this.#finish()
    this.#ending.reject(error)
  }

  protected abstract note(outcome: BatchOutcome, delta: number, timestamp: number): void

  /** What is told in the end. */
  protected abstract results(): Result[]

  /** A batch that records are in. */
  protected follow(stored: Promise<unknown>): void {
    this.#stored.push(stored)
    stored.catch((error: unknown) => this.fail(error))
  }

  #succeed(): void {
    if (this.done) return
    this.#finish()
    this.#ending.resolve(this.results())
  }

  #finish(): void {
    this.done = true
    if (this.#onAbort !== undefined) {
      this.#ending.signal?.removeEventListener('abort', this.#onAbort)
    }
  }
}

/** Tells of the batches that the records went into. */
class BatchesDelivery extends PromiseDelivery<BatchMetadata> {
  readonly #outcomes = new Set<BatchOutcome>()
  readonly #batches: BatchMetadata[] = []

  protected note(outcome: BatchOutcome): void {
    const stored = outcome.watch()
    if (this.#outcomes.has(outcome)) return
    const place = this.#outcomes.size
    this.#outcomes.add(outcome)
    this.follow(stored.then((batch) => (this.#batches[place] = batch)))
  }

  protected results(): BatchMetadata[] {
    return this.#batches
  }
}

/** Consecutive records of one batch and timestamp. */
interface Run {
  readonly outcome: BatchOutcome
  readonly delta: number
  readonly timestamp: number
  count: number
  records: readonly RecordMetadata[]
}

/** Tells of each record. */
class RecordsDelivery extends PromiseDelivery<RecordMetadata> {
  readonly #runs: Run[] = []

  protected note(outcome: BatchOutcome, delta: number, timestamp: number): void {
    const landed = outcome.watchLandings()
    const last = this.#runs.at(-1)
    const continues =
      last?.outcome === outcome && last.timestamp === timestamp && last.delta + last.count === delta
    if (continues) {
      last.count += 1
      return
    }
    const run: Run = { outcome, delta, timestamp, count: 1, records: [] }
    this.#runs.push(run)
    this.follow(landed.then((landings) => (run.records = recordsOf(run, landings))))
  }

  protected results(): RecordMetadata[] {
    return this.#runs.flatMap(({ records }) => records)
  }
}

function recordsOf(
  { delta, timestamp, count }: Run,
  landings: readonly Landing[],
): readonly RecordMetadata[] {
  return Array.from({ length: count }, (_, at) => recordAt(landings, delta + at, timestamp))
}
