import type { BatchMetadata, RecordMetadata } from './record.js'

/** What a broker says of a batch that it has. */
export interface BatchResult {
  /** -1 when unknown. */
  readonly baseOffset: number
  /** -1 unless the topic stamps records itself. */
  readonly logAppendTimeMs: number
}

/** Where a batch goes. */
export interface BatchTarget {
  readonly topic: string
  readonly partition: number
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/**
 * The fate of a batch, and who wants to know it: its senders share one promise, unless they ask for
 * a record's own.
 */
export class BatchOutcome {
  readonly target: BatchTarget
  /** Called once when settled. */
  onSettled: ((error: unknown) => void) | undefined
  #watchedCount = 0
  #shared: Deferred<BatchMetadata> | undefined
  /** For those who ask for single records; they make of it what they want to know. */
  #stored: Deferred<BatchMetadata> | undefined

  constructor(target: BatchTarget) {
    this.target = target
  }

  /** Records that somebody waits for. */
  get watchedCount(): number {
    return this.#watchedCount
  }

  /** Somebody waits for one more record: the same promise for each of them. */
  watch(): Promise<BatchMetadata> {
    this.#watchedCount += 1
    return (this.#shared ??= deferred()).promise
  }

  /** Somebody wants to know of one record where it is: the one in this place of the batch. */
  watchRecord(delta: number, timestamp: number): Promise<RecordMetadata> {
    return recordOf(this.watchRecords(1), delta, timestamp)
  }

  /** Somebody wants to know of so many more records, and finds them by {@link recordAt}. */
  watchRecords(count: number): Promise<BatchMetadata> {
    this.#watchedCount += count
    return (this.#stored ??= deferred()).promise
  }

  succeed({ baseOffset, logAppendTimeMs }: BatchResult, recordCount: number): void {
    if (this.#shared !== undefined || this.#stored !== undefined) {
      const metadata = Object.freeze({
        ...this.target,
        baseOffset: BigInt(baseOffset),
        recordCount,
        timestamp: logAppendTimeMs < 0 ? undefined : logAppendTimeMs,
      })
      this.#shared?.resolve(metadata)
      this.#stored?.resolve(metadata)
    }
    this.onSettled?.(undefined)
  }

  fail(error: unknown): void {
    this.#shared?.reject(error)
    this.#stored?.reject(error)
    this.onSettled?.(error)
  }
}

/** One record of a stored batch. */
export function recordAt(batch: BatchMetadata, delta: number, timestamp: number): RecordMetadata {
  const { partition, baseOffset } = batch
  return {
    partition,
    offset: baseOffset < 0n ? -1n : baseOffset + BigInt(delta),
    timestamp: batch.timestamp ?? timestamp,
  }
}

/** A function of its own, so that what it closes over is these two and nothing more. */
function recordOf(
  stored: Promise<BatchMetadata>,
  delta: number,
  timestamp: number,
): Promise<RecordMetadata> {
  return stored.then((batch) => recordAt(batch, delta, timestamp))
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((onStored, onLost) => {
    resolve = onStored
    reject = onLost
  })
  return { promise, resolve, reject }
}
