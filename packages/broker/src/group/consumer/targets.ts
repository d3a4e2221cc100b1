import { NO_PARTITIONS, sameAssignment } from './assignment.js'
import type { ConsumerMember } from './consumer-member.js'
import { sameNames } from './consumer-member.js'
import type { ConsumerChange, ResolvedRegex } from './consumer-records.js'
import type { ConsumerState } from './consumer-state.js'
import { DEFAULT_ASSIGNOR, serverAssignors } from './server-assignors.js'

/** What a group needs to know of its surroundings. Nothing in it waits. */
export interface ConsumerEnvironment {
  limits(): {
    /** group.consumer.max.size */
    readonly maxSize: number
    readonly sessionTimeoutMs: number
    readonly heartbeatIntervalMs: number
    /** group.consumer.assignors; the first is the default. */
    readonly assignors: readonly string[]
  }
  topic(name: string): { readonly id: string; readonly partitionCount: number } | undefined
  /** The topics that match; undefined when that has not been found out yet. */
  matches(pattern: string): ResolvedRegex | undefined
}

type Change = (change: ConsumerChange) => void

/**
 * Brings the matches of the group's expressions up to date, forgets those that nobody uses any
 * more, and returns a hash of all topics that the group subscribes to.
 */
export function refreshTopics(
  state: ConsumerState,
  environment: ConsumerEnvironment,
  change: Change,
): bigint {
  const used = new Set<string>()
  for (const { topicRegex } of state.members()) if (topicRegex !== '') used.add(topicRegex)
  for (const [pattern] of [...state.regexes()]) {
    if (!used.has(pattern)) change({ type: 'regex', subject: pattern, value: null })
  }
  for (const pattern of used) {
    const present = environment.matches(pattern)
    const known = state.regex(pattern)
    if (present === undefined || (known && sameNames(known.topics, present.topics))) continue
    change({ type: 'regex', subject: pattern, value: present })
  }
  return hashOf(state.subscribedTopics(), environment)
}

/** Divides the partitions anew, for the present epoch. Only what changes is told. */
export function computeTargets(
  state: ConsumerState,
  environment: ConsumerEnvironment,
  change: Change,
): void {
  const counts = new Map<string, number>()
  const shared = new Map<string, Set<string>>()
  // Members that subscribe to the same share one set.
  const topicIds = (member: ConsumerMember): Set<string> => {
    const key = `${member.topicNames.join(' ')} ${member.topicRegex}`
    let ids = shared.get(key)
    if (ids !== undefined) return ids
    shared.set(key, (ids = new Set()))
    for (const name of [...state.topicsOf(member)].sort()) {
      const topic = environment.topic(name)
      if (topic === undefined) continue
      ids.add(topic.id)
      counts.set(topic.id, topic.partitionCount)
    }
    return ids
  }
  const members = Array.from(state.members(), (member) => ({
    id: member.id,
    instanceId: member.instanceId,
    topicIds: topicIds(member),
    target: state.target(member.id) ?? NO_PARTITIONS,
  }))
  const assign = serverAssignors.get(preferredAssignor(state, environment))!
  const targets = assign({ members, partitionCount: (topicId) => counts.get(topicId) ?? 0 })
  for (const { id } of members) {
    const target = targets.get(id) ?? NO_PARTITIONS
    const before = state.target(id)
    if (before !== undefined && sameAssignment(before, target)) continue
    change({ type: 'target', subject: id, value: target })
  }
  change({ type: 'targetEpoch', value: state.epoch })
}

/** What most members ask for; of equals the first; the default when nobody asks. */
export function preferredAssignor(state: ConsumerState, environment: ConsumerEnvironment): string {
  const { assignors } = environment.limits()
  const votes = new Map<string, number>()
  for (const { serverAssignor } of state.members()) {
    if (serverAssignor === null || !assignors.includes(serverAssignor)) continue
    votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
  }
  let winner = assignors[0] ?? DEFAULT_ASSIGNOR
  let most = 0
  for (const [name, count] of votes) {
    if (count > most) [winner, most] = [name, count]
  }
  return winner
}

/** Differs when one of the topics is another one, or has other partitions. */
function hashOf(names: ReadonlySet<string>, environment: ConsumerEnvironment): bigint {
  let high = 0xcbf29ce4
  let low = 0x84222325
  for (const name of [...names].sort()) {
    const topic = environment.topic(name)
    if (topic === undefined) continue
    const text = `${name} ${topic.id} ${topic.partitionCount};`
    for (let at = 0; at < text.length; at++) {
      low ^= text.charCodeAt(at)
      // Two halves with different primes: nobody compares it with another implementation's.
      low = Math.imul(low, 0x01000193) >>> 0
      high = Math.imul(high ^ low, 0x85ebca6b) >>> 0
    }
  }
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low))
}
