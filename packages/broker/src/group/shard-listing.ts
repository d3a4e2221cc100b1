import { errorCodes } from '@kfk/protocol'
import type { GroupDescription, GroupListing } from './group-api.js'
import type { GroupShard } from './group-shard.js'
import { metadataFor, NO_BYTES } from './member.js'
import { isKnown } from './shard-offsets.js'

/** The description of a group that is not there, or cannot be described now. */
export function unknownGroup(groupId: string, errorCode: number): GroupDescription {
  const notFound = errorCode === errorCodes.GROUP_ID_NOT_FOUND
  return {
    errorCode,
    errorMessage: notFound ? `Group ${groupId} not found.` : null,
    groupId,
    state: 'Dead',
    protocolType: '',
    protocol: '',
    members: [],
  }
}

export function describeGroup(shard: GroupShard, groupId: string): GroupDescription {
  if (shard.consumer(groupId) !== undefined) {
    const unknown = unknownGroup(groupId, errorCodes.GROUP_ID_NOT_FOUND)
    return { ...unknown, errorMessage: `Group ${groupId} is not a classic group.` }
  }
  const machine = shard.live(groupId)?.machine
  const found = machine === undefined ? isKnown(shard, groupId) : machine.state !== 'Dead'
  if (!found) return unknownGroup(groupId, errorCodes.GROUP_ID_NOT_FOUND)
  const stable = machine?.state === 'Stable'
  const members = machine === undefined ? [] : [...machine.roster.members()]
  const protocolType = machine?.protocolType ?? shard.durable.group(groupId)?.floor?.protocolType
  return {
    errorCode: errorCodes.NONE,
    errorMessage: null,
    groupId,
    state: machine?.state ?? 'Empty',
    protocolType: protocolType ?? '',
    protocol: stable ? (machine.protocol ?? '') : '',
    members: members.map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: stable ? metadataFor(member, machine.protocol) : NO_BYTES,
      assignment: stable ? member.assignment : NO_BYTES,
    })),
  }
}

/** Every group that has members or anything durable. */
export function* listGroups(shard: GroupShard): IterableIterator<GroupListing> {
  for (const { machine } of shard.liveGroups()) {
    const { id: groupId, protocolType, state } = machine
    if (state === 'Dead') continue
    yield { groupId, protocolType: protocolType ?? '', state, type: 'classic' }
  }
  for (const { id: groupId, machine } of shard.consumerGroups()) {
    const { state, epoch } = machine.state
    if (epoch > 0) yield { groupId, protocolType: 'consumer', state, type: 'consumer' }
  }
  for (const [groupId, { floor }] of shard.durable.groups()) {
    if (shard.live(groupId) !== undefined || shard.consumer(groupId) !== undefined) continue
    yield { groupId, protocolType: floor?.protocolType ?? '', state: 'Empty', type: 'classic' }
  }
}
