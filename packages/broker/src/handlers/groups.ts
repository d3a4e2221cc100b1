import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { clientHostOf } from './client-host.js'
import { groupAdminHandlers } from './group-admin.js'

/*
 * Membership of classic groups: finding the coordinator, joining, assigning, staying, leaving.
 *
 * Versions that differ in more than fields: FindCoordinator is batched from 4; JoinGroup has
 * MEMBER_ID_REQUIRED from 4 (KIP-394), a null protocol from 7, skipAssignment from 9 (KIP-814);
 * LeaveGroup names several members from 3 (KIP-345).
 */

/** What FindCoordinator can look for. */
const GROUP_KEY_TYPE = 0
const TRANSACTION_KEY_TYPE = 1
const NO_COORDINATOR = { nodeId: -1, host: '', port: -1 }

type Coordinator = ResponseInput<typeof apis.findCoordinator>['coordinators'] extends
  readonly (infer C)[] | undefined
  ? C
  : never

async function locate(context: RequestContext, keyType: number, key: string): Promise<Coordinator> {
  const { groups, transactions } = context.services
  if (keyType !== GROUP_KEY_TYPE && keyType !== TRANSACTION_KEY_TYPE) {
    const errorMessage = `This broker serves no coordinators of type ${keyType}`
    return { key, ...NO_COORDINATOR, errorCode: errorCodes.INVALID_REQUEST, errorMessage }
  }
  const coordinators = keyType === GROUP_KEY_TYPE ? groups : transactions
  const found = await coordinators.coordinatorFor(key)
  return typeof found === 'number'
    ? { key, ...NO_COORDINATOR, errorCode: found, errorMessage: null }
    : { key, ...found, errorCode: errorCodes.NONE, errorMessage: null }
}

const findCoordinator = defineHandler<typeof apis.findCoordinator>({
  api: apis.findCoordinator,
  versions: [0, 6],
  async handle(context, request) {
    if (context.apiVersion < 4) {
      const { key: _, ...found } = await locate(context, request.keyType, request.key)
      return found
    }
    const keys = request.coordinatorKeys
    const coordinators = await Promise.all(keys.map((key) => locate(context, request.keyType, key)))
    return { coordinators }
  },
})

const joinGroup = defineHandler<typeof apis.joinGroup>({
  api: apis.joinGroup,
  versions: [0, 9],
  async handle({ apiVersion, clientId, peer, services }, request) {
    const result = await services.groups.joinGroup({
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: clientId ?? '',
      clientHost: clientHostOf(peer),
      sessionTimeoutMs: request.sessionTimeoutMs,
      // Before version 1 the session's timeout is the rebalance's.
      rebalanceTimeoutMs: apiVersion < 1 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType: request.protocolType,
      protocols: request.protocols,
      requireKnownMemberId: apiVersion >= 4,
      supportsSkippingAssignment: apiVersion >= 9,
      reason: request.reason,
    })
    return {
      errorCode: result.errorCode,
      generationId: result.generation,
      protocolType: result.protocolType,
      protocolName: apiVersion < 7 ? (result.protocolName ?? '') : result.protocolName,
      leader: result.leader,
      skipAssignment: result.skipAssignment,
      memberId: result.memberId,
      members: [...result.members],
    }
  },
})

const syncGroup = defineHandler<typeof apis.syncGroup>({
  api: apis.syncGroup,
  versions: [0, 5],
  async handle({ apiVersion, services }, request) {
    // Version 5 made both mandatory; a client that leaves them out there is wrong, not old.
    if (apiVersion >= 5 && (request.protocolType === null || request.protocolName === null)) {
      return { errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL, assignment: new Uint8Array(0) }
    }
    const { generationId: generation, ...rest } = request
    return services.groups.syncGroup({ ...rest, generation })
  },
})

const heartbeat = defineHandler<typeof apis.heartbeat>({
  api: apis.heartbeat,
  versions: [0, 4],
  handle({ services }, request) {
    const { groupId, generationId: generation, memberId, groupInstanceId } = request
    const code = services.groups.heartbeat({ groupId, generation, memberId, groupInstanceId })
    return typeof code === 'number'
      ? { errorCode: code }
      : code.then((errorCode) => ({ errorCode }))
  },
})

const leaveGroup = defineHandler<typeof apis.leaveGroup>({
  api: apis.leaveGroup,
  versions: [0, 5],
  async handle({ apiVersion, services }, request) {
    const { groupId } = request
    const members: RequestOf<typeof apis.leaveGroup>['members'] =
      apiVersion < 3
        ? [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
        : request.members
    const result = await services.groups.leaveGroup({ groupId, members })
    if (apiVersion >= 3) return { errorCode: result.errorCode, members: [...result.members] }
    return { errorCode: result.errorCode || (result.members[0]?.errorCode ?? 0) }
  },
})

/** Classic groups: membership, and what administrators ask. */
export const groupHandlers: readonly Handler[] = [
  findCoordinator,
  joinGroup,
  syncGroup,
  heartbeat,
  leaveGroup,
  ...groupAdminHandlers,
]
