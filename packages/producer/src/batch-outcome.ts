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

/** Records of a batch: all of them, or a part that goes its own way as all were too much. */
export interface BatchPart {
  /** Its first record's place in the batch. */
  readonly firstDelta: number
  readonly recordCount: number
}

/** What became of a part. */
export interface Landing extends BatchPart {
  /** Undefined when it failed. */
  readonly batch: BatchMetadata | undefined
  readonly error: unknown
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
  /** Called once when settled, with the number of records that failed and nobody waits for. */
  onSettled: ((error: unknown, unwatchedCount: number) => void) | undefined
  #watchedCount = 0
  /** Records whose fate is still open, once the batch goes in parts. */
  #missingCount: number | undefined
  #landings: Landing[] = []
  #shared: Deferred<BatchMetadata> | undefined
  /** For those who ask for single records; they make of it what they want to know. */
  #landed: Deferred<readonly Landing[]> | undefined

  constructor(target: BatchTarget) {
    this.target = target
  }

  /** Somebody waits for one more record: the same promise for each of them. */
  watch(): Promise<BatchMetadata> {
    this.#watchedCount += 1
    return (this.#shared ??= deferred()).promise
  }

  /** Somebody wants to know of one record where it is: the one in this place of the batch. */
  watchRecord(delta: number, timestamp: number): Promise<RecordMetadata> {
    return recordOf(this.watchLandings(), delta, timestamp)
  }

  /** Somebody wants to know of one more record, and finds it by {@link recordAt}. */
  watchLandings(): Promise<readonly Landing[]> {
    this.#watchedCount += 1
    return (this.#landed ??= deferred()).promise
  }

  /** Its records go in parts: each has its own fate, and it is settled when all have one. */
  split(recordCount: number): void {
    this.#missingCount ??= recordCount
  }

  succeed({ baseOffset, logAppendTimeMs }: BatchResult, part: BatchPart): void {
    const { topic, partition } = this.target
    const { firstDelta, recordCount } = part
    const timestamp = logAppendTimeMs < 0 ? undefined : logAppendTimeMs
    const batch = { topic, partition, baseOffset: BigInt(baseOffset), recordCount, timestamp }
    this.#land({ firstDelta, recordCount, batch, error: undefined })
  }

  fail(error: unknown, part: BatchPart): void {
    const { firstDelta, recordCount } = part
    this.#land({ firstDelta, recordCount, batch: undefined, error })
  }

  #land(landing: Landing): void {
    const landings = this.#landings
    landings.push(landing)
    if (this.#missingCount !== undefined) {
      this.#missingCount -= landing.recordCount
      if (this.#missingCount > 0) return
    }
    const failed = landings.filter(({ batch }) => batch === undefined)
    if (failed.length === 0) this.#shared?.resolve(whole(landings))
    else this.#shared?.reject(failed[0]!.error)
    this.#landed?.resolve(landings)
    const unwatchedCount = countOf(landings) - this.#watchedCount
    this.onSettled?.(failed[0]?.error, Math.min(unwatchedCount, countOf(failed)))
  }
}

/** What all senders of the batch are told: where it begins. */
function whole(landings: readonly Landing[]): BatchMetadata {
  const batch = landings[0]!.batch!
  return landings.length === 1 ? batch : { ...batch, recordCount: countOf(landings) }
}

function countOf(landings: readonly Landing[]): number {
  return landings.reduce((sum, { recordCount }) => sum + recordCount, 0)
}

/** One record of a batch. Throws what its part failed with. */
export function recordAt(
  landings: readonly Landing[],
  delta: number,
  timestamp: number,
): RecordMetadata {
  const { firstDelta, batch, error } = landings.find(
    (part) => delta >= part.firstDelta && delta < part.firstDelta + part.recordCount,
  )!
  if (batch === undefined) throw error
  const { partition, baseOffset } = batch
  return {
    partition,
    offset: baseOffset < 0n ? -1n : baseOffset + BigInt(delta - firstDelta),
    timestamp: batch.timestamp ?? timestamp,
  }
}

/** A function of its own, so that what it closes over is these two and nothing more. */
function recordOf(
  landed: Promise<readonly Landing[]>,
  delta: number,
  timestamp: number,
): Promise<RecordMetadata> {
  return landed.then((landings) => recordAt(landings, delta, timestamp))
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
