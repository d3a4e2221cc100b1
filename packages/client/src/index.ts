export { createClient } from './client.js'
export type { Client, ClientOptions, InProcessBroker } from './client.js'
export { abortable } from './abortable.js'
export { ClientError, abortedError, kafkaError, throwIfAborted } from './errors.js'
export type { ClientErrorCode, ClientErrorOptions } from './errors.js'
export { tcpTransport, tlsTransport } from './transport.js'
export type { ConnectOptions, Transport, TransportConnection } from './transport.js'
export { formatAddress, parseAddresses } from './address.js'
export type { BrokerAddress } from './address.js'
export type {
  BrokerMetadata,
  ClusterMetadata,
  Metadata,
  PartitionMetadata,
  TopicLookup,
  TopicMetadata,
} from './metadata.js'
export type { Coordinator } from './coordinator-cache.js'
export type { RequestBody, RequestOptions, Target } from './request-router.js'
export { backoffMs, delay } from './retry.js'
export type { RetryingOptions, RetryPolicy } from './retry.js'
export { seededRandom } from './random.js'
export type { Random } from './random.js'
export { systemClock } from './clock.js'
export type { Clock } from './clock.js'
export { EarliestTimer } from './earliest-timer.js'
export { silentLogger } from './logger.js'
export type { Logger } from './logger.js'
export { checkTopicName, defineTopic } from './topic-definition.js'
export type {
  DataFormat,
  InputOf,
  OutputOf,
  TopicDefinition,
  TopicOptions,
} from './topic-definition.js'
export { bytes, invalidData, json, string } from './serdes.js'
export type { Serde, SerializedData } from './serdes.js'
export type {
  StandardSchemaIssue,
  StandardSchemaResult,
  StandardSchemaV1,
} from './standard-schema.js'
export { atCoordinator } from './coordinator-call.js'
export { createAdmin } from './admin/admin.js'
export type { Admin } from './admin/admin.js'
export type { CallOptions } from './admin/call-options.js'
export type { ApiVersionRange, ClusterAdmin } from './admin/cluster.js'
export type {
  ConfigEntry,
  ConfigResource,
  ConfigResourceType,
  ConfigsAdmin,
  ConfigSource,
  ConfigSynonym,
  DescribeConfigsOptions,
} from './admin/configs.js'
export type { ConfigChange, ConfigChangesAdmin, ListedResource } from './admin/config-changes.js'
export type { Place } from './admin/leader-calls.js'
export type {
  DeletedRecords,
  LogDir,
  LogSize,
  RecordDeletion,
  RecordsAdmin,
} from './admin/records.js'
export type {
  Election,
  Feature,
  FeatureUpdate,
  Quorum,
  QuorumAdmin,
  QuorumReplica,
} from './admin/quorum.js'
export type {
  ActiveProducer,
  TransactionDescription,
  TransactionListing,
  TransactionsAdmin,
} from './admin/transactions.js'
export type { GroupOffset, GroupOffsetsAdmin, NewGroupOffset } from './admin/group-offsets.js'
export type {
  GroupDescription,
  GroupListing,
  GroupMember,
  GroupsAdmin,
  RemovedMember,
} from './admin/groups.js'
export type {
  ListOffsetsOptions,
  OffsetQuery,
  OffsetResult,
  OffsetsAdmin,
  OffsetSpec,
} from './admin/offsets.js'
export type { CreatedTopic, NewTopic, TopicsAdmin } from './admin/topics.js'
