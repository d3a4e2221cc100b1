import { ClientError } from '@kfk/client'
import type { AssignedPartition, TakenRecords } from './assigned-partition.js'

/**
 * Hands fetched records to the application, partition by partition in turn, and knows what is in hand. A partition's
 * records go to one taker at a time, so order within it is kept whatever the application does.
 */
export class Delivery {
  readonly #partitions: () => Iterable<AssignedPartition>
  readonly #onTaken: () => void
  #waiting: (() => void)[] = []
  #turn = 0
  #failure: ClientError | undefined
  #closed = false

  constructor(partitions: () => Iterable<AssignedPartition>, onTaken: () => void) {
    this.#partitions = partitions
    this.#onTaken = onTaken
  }

  get closed(): boolean {
    return this.#closed
  }

  /** There may be something to take now: records have come, a partition is free again, or all is over. */
  signal(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Takers look again whether they are to stop. */
  interrupt(): void {
    this.signal()
  }

  /** Every taker gets this error from now on. */
  fail(error: ClientError): void {
    this.#failure ??= error
    this.signal()
  }

  close(): void {
    this.#closed = true
    this.signal()
  }

  /**
   * Up to `max` records of one partition, as soon as there are some; undefined at the end (close), or when `stopped`
   * says so at an {@link interrupt}.
   */
  async take(max: number, stopped: () => boolean): Promise<TakenRecords | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#closed || stopped()) return undefined
      const taken = this.#takeNow(max)
      if (taken !== undefined) {
        this.#onTaken()
        return taken
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** As {@link take}, without waiting. */
  #takeNow(max: number): TakenRecords | undefined {
    const candidates = [...this.#partitions()]
    for (let tried = 0; tried < candidates.length; tried++) {
      const candidate = candidates[(this.#turn + tried) % candidates.length]!
      if (candidate.paused || candidate.over || candidate.busy || !candidate.hasRecords) continue
      const taken = this.#decode(candidate, max)
      if (taken === undefined) continue
      this.#turn = (this.#turn + tried + 1) % candidates.length
      return taken
    }
    return undefined
  }

  #decode(partition: AssignedPartition, max: number): TakenRecords | undefined {
    try {
      return partition.take(max)
    } catch (cause) {
      const { topic, partition: index, processed } = partition
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new ClientError(
        'KFK_CLIENT_INVALID_DATA',
        `${topic}-${index}: the batch at or after offset ${processed} cannot be read (${reason}). Seek past it to go on.`,
        { cause, details: { topic, partition: index, offset: processed } },
      )
    }
  }
}
