import { defineApi } from '../api.js'
import {
  INT64_MAX,
  array,
  int16,
  int32,
  int64,
  int8,
  offset,
  records,
  string,
  struct,
  uuid,
} from '../schema.js'

/**
 * Reads record batches, for consumers and followers. `sessionId` and `sessionEpoch` are KIP-227: 0
 * and -1 mean no session.
 */
export const fetch = defineApi({
  key: 1,
  name: 'Fetch',
  versions: [4, 18],
  flexibleSince: 12,
  request: struct({
    /** Set by controllers only. */
    clusterId: string({ since: 12, nullable: true, tag: 0, default: null, ignorable: true }),
    /** Node id of a follower; -1 is a consumer. */
    replicaId: int32({ until: 14, default: -1 }),
    /** Replaces `replicaId`; the epoch fences a restarted follower (KIP-903). */
    replicaState: struct(
      {
        replicaId: int32({ default: -1 }),
        replicaEpoch: int64({ default: -1n }),
      },
      { since: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    /** The answer waits for this many bytes, for at most `maxWaitMs`. */
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff, ignorable: true }),
    /** 0 read uncommitted, 1 read committed. */
    isolationLevel: int8({ default: 0, ignorable: true }),
    sessionId: int32({ since: 7, default: 0, ignorable: true }),
    sessionEpoch: int32({ since: 7, default: -1, ignorable: true }),
    topics: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(
          struct({
            partition: int32(),
            /** Leader epoch that the sender believes in; -1 is unknown (KIP-320). */
            currentLeaderEpoch: int32({ since: 9, default: -1, ignorable: true }),
            fetchOffset: offset(),
            /** Epoch of the last record of a follower, to notice divergence (KIP-595). */
            lastFetchedEpoch: int32({ since: 12, default: -1 }),
            logStartOffset: offset({ since: 5, default: -1, ignorable: true }),
            partitionMaxBytes: int32(),
            replicaDirectoryId: uuid({ since: 17, tag: 0, ignorable: true }),
            /** High watermark that the follower knows (KIP-1166). */
            highWatermark: offset({ since: 18, tag: 1, default: INT64_MAX, ignorable: true }),
          }),
        ),
      }),
    ),
    /** Partitions to remove from the session. */
    forgottenTopicsData: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(int32()),
      }),
      { since: 7 },
    ),
    rackId: string({ since: 11, default: '', ignorable: true }),
  }),
  response: struct({
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16({ since: 7, ignorable: true }),
    sessionId: int32({ since: 7, default: 0 }),
    responses: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            highWatermark: offset(),
            lastStableOffset: offset({ default: -1, ignorable: true }),
            logStartOffset: offset({ since: 5, default: -1, ignorable: true }),
            divergingEpoch: struct(
              {
                epoch: int32({ default: -1 }),
                endOffset: offset({ default: -1 }),
              },
              { since: 12, tag: 0 },
            ),
            currentLeader: struct(
              {
                leaderId: int32({ default: -1 }),
                leaderEpoch: int32({ default: -1 }),
              },
              { since: 12, tag: 1 },
            ),
            snapshotId: struct(
              {
                endOffset: offset({ default: -1 }),
                epoch: int32({ default: -1 }),
              },
              { since: 12, tag: 2 },
            ),
            /** For read committed: transactions to skip. */
            abortedTransactions: array(
              struct({
                producerId: int64(),
                firstOffset: offset(),
              }),
              { nullable: true, ignorable: true },
            ),
            /** A closer replica to read from (KIP-392); -1 is none. */
            preferredReadReplica: int32({ since: 11, default: -1 }),
            /** Whole batches; the first may begin before the offset asked for. */
            records: records({ nullable: true }),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, default: null }),
      }),
      { since: 16, tag: 0 },
    ),
  }),
})
