import type { AclEntry, AclFilter, DeleteAclResponse, DescribeAclResponse } from './acl-api.js'
import type { RetryOptions } from './config.js'
import type { GroupDescription, TopicPartitions } from './consumer-api.js'
import type { ConfigResourceTypes, ConfigSource } from './enums.js'
import type { KafkaJSProtocolError } from './errors.js'
import type {
  ConnectEvent,
  DisconnectEvent,
  RemoveInstrumentationEventListener,
  RequestEvent,
  RequestQueueSizeEvent,
  RequestTimeoutEvent,
} from './instrumentation.js'
import type { Logger } from './logger.js'
import type { PartitionMetadata, PartitionOffset } from './producer-api.js'

export interface AdminConfig {
  retry?: RetryOptions
}

export interface ReplicaAssignment {
  partition: number
  replicas: number[]
}

export interface IResourceConfigEntry {
  name: string
  value: string
}

export interface ITopicConfig {
  topic: string
  /** Default: the broker's `num.partitions`. */
  numPartitions?: number
  /** Default: the broker's `default.replication.factor`. */
  replicationFactor?: number
  replicaAssignment?: ReplicaAssignment[]
  configEntries?: IResourceConfigEntry[]
}

export interface ITopicPartitionConfig {
  topic: string
  /** The new number of partitions. */
  count: number
  assignments?: number[][]
}

export interface ITopicMetadata {
  name: string
  partitions: PartitionMetadata[]
}

export interface PartitionReassignment {
  topic: string
  partitionAssignment: ReplicaAssignment[]
}

export interface OngoingPartitionReassignment {
  partitionIndex: number
  replicas: number[]
  addingReplicas?: number[]
  removingReplicas?: number[]
}

export interface OngoingTopicReassignment {
  topic: string
  partitions: OngoingPartitionReassignment[]
}

export interface ListPartitionReassignmentsResponse {
  topics: OngoingTopicReassignment[]
}

export interface ResourceConfigQuery {
  type: ConfigResourceTypes
  name: string
  configNames?: string[]
}

export interface ConfigSynonyms {
  configName: string
  configValue: string
  configSource: ConfigSource
}

export interface ConfigEntries {
  configName: string
  configValue: string
  isDefault: boolean
  configSource: ConfigSource
  isSensitive: boolean
  readOnly: boolean
  configSynonyms: ConfigSynonyms[]
}

export interface DescribeConfigResponse {
  resources: {
    configEntries: ConfigEntries[]
    errorCode: number
    errorMessage: string
    resourceName: string
    resourceType: ConfigResourceTypes
  }[]
  throttleTime: number
}

export interface IResourceConfig {
  type: ConfigResourceTypes
  name: string
  configEntries: IResourceConfigEntry[]
}

export interface AlterConfigResponse {
  resources: {
    errorCode: number
    errorMessage: string | null
    resourceName: string
    resourceType: ConfigResourceTypes
  }[]
  throttleTime: number
}

export type SeekEntry = PartitionOffset
export type FetchOffsetsPartition = PartitionOffset & { metadata: string | null }

export interface GroupOverview {
  groupId: string
  protocolType: string
}

export interface GroupDescriptions {
  groups: GroupDescription[]
}

export interface DeleteGroupsResult {
  groupId: string
  errorCode?: number
  error?: KafkaJSProtocolError
}

/** Names of an admin's events. */
export type AdminEvents = {
  CONNECT: 'admin.connect'
  DISCONNECT: 'admin.disconnect'
  REQUEST: 'admin.network.request'
  REQUEST_TIMEOUT: 'admin.network.request_timeout'
  REQUEST_QUEUE_SIZE: 'admin.network.request_queue_size'
}

interface AdminEventsByName {
  'admin.connect': ConnectEvent
  'admin.disconnect': DisconnectEvent
  'admin.network.request': RequestEvent
  'admin.network.request_timeout': RequestTimeoutEvent
  'admin.network.request_queue_size': RequestQueueSizeEvent
}

