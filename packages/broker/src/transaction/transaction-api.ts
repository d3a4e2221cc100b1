/**
 * What can be asked of the transaction coordinator, and what it answers, without any wire format:
 * error codes are Kafka's numbers. The broker's own context names these types.
 */
import type { CoordinatorAddress } from '../group/group-api.js'
import type { PartitionSet, TopicPartition } from './partition-set.js'
import type { TransactionStatus } from './transaction-image.js'

export interface InitProducerIdInput {
  readonly transactionalId: string
  readonly timeoutMs: number
  /** -1: the client has none yet (KIP-360). */
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** An answer with the id and epoch to go on with; both -1 on error. */
export interface ProducerIdResult {
  readonly errorCode: number
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface TransactionInput {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface AddPartitionsInput extends TransactionInput {
  readonly partitions: PartitionSet
  /** 2: the client does without AddPartitionsToTxn (KIP-890). */
  readonly clientVersion: number
}

export interface EndTransactionInput extends TransactionInput {
  readonly committed: boolean
  readonly clientVersion: number
}

export interface TransactionDescription {
  readonly errorCode: number
  readonly transactionalId: string
  readonly status: TransactionStatus | ''
  readonly timeoutMs: number
  readonly startTimestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Those that have no marker yet. */
  readonly partitions: Iterable<TopicPartition>
}

export interface TransactionListing {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly status: TransactionStatus
  /** Of the open transaction, ms; -1: none is open. */
  readonly startTimestamp: number
}

/** That a partition was found to be a part of a producer's transaction. */
export interface Verification {
  readonly producerId: bigint
}

/** The end of a transaction, for one partition. */
export interface TransactionMarker {
  readonly producerId: bigint
  /** Under which nothing older is taken any more. */
  readonly producerEpoch: number
  readonly committed: boolean
  readonly coordinatorEpoch: number
  /** 2: the epoch is one above that of the transaction's records (KIP-890). */
  readonly transactionVersion: number
}

/** Transaction coordination of this broker. No call rejects. */
export interface TransactionRequests {
  /** Where the coordinator of a transactional id is, or an error code. */
  coordinatorFor(transactionalId: string): Promise<CoordinatorAddress | number>
  initProducerId(input: InitProducerIdInput): Promise<ProducerIdResult>
  /** Answered when the partitions are in the log as a part of the transaction. */
  addPartitions(input: AddPartitionsInput): Promise<number>
  /** Whether partitions are a part of the transaction already, each with its error code. */
  verifyPartitions(
    input: TransactionInput & { readonly partitions: PartitionSet },
  ): Promise<readonly (TopicPartition & { readonly errorCode: number })[]>
  /** Answered when it is decided; markers follow. */
  endTransaction(input: EndTransactionInput): Promise<ProducerIdResult>
  describe(transactionalId: string): Promise<TransactionDescription>
  list(): Promise<{
    readonly errorCode: number
    readonly transactions: readonly TransactionListing[]
  }>
  /** Writes a marker into a partition that is led here; NONE once it is committed. */
  writeMarker(place: TopicPartition, marker: TransactionMarker): Promise<number>
}
