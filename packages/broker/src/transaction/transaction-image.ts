import { noPartitions, type PartitionSet } from './partition-set.js'

/** Where a transactional id stands; the numbers are those of Kafka's records. */
export const statusNumbers = {
  Empty: 0,
  Ongoing: 1,
  PrepareCommit: 2,
  PrepareAbort: 3,
  CompleteCommit: 4,
  CompleteAbort: 5,
  Dead: 6,
  PrepareEpochFence: 7,
} as const

/** As DescribeTransactions and ListTransactions spell it. */
export type TransactionStatus = keyof typeof statusNumbers

/** The client keeps its epoch from one transaction to the next. */
export const OLD_CLIENT = 0
/** Each transaction has an epoch of its own (KIP-890, `transaction.version` 2). */
export const EPOCH_BUMPING_CLIENT = 2

/** -1: no producer id. */
export const NO_PRODUCER = -1n
/** The last epoch that a client may have; the one above is for fencing it. */
export const LAST_EPOCH = 32_766

/** What is known of a transactional id. Immutable: every record in the log is another one. */
export interface TransactionImage {
  readonly producerId: bigint
  /** The producer id before this one; -1: none. */
  readonly previousProducerId: bigint
  /** The id with which the client goes on once this transaction has ended; -1: the same. */
  readonly nextProducerId: bigint
  readonly producerEpoch: number
  /**
   * The epoch before: who has it may get the present one (KIP-360). -1: nobody may. In no record.
   */
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  readonly status: TransactionStatus
  readonly partitions: PartitionSet
  /** Wall clock, ms; -1: no transaction has begun. */
  readonly startTimestamp: number
  readonly updateTimestamp: number
  readonly clientVersion: number
}

/** A transactional id that has a producer id, and has begun no transaction with it. */
export function emptyImage(from: {
  readonly producerId: bigint
  readonly previousProducerId: bigint
  readonly producerEpoch: number
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  readonly now: number
}): TransactionImage {
  const { now, ...rest } = from
  return {
    ...rest,
    nextProducerId: NO_PRODUCER,
    status: 'Empty',
    partitions: noPartitions,
    startTimestamp: -1,
    updateTimestamp: now,
    clientVersion: OLD_CLIENT,
  }
}

/** Whether markers are under way. */
export function isEnding({ status }: TransactionImage): boolean {
  return status === 'PrepareCommit' || status === 'PrepareAbort'
}

/** Whether nothing is open. */
export function isSettled({ status }: TransactionImage): boolean {
  return status === 'Empty' || status === 'CompleteCommit' || status === 'CompleteAbort'
}
