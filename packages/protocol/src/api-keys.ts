import type { Api } from './api.js'
import { createAcls, deleteAcls, describeAcls } from './messages/acls.js'
import {
  alterConfigs,
  describeConfigs,
  describeLogDirs,
  incrementalAlterConfigs,
  listConfigResources,
} from './messages/configs.js'
import { consumerGroupDescribe, consumerGroupHeartbeat } from './messages/consumer-groups.js'
import { fetch } from './messages/fetch.js'
import { offsetCommit, offsetDelete, offsetFetch } from './messages/group-offsets.js'
import {
  deleteGroups,
  describeGroups,
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  listGroups,
  syncGroup,
} from './messages/groups.js'
import { listOffsets, offsetForLeaderEpoch } from './messages/list-offsets.js'
import {
  apiVersions,
  describeCluster,
  describeTopicPartitions,
  metadata,
} from './messages/metadata.js'
import {
  alterPartitionReassignments,
  electLeaders,
  listPartitionReassignments,
} from './messages/partitions.js'
import { produce } from './messages/produce.js'
import { describeQuorum, updateFeatures } from './messages/quorum.js'
import { saslAuthenticate, saslHandshake } from './messages/sasl.js'
import { createPartitions, createTopics, deleteRecords, deleteTopics } from './messages/topics.js'
import {
  describeProducers,
  describeTransactions,
  listTransactions,
} from './messages/transaction-admin.js'
import { writeTxnMarkers } from './messages/transaction-markers.js'
import { txnOffsetCommit } from './messages/transactional-offsets.js'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  allocateProducerIds,
  endTxn,
  initProducerId,
} from './messages/transactions.js'
import { describeClientQuotas, describeUserScramCredentials } from './messages/users.js'

/** Every API with a schema. */
export const apis = {
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeConfigs,
  describeLogDirs,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  offsetDelete,
  describeCluster,
  describeProducers,
  describeTransactions,
  listTransactions,
  allocateProducerIds,
  describeTopicPartitions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  alterConfigs,
  listConfigResources,
  electLeaders,
  alterPartitionReassignments,
  listPartitionReassignments,
  describeQuorum,
  updateFeatures,
  saslHandshake,
  saslAuthenticate,
  describeAcls,
  createAcls,
  deleteAcls,
  describeClientQuotas,
  describeUserScramCredentials,
}

/** The same APIs by API key. */
export const apiByKey: ReadonlyMap<number, Api> = new Map(
  Object.values<Api>(apis).map((api) => [api.key, api]),
)
