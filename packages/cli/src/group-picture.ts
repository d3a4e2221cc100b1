import type { Admin, CallOptions, GroupMember } from '@kfk/client'
import { decodeConsumerAssignment } from '@kfk/protocol'
import { failure } from './errors.js'
import { placeKey, reachableOffsets } from './reachable-offsets.js'

export interface GroupPartition {
  readonly topic: string
  readonly partition: number
  /** Next record to be processed; null when nothing was committed. */
  readonly committed: bigint | null
  /** Next offset to be written; null when the partition is gone or cannot be asked. */
  readonly end: bigint | null
  readonly lag: bigint | null
  readonly memberId: string | null
  readonly clientId: string | null
  readonly host: string | null
}

export interface GroupPicture {
  readonly group: string
  readonly state: string
  /** The assignor; empty while there is none. */
  readonly protocol: string
  readonly members: readonly {
    readonly memberId: string
    readonly clientId: string
    readonly host: string
    readonly partitions: readonly string[]
  }[]
  readonly partitions: readonly GroupPartition[]
}

interface Owner {
  readonly topic: string
  readonly partition: number
  readonly member: GroupMember
}

/**
 * All that is known of a group: members and what they own, offsets and lag.
 * @throws CliError when there is no such group; ClientError
 */
export async function describeGroup(
  admin: Admin,
  groupId: string,
  bounds: CallOptions,
): Promise<GroupPicture> {
  const [description] = await admin.describeGroups([groupId], bounds)
  const offsets = await admin.listGroupOffsets(groupId, bounds)
  if (description === undefined || (description.state === 'Dead' && offsets.length === 0)) {
    const hint = '`kfk groups list` shows the groups there are'
    throw failure(`there is no group "${groupId}"`, { hint })
  }
  const members = description.members.map((member) => ({ member, owned: ownedBy(member) }))
  const owners = members.flatMap(({ owned }) => owned)
  const committed = new Map(offsets.map((each) => [placeKey(each), each.offset]))
  const places = new Map([...offsets, ...owners].map((each) => [placeKey(each), each]))
  const topics = await admin.describeTopics(undefined, bounds)
  const only = new Set(places.keys())
  const ends = await reachableOffsets(admin, topics, { ...bounds, at: 'latest', only })
  const partitions = [...places].map(([key, { topic, partition }]): GroupPartition => {
    const member = owners.find((each) => placeKey(each) === key)?.member
    const position = committed.get(key) ?? null
    const end = ends.get(key) ?? null
    const lag = position === null || end === null ? null : end > position ? end - position : 0n
    return {
      ...{ topic, partition, committed: position, end, lag },
      memberId: member?.memberId ?? null,
      clientId: member?.clientId ?? null,
      host: member?.clientHost ?? null,
    }
  })
  return {
    group: groupId,
    state: description.state,
    protocol: description.protocol,
    members: members.map(({ member, owned }) => ({
      memberId: member.memberId,
      clientId: member.clientId,
      host: member.clientHost,
      partitions: owned.map(placeKey),
    })),
    partitions: partitions.sort(byPlace),
  }
}

/** Assignments of other protocols than that of consumers (Kafka Connect) are not ours to read. */
function ownedBy(member: GroupMember): Owner[] {
  if (member.assignment.length === 0) return []
  try {
    const { assignedPartitions } = decodeConsumerAssignment(member.assignment)
    return assignedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition, member })),
    )
  } catch {
    return []
  }
}

function byPlace(left: GroupPartition, right: GroupPartition): number {
  if (left.topic !== right.topic) return left.topic < right.topic ? -1 : 1
  return left.partition - right.partition
}
