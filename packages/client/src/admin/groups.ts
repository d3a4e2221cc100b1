import { apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { atCoordinator } from '../coordinator-call.js'
import { kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { describeConsumerGroup } from './consumer-group-description.js'
import { throwFailures } from './controller-call.js'

export interface GroupListing {
  readonly groupId: string
  /**
   * 'consumer' for consumer groups; other users of the group protocol (Kafka Connect) have their
   * own.
   */
  readonly protocolType: string
  /**
   * Empty, PreparingRebalance, CompletingRebalance, Stable or Dead; '' from brokers before Kafka
   * 2.6.
   */
  readonly state: string
}

export interface GroupMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /**
   * The protocol's own bytes; for consumers a ConsumerProtocolSubscription and a
   * ConsumerProtocolAssignment.
   */
  readonly metadata: Uint8Array
  readonly assignment: Uint8Array
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: string
  readonly protocolType: string
  /** The chosen assignor of a consumer group; '' while there is none. */
  readonly protocol: string
  readonly members: readonly GroupMember[]
}

export interface GroupsAdmin {
  /** Groups of all brokers, by name; `states` keeps only those in one of these states. */
  listGroups(
    options?: CallOptions & { readonly states?: readonly string[] },
  ): Promise<GroupListing[]>
  /**
   * In the order of `groupIds`, classic ones and those of the consumer protocol (KIP-848, whose
   * states are Empty, Assigning, Reconciling and Stable). A group that does not exist has the state
   * 'Dead'.
   */
  describeGroups(groupIds: readonly string[], options?: CallOptions): Promise<GroupDescription[]>
  /**
   * Deletes empty groups with their committed offsets. Rejects with NON_EMPTY_GROUP or
   * GROUP_ID_NOT_FOUND.
   */
  deleteGroups(groupIds: readonly string[], options?: CallOptions): Promise<void>
  /**
   * Removes members of a classic group, dynamic ones by id and static ones by instance id; without
   * `members` all that there are (KIP-345, KIP-571). A consumer that still runs joins anew.
   * `details.failed` lists those that were not found.
   */
  removeGroupMembers(
    groupId: string,
    members?: readonly RemovedMember[],
    options?: CallOptions & { readonly reason?: string },
  ): Promise<void>
}

/** A member to remove: one of both. */
export type RemovedMember = { readonly memberId: string } | { readonly groupInstanceId: string }

const groupIdNotFound = 69
/** First version of LeaveGroup that names several members. */
const severalMembersVersion = 3

export function groupsAdmin(client: Client): GroupsAdmin {
  return {
    listGroups: (options) => listGroups(client, options),
    describeGroups: (groupIds, options) =>
      Promise.all(groupIds.map((groupId) => describeGroup(client, groupId, options))),
    async deleteGroups(groupIds, options) {
      await Promise.all(groupIds.map((groupId) => deleteGroup(client, groupId, options)))
    },
    async removeGroupMembers(groupId, members, options) {
      const found = members ?? (await describeGroup(client, groupId, options)).members
      if (found.length > 0) await removeMembers(client, groupId, found, options)
    },
  }
}

async function listGroups(
  client: Client,
  options: Parameters<GroupsAdmin['listGroups']>[0] = {},
): Promise<GroupListing[]> {
  const { signal, states = [], timeoutMs = defaultCallTimeoutMs } = options
  const groups = await client.retrying(
    async () => {
      const { brokers } = await client.metadata.cluster({ signal, refresh: true })
      const answers = await Promise.all(
        brokers.map(async ({ nodeId }) => {
          const body = (apiVersion: number) => (apiVersion >= 4 ? { statesFilter: states } : {})
          const target = { nodeId }
          const response = await client.request(apis.listGroups, body, target, {
            signal,
            timeoutMs,
          })
          if (response.errorCode !== 0) throw kafkaError(response.errorCode, null, { nodeId })
          return response.groups
        }),
      )
      return answers.flat()
    },
    { signal, timeoutMs },
  )
  return groups
    .map(({ groupId, protocolType, groupState }) => ({ groupId, protocolType, state: groupState }))
    .filter(({ state }) => states.length === 0 || states.includes(state))
    .sort((left, right) => (left.groupId < right.groupId ? -1 : 1))
}

function describeGroup(
  client: Client,
  groupId: string,
  options: CallOptions = {},
): Promise<GroupDescription> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  return atCoordinator(
    client,
    groupId,
    async () => {
      const { groups } = await client.request(
        apis.describeGroups,
        { groups: [groupId] },
        { group: groupId },
        { ...bounds, lane: 'main' },
      )
      const group = groups[0]
      if (group === undefined) throw kafkaError(-1, 'the answer lacks the group', { groupId })
      // From version 6 on (KIP-1043) a missing group is an error, before it was a dead one.
      if (group.errorCode !== 0 && group.errorCode !== groupIdNotFound) {
        throw kafkaError(group.errorCode, group.errorMessage, { groupId })
      }
      // To this request a group of the consumer protocol is a missing one.
      const isMissing = group.errorCode === groupIdNotFound
      const found = isMissing ? await describeConsumerGroup(client, groupId, bounds) : undefined
      if (found !== undefined) return found
      return {
        groupId,
        state: isMissing ? 'Dead' : group.groupState,
        protocolType: group.protocolType,
        protocol: group.protocolData,
        members: group.members.map((member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          metadata: member.memberMetadata,
          assignment: member.memberAssignment,
        })),
      }
    },
    bounds,
  )
}

type AnyMember = RemovedMember | Pick<GroupMember, 'memberId' | 'groupInstanceId'>

function removeMembers(
  client: Client,
  groupId: string,
  members: readonly AnyMember[],
  options: Parameters<GroupsAdmin['removeGroupMembers']>[2] = {},
): Promise<void> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  const body = (apiVersion: number) => ({
    groupId,
    members: members.map((member) => {
      const instance = 'groupInstanceId' in member ? member.groupInstanceId : null
      return {
        // A static member is known by its instance id alone.
        memberId: instance === null && 'memberId' in member ? member.memberId : '',
        groupInstanceId: instance,
        ...(apiVersion >= 5 && { reason: options.reason ?? null }),
      }
    }),
  })
  const ask = async (): Promise<void> => {
    const where = { ...bounds, lane: 'main', minVersion: severalMembersVersion }
    const response = await client.request(apis.leaveGroup, body, { group: groupId }, where)
    if (response.errorCode !== 0) throw kafkaError(response.errorCode, null, { groupId })
    throwFailures(
      response.members.map(({ memberId, groupInstanceId, errorCode }) => ({
        name: groupInstanceId ?? memberId,
        errorCode,
      })),
    )
  }
  return atCoordinator(client, groupId, ask, bounds)
}

function deleteGroup(client: Client, groupId: string, options: CallOptions = {}): Promise<void> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  return atCoordinator(
    client,
    groupId,
    async (attempt) => {
      const { results } = await client.request(
        apis.deleteGroups,
        { groupsNames: [groupId] },
        { group: groupId },
        { ...bounds, lane: 'main' },
      )
      const errorCode = results[0]?.errorCode ?? -1
      // Gone after a lost answer: the first attempt did it.
      if (errorCode === groupIdNotFound && attempt > 0) return
      if (errorCode !== 0) throw kafkaError(errorCode, null, { groupId })
    },
    bounds,
  )
}
