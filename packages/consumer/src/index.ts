export {
  cooperativeStickyAssignor,
  kafkajsRoundRobinAssignor,
  namedRoundRobin,
  rangeAssignor,
  roundRobinAssignor,
} from './assignors.js'
export type { Assignor, AssignorInput, AssignorMember, InstantAssignor } from './assignors.js'
export type { DeadLetters } from './dead-letters.js'
export { Consumer, createConsumer } from './consumer.js'
export type { BatchOf, CloseOptions, TopicPartitionOffset } from './consumer.js'
export type { BatchView, ConsumerRecord, RecordBatch, RecordView } from './consumer-record.js'
export type { CommitBounds } from './offset-committer.js'
export type {
  ConsumerOptions,
  ConsumerSettings,
  GroupProtocol,
  Isolation,
  RebalanceListener,
  RecordOf,
  StartPosition,
  Subscription,
} from './options.js'
export type { PartitionLag } from './partition-lag.js'
export type { BatchOptions, PartitionRecords, RunOptions } from './record-loops.js'
export type { TopicPartition } from './topic-partition.js'