/** Calls about topics. */
export interface TopicsAdmin {
  listTopics(): Promise<string[]>
  /** Resolves with false when all of them exist already. */
  createTopics(options: {
    validateOnly?: boolean
    /** Default true. */
    waitForLeaders?: boolean
    /** Milliseconds. Default 5000. */
    timeout?: number
    topics: ITopicConfig[]
  }): Promise<boolean>
  deleteTopics(options: { topics: string[]; timeout?: number }): Promise<void>
  createPartitions(options: {
    validateOnly?: boolean
    timeout?: number
    topicPartitions: ITopicPartitionConfig[]
  }): Promise<boolean>
  fetchTopicMetadata(options?: { topics: string[] }): Promise<{ topics: ITopicMetadata[] }>
  /** Deletes what is before the offsets; '-1' is the end. */
  deleteTopicRecords(options: { topic: string; partitions: SeekEntry[] }): Promise<void>
}

/** Calls about offsets, of topics and of groups. */
export interface OffsetsAdmin {
  /** '-1' for a partition without a committed offset. All topics by default. */
  fetchOffsets(options: {
    groupId: string
    topics?: string[]
    resolveOffsets?: boolean
  }): Promise<{ topic: string; partitions: FetchOffsetsPartition[] }[]>
  fetchTopicOffsets(topic: string): Promise<(SeekEntry & { high: string; low: string })[]>
  /** The end where no message is as late. */
  fetchTopicOffsetsByTimestamp(topic: string, timestamp?: number): Promise<SeekEntry[]>
  /** The group must have no members. '-1' is the present end, '-2' the present beginning. */
  setOffsets(options: { groupId: string; topic: string; partitions: SeekEntry[] }): Promise<void>
  resetOffsets(options: { groupId: string; topic: string; earliest: boolean }): Promise<void>
}

/** Calls about configs. */
export interface ConfigsAdmin {
  describeConfigs(configs: {
    resources: ResourceConfigQuery[]
    includeSynonyms: boolean
  }): Promise<DescribeConfigResponse>
  /** What is not named goes back to its default. */
  alterConfigs(configs: {
    validateOnly: boolean
    resources: IResourceConfig[]
  }): Promise<AlterConfigResponse>
}

/** Calls about groups. */
export interface GroupsAdmin {
  listGroups(): Promise<{ groups: GroupOverview[] }>
  deleteGroups(groupIds: string[]): Promise<DeleteGroupsResult[]>
  describeGroups(groupIds: string[]): Promise<GroupDescriptions>
}

/** Calls about ACLs. */
export interface AclsAdmin {
  describeAcls(options: AclFilter): Promise<DescribeAclResponse>
  deleteAcls(options: { filters: AclFilter[] }): Promise<DeleteAclResponse>
  createAcls(options: { acl: AclEntry[] }): Promise<boolean>
}

/** Calls about partitions that move to other brokers. */
export interface ReassignmentsAdmin {
  alterPartitionReassignments(request: {
    topics: PartitionReassignment[]
    timeout?: number
  }): Promise<void>
  listPartitionReassignments(request: {
    topics?: TopicPartitions[]
    timeout?: number
  }): Promise<ListPartitionReassignmentsResponse>
}

export interface Admin
  extends TopicsAdmin, OffsetsAdmin, ConfigsAdmin, GroupsAdmin, AclsAdmin, ReassignmentsAdmin {
  connect(): Promise<void>
  disconnect(): Promise<void>
  describeCluster(): Promise<{
    brokers: { nodeId: number; host: string; port: number }[]
    controller: number | null
    clusterId: string
  }>
  logger(): Logger
  on<Name extends keyof AdminEventsByName>(
    eventName: Name,
    listener: (event: AdminEventsByName[Name]) => void,
  ): RemoveInstrumentationEventListener<Name>
  readonly events: AdminEvents
}
