import { apis, errorCodes } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'

/*
 * Groups as administrators see them. Versions that differ in more than fields: DescribeGroups tells
 * an unknown group by GROUP_ID_NOT_FOUND from 6 (KIP-1043), as a dead one without error before;
 * ListGroups filters by state from 4 and by type from 5.
 */

/** What the field holds when nobody asked for authorized operations. */
const NOT_ASKED = -2_147_483_648
/**
 * READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS: all that there is to do with a group,
 * since nothing is forbidden.
 */
const ALL_GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)

/** What there is to do with a group, if that was asked for. */
export function authorizedGroupOperations(asked: boolean): number {
  return asked ? ALL_GROUP_OPERATIONS : NOT_ASKED
}

const describeGroups = defineHandler<typeof apis.describeGroups>({
  api: apis.describeGroups,
  versions: [0, 6],
  async handle({ apiVersion, services }, request) {
    const groups = await Promise.all(
      request.groups.map(async (groupId) => {
        const found = await services.groups.describeGroup(groupId)
        const isUnknown = found.errorCode === errorCodes.GROUP_ID_NOT_FOUND
        const hidden = isUnknown && apiVersion < 6
        const errorCode = hidden ? errorCodes.NONE : found.errorCode
        return {
          errorCode,
          errorMessage: hidden ? null : found.errorMessage,
          groupId,
          groupState: found.state,
          protocolType: found.protocolType,
          protocolData: found.protocol,
          members: found.members.map((member) => ({
            memberId: member.memberId,
            groupInstanceId: member.groupInstanceId,
            clientId: member.clientId,
            clientHost: member.clientHost,
            memberMetadata: member.metadata,
            memberAssignment: member.assignment,
          })),
          authorizedOperations: authorizedGroupOperations(
            request.includeAuthorizedOperations && errorCode === errorCodes.NONE,
          ),
        }
      }),
    )
    return { groups }
  },
})

const listGroups = defineHandler<typeof apis.listGroups>({
  api: apis.listGroups,
  versions: [0, 5],
  async handle({ services }, request) {
    const states = lowerCased(request.statesFilter)
    const types = lowerCased(request.typesFilter)
    const { errorCode, groups } = await services.groups.listGroups()
    return {
      errorCode,
      groups: groups
        .filter(({ state }) => states.size === 0 || states.has(state.toLowerCase()))
        .filter(({ type }) => types.size === 0 || types.has(type))
        .map(({ groupId, protocolType, state, type }) => ({
          groupId,
          protocolType,
          groupState: state,
          groupType: type,
        })),
    }
  },
})

const deleteGroups = defineHandler<typeof apis.deleteGroups>({
  api: apis.deleteGroups,
  versions: [0, 2],
  async handle({ services }, request) {
    const results = await Promise.all(
      [...new Set(request.groupsNames)].map(async (groupId) => ({
        groupId,
        errorCode: await services.groups.deleteGroup(groupId),
      })),
    )
    return { throttleTimeMs: 0, results }
  },
})

/** DescribeGroups, ListGroups, DeleteGroups. */
export const groupAdminHandlers: readonly Handler[] = [describeGroups, listGroups, deleteGroups]

function lowerCased(words: readonly string[]): Set<string> {
  return new Set(words.map((word) => word.toLowerCase()))
}
