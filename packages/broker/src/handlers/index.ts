import type { Handler } from '../context.js'
import { configHandlers } from './configs.js'
import { consumerGroupHandlers } from './consumer-groups.js'
import { deleteRecords } from './delete-records.js'
import { offsetForLeaderEpoch } from './epochs.js'
import { fetch } from './fetch.js'
import { groupOffsetHandlers } from './group-offsets.js'
import { groupHandlers } from './groups.js'
import { listOffsets } from './list-offsets.js'
import { describeLogDirs } from './log-dirs.js'
import { apiVersions, describeCluster, metadata } from './metadata.js'
import { allocateProducerIds } from './producer-id-blocks.js'
import { initProducerId } from './producer-ids.js'
import { produce } from './produce.js'
import { quorumHandlers } from './quorum.js'
import { replicaHandlers } from './replicas.js'
import { saslAuthenticate, saslHandshake } from './sasl.js'
import { describeTopicPartitions } from './topic-partitions.js'
import { createPartitions, createTopics, deleteTopics } from './topics.js'
import { userHandlers } from './users.js'
import { transactionAdminHandlers } from './transaction-admin.js'
import { writeTxnMarkers } from './transaction-markers.js'
import { txnOffsetCommit } from './transactional-offsets.js'
import { transactionHandlers } from './transactions.js'

/** Every API that this broker serves. What is here is what ApiVersions advertises. */
export const handlers: readonly Handler[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  ...groupHandlers,
  ...groupOffsetHandlers,
  ...consumerGroupHandlers,
  apiVersions,
  createTopics,
  deleteTopics,
  createPartitions,
  initProducerId,
  allocateProducerIds,
  offsetForLeaderEpoch,
  ...configHandlers,
  deleteRecords,
  describeLogDirs,
  describeCluster,
  describeTopicPartitions,
  saslHandshake,
  saslAuthenticate,
  ...replicaHandlers,
  ...quorumHandlers,
  ...userHandlers,
  ...transactionHandlers,
  writeTxnMarkers,
  txnOffsetCommit,
  ...transactionAdminHandlers,
]
