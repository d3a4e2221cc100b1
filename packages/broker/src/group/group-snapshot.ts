import type { GroupFloor } from './group-records.js'
import type { MemberProtocol } from './group-api.js'
import type { Group, GroupResume } from './group.js'

/*
 * A group's members and assignment as coordination carries them, under the floor in the log: JSON,
 * bytes in base64.
 *
 * What is read back is untrusted: a server that lost its state may hand out an older value, and
 * anybody may have written it. So every field is checked, and a value counts only if it belongs to
 * exactly the floor that the log holds.
 */

/**
 * A member may stay away for this long at most (31 days), whatever a value claims: more than any
 * broker config allows.
 */
const MAX_TIMEOUT_MS = 31 * 86_400_000
const INT32_MAX = 2_147_483_647
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The value of a stable group, to be written below `floor`. */
export function encodeGroupSnapshot(group: Group, floor: GroupFloor): string {
  const members = [...group.roster.members()]
  return JSON.stringify({
    generation: floor.generation,
    floorTimestamp: floor.timestamp,
    protocolType: group.protocolType,
    protocol: group.protocol,
    leader: group.roster.leaderId,
    members: members.map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeoutMs,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      protocols: member.protocols.map(({ name, metadata }) => ({
        name,
        metadata: base64(metadata),
      })),
    })),
    assignment: Object.fromEntries(members.map(({ id, assignment }) => [id, base64(assignment)])),
  })
}

/** The generation that the value describes, or why it cannot be gone on with. */
export function decodeGroupSnapshot(value: string, floor: GroupFloor): GroupResume | string {
  try {
    const root = record(JSON.parse(value), 'value')
    const generation = integer(root['generation'], 'generation', INT32_MAX)
    if (generation !== floor.generation) {
      return `it is of generation ${generation}, the log's is ${floor.generation}`
    }
    const timestamp = integer(root['floorTimestamp'], 'floorTimestamp', Number.MAX_SAFE_INTEGER)
    if (timestamp !== floor.timestamp) return 'it is of another writing of this generation'
    return resumeOf(root)
  } catch (error) {
    return error instanceof Error ? error.message : 'it is unreadable'
  }
}

function resumeOf(root: Record<string, unknown>): GroupResume {
  const assignment = record(root['assignment'], 'assignment')
  const members = list(root['members'], 'members').map((item) => memberOf(item, assignment))
  const resume: GroupResume = {
    protocolType: text(root['protocolType'], 'protocolType'),
    protocol: text(root['protocol'], 'protocol'),
    leader: text(root['leader'], 'leader'),
    members,
  }
  const ids = new Set(members.map(({ id }) => id))
  const named = members.flatMap(({ instanceId }) => instanceId ?? [])
  must(ids.size === members.length && ids.size > 0, 'the members are not distinct')
  must(new Set(named).size === named.length, 'the instances are not distinct')
  must(ids.has(resume.leader), 'the leader is no member')
  must(
    Object.keys(assignment).every((id) => ids.has(id)),
    'a stranger has an assignment',
  )
  must(
    members.every(({ protocols }) => protocols.some(({ name }) => name === resume.protocol)),
    'a member does not know the protocol',
  )
  return resume
}

function memberOf(
  item: unknown,
  assignment: Record<string, unknown>,
): GroupResume['members'][number] {
  const member = record(item, 'member')
  const id = text(member['memberId'], 'memberId')
  must(id !== '', 'a member id is empty')
  const instanceId = member['groupInstanceId']
  return {
    id,
    instanceId: instanceId === null ? null : text(instanceId, 'groupInstanceId'),
    clientId: text(member['clientId'], 'clientId'),
    clientHost: text(member['clientHost'], 'clientHost'),
    sessionTimeoutMs: integer(member['sessionTimeoutMs'], 'sessionTimeoutMs', MAX_TIMEOUT_MS),
    rebalanceTimeoutMs: integer(member['rebalanceTimeoutMs'], 'rebalanceTimeoutMs', INT32_MAX),
    protocols: list(member['protocols'], 'protocols').map(protocolOf),
    assignment: Object.hasOwn(assignment, id)
      ? bytes(assignment[id], 'assignment')
      : Buffer.alloc(0),
  }
}

function protocolOf(item: unknown): MemberProtocol {
  const protocol = record(item, 'protocol')
  return {
    name: text(protocol['name'], 'protocol name'),
    metadata: bytes(protocol['metadata'], 'metadata'),
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function must(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}

function record(value: unknown, name: string): Record<string, unknown> {
  must(typeof value === 'object' && value !== null && !Array.isArray(value), `${name} is no object`)
  return value as Record<string, unknown>
}

function list(value: unknown, name: string): readonly unknown[] {
  must(Array.isArray(value), `${name} is no list`)
  return value as readonly unknown[]
}

function text(value: unknown, name: string): string {
  // Strings go out again in a protocol whose strings have 16-bit lengths.
  must(typeof value === 'string' && value.length <= 10_000, `${name} is no string`)
  return value as string
}

function integer(value: unknown, name: string, max: number): number {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
  must(fits, `${name} is no number from 0 to ${max}`)
  return value as number
}

function bytes(value: unknown, name: string): Uint8Array {
  must(typeof value === 'string' && BASE64.test(value), `${name} is not base64`)
  return Buffer.from(value as string, 'base64')
}
