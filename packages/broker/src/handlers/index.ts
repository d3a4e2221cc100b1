import type { Handler } from '../context.js'
import { offsetForLeaderEpoch } from './epochs.js'
import { fetch } from './fetch.js'
import { deleteGroups, describeGroups, listGroups } from './group-admin.js'
import { offsetCommit, offsetDelete, offsetFetch } from './group-offsets.js'
import { findCoordinator, heartbeat, joinGroup, leaveGroup, syncGroup } from './groups.js'
import { listOffsets } from './list-offsets.js'
import { apiVersions, describeCluster, metadata } from './metadata.js'
import { initProducerId } from './producer-ids.js'
import { produce } from './produce.js'

/** Every API that this broker serves. What is here is what ApiVersions advertises. */
export const handlers: readonly Handler[] = [
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
  initProducerId,
  offsetForLeaderEpoch,
  deleteGroups,
  offsetDelete,
  describeCluster,
]
