export {
  cooperativeStickyAssignor,
  kafkajsRoundRobinAssignor,
  namedRoundRobin,
  rangeAssignor,
  roundRobinAssignor,
} from './assignors.js'
export type { Assignor, AssignorInput, AssignorMember } from './assignors.js'
export { Consumer, createConsumer } from './consumer.js'
export type {
  BatchOf,
  BatchOptions,
  PartitionLag,
  RunOptions,
  TopicPartitionOffset,
} from './consumer.js'
export type { ConsumerRecord, RecordBatch } from './consumer-record.js'
export type {
  ConsumerOptions,
  ConsumerSettings,
  RebalanceListener,
  RecordOf,
  StartPosition,
  Subscription,
} from './options.js'
export type { TopicPartition } from './topic-partition.js'
