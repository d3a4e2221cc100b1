import { defineApi } from '../api.js'
import { array, bool, int16, int32, int64, int8, string, struct, uint16, uuid } from '../schema.js'

const replicaState = struct({
  replicaId: int32(),
  replicaDirectoryId: uuid({ since: 2 }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64({ since: 1, default: -1n, ignorable: true }),
  lastCaughtUpTimestamp: int64({ since: 1, default: -1n, ignorable: true }),
})

/** Voters and observers of the metadata log (KIP-595, KIP-836). */
export const describeQuorum = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  versions: [0, 2],
  flexibleSince: 0,
  request: struct({
    topics: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
          }),
        ),
      }),
    ),
  }),
  response: struct({
    errorCode: int16(),
    errorMessage: string({ since: 2, nullable: true, ignorable: true }),
    topics: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ since: 2, nullable: true, ignorable: true }),
            leaderId: int32(),
            leaderEpoch: int32(),
            highWatermark: int64(),
            currentVoters: array(replicaState),
            observers: array(replicaState),
          }),
        ),
      }),
    ),
    nodes: array(
      struct({
        nodeId: int32({ since: 2 }),
        listeners: array(
          struct({
            name: string({ since: 2 }),
            host: string({ since: 2 }),
            port: uint16({ since: 2 }),
          }),
          { since: 2 },
        ),
      }),
      { since: 2 },
    ),
  }),
})

/** Changes the finalized level of features (KIP-584). `upgradeType`: 1 upgrade, 2 safe downgrade, 3
 * unsafe downgrade. */
export const updateFeatures = defineApi({
  key: 57,
  name: 'UpdateFeatures',
  versions: [0, 2],
  flexibleSince: 0,
  request: struct({
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array(
      struct({
        feature: string(),
        maxVersionLevel: int16(),
        allowDowngrade: bool({ until: 0 }),
        upgradeType: int8({ since: 1, default: 1 }),
      }),
    ),
    validateOnly: bool({ since: 1, default: false }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    results: array(
      struct({
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
      }),
      { until: 1, ignorable: true },
    ),
  }),
})
