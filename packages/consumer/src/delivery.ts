import type { AssignedPartition } from './assigned-partition.js'

export interface TakeOptions<Taken> {
  /** Takes from a partition that may be taken from; undefined when it has nothing. */
  readonly from: (partition: AssignedPartition) => Taken | undefined
  /** Asked at every {@link Delivery.signal}: true ends the wait. */
  readonly stopped: () => boolean
  /** Of this partition only; its end ends the wait. */
  readonly only?: AssignedPartition | undefined
}

/**
 * Hands fetched records to the application, partition by partition in turn, and knows what is in
 * hand. A partition's records go to one taker at a time, so order within it is kept whatever the
 * application does.
 */
export class Delivery {
  readonly #partitions: () => Iterable<AssignedPartition>
  readonly #onTaken: () => void
  #waiting: (() => void)[] = []
  #turn = 0
  #failure: { readonly error: unknown } | undefined
  #closed = false

  constructor(partitions: () => Iterable<AssignedPartition>, onTaken: () => void) {
    this.#partitions = partitions
    this.#onTaken = onTaken
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * There may be something to take now: records have come, a partition is free again, or all is
   * over.
   */
  signal(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Every taker gets this error from now on. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.signal()
  }

  close(): void {
    this.#closed = true
    this.signal()
  }

  /** Resolves at the next {@link signal}. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** @throws the failure, if there is one. Returns true when all is over. */
  ended(): boolean {
    if (this.#failure !== undefined && !this.#closed) throw this.#failure.error
    return this.#closed
  }

  /** What `from` takes of one partition, as soon as there is something; undefined at the end. */
  async take<Taken>(options: TakeOptions<Taken>): Promise<Taken | undefined> {
    for (;;) {
      const taken = this.takeNow(options)
      if (taken !== undefined || this.#isOver(options)) return taken
      await this.changed()
    }
  }

  /** What `from` takes of one partition; undefined when there is nothing, and at the end. */
  takeNow<Taken>(options: TakeOptions<Taken>): Taken | undefined {
    if (this.#isOver(options)) return undefined
    const { only, from } = options
    const taken = only === undefined ? this.#takeInTurn(from) : takeFrom(only, from)
    if (taken !== undefined) this.#onTaken()
    return taken
  }

  #isOver<Taken>({ stopped, only }: TakeOptions<Taken>): boolean {
    return this.ended() || stopped() || only?.over === true
  }

  #takeInTurn<Taken>(from: TakeOptions<Taken>['from']): Taken | undefined {
    const candidates = [...this.#partitions()]
    for (let tried = 0; tried < candidates.length; tried++) {
      const place = (this.#turn + tried) % candidates.length
      const taken = takeFrom(candidates[place]!, from)
      if (taken === undefined) continue
      this.#turn = place + 1
      return taken
    }
    return undefined
  }
}

function takeFrom<Taken>(
  candidate: AssignedPartition,
  from: TakeOptions<Taken>['from'],
): Taken | undefined {
  const { paused, over, busy, hasRecords, failure } = candidate
  if (paused || over || busy || (!hasRecords && failure === undefined)) return undefined
  return from(candidate)
}
