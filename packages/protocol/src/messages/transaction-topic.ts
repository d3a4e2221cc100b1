import { array, int16, int32, int64, int8, string, struct, timestamp } from '../schema.js'
import type { Versioned } from '../versioned.js'

/**
 * Key and value of `__transaction_state`, byte for byte Kafka's. A `null` value is a tombstone: the
 * transactional id has expired.
 */
export const transactionLogKey = {
  name: 'TransactionLogKey',
  versions: [0, 0],
  schema: struct({ transactionalId: string() }),
} as const satisfies Versioned

/** Kafka 4.2 writes version 1 once `transaction.version` is 1 or above. */
export const transactionLogValue = {
  name: 'TransactionLogValue',
  versions: [0, 1],
  flexibleSince: 1,
  schema: struct({
    producerId: int64(),
    /** The id of the transaction before; -1: the same, or not known (KIP-890). */
    previousProducerId: int64({ since: 1, tag: 0, default: -1n }),
    /** The id that the producer was told to go on with, when the epochs of its own are used up. */
    nextProducerId: int64({ since: 1, tag: 1, default: -1n }),
    producerEpoch: int16(),
    nextProducerEpoch: int16({ since: 1, tag: 3, default: -1 }),
    transactionTimeoutMs: int32(),
    /** 0 Empty, 1 Ongoing, 2 PrepareCommit, 3 PrepareAbort, 4 CompleteCommit, 5 CompleteAbort. */
    transactionStatus: int8(),
    transactionPartitions: array(struct({ topic: string(), partitionIds: array(int32()) }), {
      nullable: true,
    }),
    transactionLastUpdateTimestampMs: timestamp(),
    transactionStartTimestampMs: timestamp(),
    clientTransactionVersion: int16({ since: 1, tag: 2, default: 0 }),
  }),
} as const satisfies Versioned
