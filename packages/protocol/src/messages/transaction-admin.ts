import { defineApi } from '../api.js'
import { array, int16, int32, int64, offset, string, struct, timestamp } from '../schema.js'

/** The producers that partitions remember, and their open transactions (KIP-664). */
export const describeProducers = defineApi({
  key: 61,
  name: 'DescribeProducers',
  versions: [0, 0],
  flexibleSince: 0,
  request: struct({
    topics: array(struct({ name: string(), partitionIndexes: array(int32()) })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: true, default: null }),
            activeProducers: array(
              struct({
                producerId: int64(),
                producerEpoch: int32(),
                lastSequence: int32({ default: -1 }),
                lastTimestamp: timestamp({ default: -1 }),
                coordinatorEpoch: int32(),
                /** -1: no transaction is open. */
                currentTxnStartOffset: offset({ default: -1 }),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
})

/** What a coordinator knows of transactional ids (KIP-664). */
export const describeTransactions = defineApi({
  key: 65,
  name: 'DescribeTransactions',
  versions: [0, 0],
  flexibleSince: 0,
  request: struct({ transactionalIds: array(string()) }),
  response: struct({
    throttleTimeMs: int32(),
    transactionStates: array(
      struct({
        errorCode: int16(),
        transactionalId: string(),
        transactionState: string(),
        transactionTimeoutMs: int32(),
        transactionStartTimeMs: timestamp(),
        producerId: int64(),
        producerEpoch: int16(),
        /** While it ends: the partitions that have no marker yet. */
        topics: array(struct({ topic: string(), partitions: array(int32()) })),
      }),
    ),
  }),
})

/** The transactional ids that a broker coordinates (KIP-664); empty filters let all pass. */
export const listTransactions = defineApi({
  key: 66,
  name: 'ListTransactions',
  versions: [0, 2],
  flexibleSince: 0,
  request: struct({
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    /** Only those that have been open for longer, in ms; negative: all. */
    durationFilter: int64({ since: 1, default: -1n }),
    /** A regular expression of RE2. */
    transactionalIdPattern: string({ since: 2, nullable: true, default: null }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array(
      struct({ transactionalId: string(), producerId: int64(), transactionState: string() }),
    ),
  }),
})
