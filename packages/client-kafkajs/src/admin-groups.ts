import { inspect } from 'node:util'
import { createAdmin as createOurAdmin, type Client, ClientError } from '@kfk/client'
import type { DeleteGroupsResult, GroupsAdmin } from './admin-api.js'
import type { ConsumerGroupState, GroupDescription } from './consumer-api.js'
import { translated } from './error-translation.js'
import {
  KafkaJSDeleteGroupsError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
} from './errors.js'
import type { Link } from './link.js'

/** A group as kafkajs describes it; one that does not exist is dead. */
export async function describeGroup(client: Client, groupId: string): Promise<GroupDescription> {
  const [group] = await createOurAdmin({ client }).describeGroups([groupId])
  const { state, protocol, protocolType, members } = group!
  return {
    groupId,
    state: state as ConsumerGroupState,
    protocol,
    protocolType,
    members: members.map(({ memberId, clientId, clientHost, metadata, assignment }) => ({
      memberId,
      clientId,
      clientHost,
      memberMetadata: Buffer.from(metadata),
      memberAssignment: Buffer.from(assignment),
    })),
  }
}

/** Calls about groups. */
export function groupsAdmin(link: Link): GroupsAdmin {
  return {
    async listGroups() {
      const groups = await link.call((client) => createOurAdmin({ client }).listGroups())
      return {
        groups: groups.map(({ groupId, protocolType }) => ({ groupId, protocolType })),
      }
    },
    async describeGroups(groupIds) {
      const groups = await link.call((client) =>
        Promise.all(groupIds.map((groupId) => describeGroup(client, groupId))),
      )
      return { groups }
    },
    async deleteGroups(groupIds) {
      if (!Array.isArray(groupIds)) {
        throw new KafkaJSNonRetriableError(`Invalid groupIds array ${inspect(groupIds)}`)
      }
      const results = await Promise.all(groupIds.map((groupId) => deleteGroup(link, groupId)))
      const failed = results.flatMap(({ groupId, errorCode = 0, error }) =>
        error === undefined ? [] : [{ groupId, errorCode, error }],
      )
      if (failed.length === 0) return results
      throw new KafkaJSDeleteGroupsError('Error in DeleteGroups', failed)
    },
  }
}

async function deleteGroup(link: Link, groupId: string): Promise<DeleteGroupsResult> {
  const client = await link.client()
  try {
    await createOurAdmin({ client }).deleteGroups([groupId])
    return { groupId, errorCode: 0 }
  } catch (thrown) {
    const error = translated(thrown)
    if (!(thrown instanceof ClientError) || !(error instanceof KafkaJSProtocolError)) throw error
    return { groupId, errorCode: error.code, error }
  }
}
