import type { Allowance } from './compare'

/** Differences that are right wherever they are met. Shorter is better. */
export const allowed: readonly Allowance[] = [
  {
    api: 'Produce',
    path: 'responses[].partitionResponses[].errorMessage',
    kfk: '<text>',
    kafka: null,
    why: 'Kafka leaves it to the client to explain most error codes; kfk says what is wrong',
  },
]

/**
 * APIs of Kafka's brokers that kfk does not serve, or serves without being compared here. Whoever
 * adds an API takes it off, and then every version of it must occur in a scenario.
 */
export const notCompared: ReadonlyMap<number, string> = new Map([
  [8, 'OffsetCommit'],
  [9, 'OffsetFetch'],
  [10, 'FindCoordinator'],
  [11, 'JoinGroup'],
  [12, 'Heartbeat'],
  [13, 'LeaveGroup'],
  [14, 'SyncGroup'],
  [15, 'DescribeGroups'],
  [16, 'ListGroups'],
  [19, 'CreateTopics'],
  [20, 'DeleteTopics'],
  [21, 'DeleteRecords'],
  [27, 'WriteTxnMarkers'],
  [34, 'AlterReplicaLogDirs'],
  [35, 'DescribeLogDirs'],
  [37, 'CreatePartitions'],
  [38, 'CreateDelegationToken'],
  [39, 'RenewDelegationToken'],
  [40, 'ExpireDelegationToken'],
  [41, 'DescribeDelegationToken'],
  [42, 'DeleteGroups'],
  [47, 'OffsetDelete'],
  [49, 'AlterClientQuotas'],
  [51, 'AlterUserScramCredentials'],
  [55, 'DescribeQuorum'],
  [64, 'UnregisterBroker'],
  [71, 'GetTelemetrySubscriptions'],
  [72, 'PushTelemetry'],
  [76, 'ShareGroupHeartbeat'],
  [77, 'ShareGroupDescribe'],
  [78, 'ShareFetch'],
  [79, 'ShareAcknowledge'],
  [80, 'AddRaftVoter'],
  [81, 'RemoveRaftVoter'],
  [88, 'StreamsGroupHeartbeat'],
  [89, 'StreamsGroupDescribe'],
  [90, 'DescribeShareGroupOffsets'],
  [91, 'AlterShareGroupOffsets'],
  [92, 'DeleteShareGroupOffsets'],
  [83, 'InitializeShareGroupState'],
  [84, 'ReadShareGroupState'],
  [85, 'WriteShareGroupState'],
  [86, 'DeleteShareGroupState'],
  [87, 'ReadShareGroupStateSummary'],
])
