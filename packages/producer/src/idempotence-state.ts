/**
 * Producer id, epochs and sequence numbers (KIP-98, KIP-360): pure bookkeeping, no I/O.
 *
 * A partition's records are numbered. The broker takes a batch only if its first number follows the
 * last one it has of this producer id and epoch, answers a batch that it already has with the
 * offset of the first time, and refuses everything of a lower epoch. So a batch whose answer was
 * lost is sent again under the same numbers, and can neither double nor overtake.
 *
 * Invariants:
 * - A batch keeps its numbers from the first sending on, whatever happens, until the broker has
 *   said that it did not take it (OUT_OF_ORDER_SEQUENCE_NUMBER for the first outstanding batch,
 *   UNKNOWN_PRODUCER_ID). Only then the partition starts over at 0 under a higher epoch.
 * - New numbers after a hole (a batch that was given up) start over under a higher epoch too:
 *   whatever of the given-up batch is still on the way is refused by the broker for its old epoch.
 * - A batch that the broker finds too large goes in parts, which keep the numbers of their records
 *   (KIP-126): batches behind it may have been sent already, and follow them as they followed it.
 * - Epochs grow per partition. Brokers keep the state of an idempotent producer per partition, so
 *   no partition has to wait for another. When an epoch is used up, a new producer id is needed.
 */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}

/** The numbers of one batch. */
export interface BatchNumbers {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
}

/** The numbers of those records of a batch that come after its first `recordCount`. */
export function numbersFrom(numbers: BatchNumbers, recordCount: number): BatchNumbers {
  return { ...numbers, baseSequence: (numbers.baseSequence + recordCount) & sequenceMask }
}

/** int16 on the wire. */
const maxEpoch = 32_767
/** Sequence numbers are non-negative int32 and start over at 0 after the largest. */
const sequenceMask = 0x7fffffff

export const errorKinds = {
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  unknownProducerId: 59,
  producerFenced: 90,
} as const

/** The producer id shared by all partitions. */
export class IdempotenceState {
  #identity: ProducerIdentity | undefined

  /** Undefined until InitProducerId has answered. */
  get identity(): ProducerIdentity | undefined {
    return this.#identity
  }

  granted(identity: ProducerIdentity): void {
    this.#identity = identity
  }

  /** Gives up the producer id, unless another one has been granted since. */
  retire(producerId: bigint): void {
    if (this.#identity?.producerId === producerId) this.#identity = undefined
  }
}

/** The numbering of one partition. */
export class PartitionSequence {
  readonly #state: IdempotenceState
  #producerId = -1n
  #epoch = -1
  #next = 0
  /**
   * Order number of the last batch that was given up; later successes prove that it was taken after
   * all.
   */
  #holeAt = -1

  constructor(state: IdempotenceState) {
    this.#state = state
  }

  get producerId(): bigint {
    return this.#producerId
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The number that the next record gets. */
  get next(): number {
    return this.#next
  }

  /**
   * Makes the numbering fit for new batches; false while there is no producer id, and
   * InitProducerId must be asked. `outstanding`: batches of this partition with numbers that are
   * not settled. Without any, holes are closed and a new producer id is taken up.
   */
  prepare(outstanding: number): boolean {
    if (outstanding === 0) {
      if (this.#holeAt >= 0) this.restart()
      const { identity } = this.#state
      if (identity !== undefined && identity.producerId !== this.#producerId) this.#adopt(identity)
    }
    return this.#producerId !== -1n
  }

  /** Numbers for a batch of `recordCount` records, once `prepare` has said yes. */
  assign(recordCount: number): BatchNumbers {
    const numbers = {
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      baseSequence: this.#next,
    }
    this.#next = (this.#next + recordCount) & sequenceMask
    return numbers
  }

  /** The batch with this order number was taken. */
  succeeded(order: number): void {
    if (order >= this.#holeAt) this.#holeAt = -1
  }

  /** The batch with this order number was given up; whether the broker has it is unknown. */
  abandoned(order: number): void {
    this.#holeAt = Math.max(this.#holeAt, order)
  }

  /**
   * Numbers start over at 0 under the next epoch, or under a new producer id when the epochs are
   * used up. The caller makes sure that no batch of this partition is on the wire.
   */
  restart(): void {
    this.#holeAt = -1
    this.#next = 0
    if (this.#epoch >= maxEpoch) this.renew()
    else this.#epoch += 1
  }

  /** The producer id is no longer any good (fenced): start over under another one. */
  renew(): void {
    this.#state.retire(this.#producerId)
    this.#producerId = -1n
    this.#epoch = -1
    this.#next = 0
    this.#holeAt = -1
  }

  #adopt(identity: ProducerIdentity): void {
    this.#producerId = identity.producerId
    this.#epoch = identity.epoch
    this.#next = 0
    this.#holeAt = -1
  }
}
