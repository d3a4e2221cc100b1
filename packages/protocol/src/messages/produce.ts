import { defineApi } from '../api.js'
import { array, int16, int32, offset, records, string, struct, timestamp, uuid } from '../schema.js'

/**
 * Appends record batches to partitions. Versions below 3 exist here because clients look for them
 * in ApiVersions; brokers refuse them (KIP-896).
 */
export const produce = defineApi({
  key: 0,
  name: 'Produce',
  versions: [0, 13],
  flexibleSince: 9,
  request: struct({
    transactionalId: string({ since: 3, nullable: true, default: null }),
    /**
     * Who must have the batches before the answer: 0 nobody (and there is no response), 1 the
     * leader, -1 all in-sync replicas.
     */
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(
      struct({
        name: string({ until: 12, ignorable: true }),
        /** From version 13 on (KIP-516) topics are addressed by id. */
        topicId: uuid({ since: 13, ignorable: true }),
        partitionData: array(
          struct({
            index: int32(),
            records: records({ nullable: true }),
          }),
        ),
      }),
    ),
  }),
  response: struct({
    responses: array(
      struct({
        name: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitionResponses: array(
          struct({
            index: int32(),
            errorCode: int16(),
            baseOffset: offset(),
            /** -1 unless the topic stamps records with the time of the append. */
            logAppendTimeMs: timestamp({ since: 2, default: -1, ignorable: true }),
            logStartOffset: offset({ since: 5, default: -1, ignorable: true }),
            /** Which records of the batch were refused, and why (KIP-467). */
            recordErrors: array(
              struct({
                batchIndex: int32(),
                batchIndexErrorMessage: string({ nullable: true, default: null }),
              }),
              { since: 8, ignorable: true },
            ),
            errorMessage: string({ since: 8, nullable: true, default: null, ignorable: true }),
            /** Where to go instead (KIP-951). */
            currentLeader: struct(
              {
                leaderId: int32({ default: -1 }),
                leaderEpoch: int32({ default: -1 }),
              },
              { since: 10, tag: 0 },
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
    /** Addresses of the leaders named in `currentLeader` (KIP-951). */
    nodeEndpoints: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, default: null }),
      }),
      { since: 10, tag: 0 },
    ),
  }),
})
