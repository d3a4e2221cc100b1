import type { Allowance } from './compare'

/** Differences that are right wherever they are met. Shorter is better. */
export const allowed: readonly Allowance[] = [
  ...[null, ''].map((kafka) => ({
    path: '*errorMessage',
    kfk: '<text>',
    kafka,
    why: 'Kafka leaves it to the client to explain many error codes; kfk says what is wrong',
  })),
  ...['<text>', ''].map((kafka) => ({
    api: 'FindCoordinator',
    path: '*errorMessage',
    kfk: null,
    kafka,
    why: 'Kafka has a message, "NONE" or an empty one, for what is no error',
  })),
  {
    api: 'CreateTopics',
    path: 'topics[].configs[].value',
    kfk: '1',
    kafka: '9223372036854775807',
    why: 'flush.messages: what kfk acknowledges is on disk',
  },
  ...['topics[].configs[].configSource', 'results[].configs[].configSource'].map((path) => ({
    path,
    kfk: 5,
    kafka: 3,
    why: 'min.insync.replicas is a default of the cluster in Kafka, since it elects from the rest',
  })),
]

/**
 * APIs of Kafka's brokers that kfk does not serve, or serves without being compared here. Whoever
 * adds an API takes it off, and then every version of it must occur in a scenario.
 */
export const notCompared: ReadonlyMap<number, string> = new Map([
  [27, 'WriteTxnMarkers'],
  [34, 'AlterReplicaLogDirs'],
  [38, 'CreateDelegationToken'],
  [39, 'RenewDelegationToken'],
  [40, 'ExpireDelegationToken'],
  [41, 'DescribeDelegationToken'],
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
