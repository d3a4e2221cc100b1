import { comparePartitions, partitionKey, type TopicPartition } from './topic-partition.js'
import { assignSticky, withholdMoved } from './sticky-assignment.js'

/** What the leader of a group knows of a member. */
export interface AssignorMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  /** What it says it owns; not verified. Empty for members of eager assignors. */
  readonly owned: readonly TopicPartition[]
  /** The generation in which it came to own that; -1 when it does not say. */
  readonly generation: number
  readonly userData: Uint8Array | null
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[]
  /** Number of partitions of each topic that any member wants and that exists. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/**
 * Divides partitions among the members of a group (KIP-54). The group's leader runs it; all members
 * must offer an assignor of the same name. Pure: the same input gives the same assignment.
 */
export interface Assignor {
  /** Name in the group protocol, such as `range`. */
  readonly name: string
  /**
   * `eager`: members give everything up before they join again. `cooperative` (KIP-429): they keep
   * what they own, and `assign` must leave out a partition that still has another owner; the round
   * after gives it away.
   */
  readonly protocol: 'eager' | 'cooperative'
  /** Bytes for the leader beside topics and owned partitions. */
  userData?(owned: readonly TopicPartition[], generation: number): Uint8Array | null
  assign(
    input: AssignorInput,
  ): Map<string, TopicPartition[]> | Promise<Map<string, TopicPartition[]>>
}

/** An assignor that does not wait for anything. */
export interface InstantAssignor extends Assignor {
  assign(input: AssignorInput): Map<string, TopicPartition[]>
}

/**
 * Static members keep their place in the order by their instance id, whatever member id they got
 * this time.
 */
function compareMembers(a: AssignorMember, b: AssignorMember): number {
  const [idA, idB] =
    a.groupInstanceId !== null && b.groupInstanceId !== null
      ? [a.groupInstanceId, b.groupInstanceId]
      : [a.memberId, b.memberId]
  if (idA === idB) return 0
  // Static members come before dynamic ones, as in Kafka's AbstractPartitionAssignor.MemberInfo.
  if ((a.groupInstanceId === null) !== (b.groupInstanceId === null)) {
    return a.groupInstanceId !== null ? -1 : 1
  }
  return idA < idB ? -1 : 1
}

/** All partitions of all topics, in order. */
export function allPartitions(partitionCounts: ReadonlyMap<string, number>): TopicPartition[] {
  const partitions = [...partitionCounts].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
  return partitions.sort(comparePartitions)
}

function emptyAssignment(members: readonly AssignorMember[]): Map<string, TopicPartition[]> {
  return new Map(members.map(({ memberId }) => [memberId, []]))
}

/**
 * Kafka's `range`: of each topic, neighbouring partitions to each member; the first members get one
 * more. Topics with the same number of partitions are divided alike, so that equal keys meet at one
 * member.
 */
export const rangeAssignor: InstantAssignor = {
  name: 'range',
  protocol: 'eager',
  assign({ members, partitionCounts }) {
    const result = emptyAssignment(members)
    for (const [topic, count] of partitionCounts) {
      const interested = members.filter(({ topics }) => topics.includes(topic)).sort(compareMembers)
      if (interested.length === 0) continue
      const share = Math.floor(count / interested.length)
      const larger = count % interested.length
      let partition = 0
      for (const [index, { memberId }] of interested.entries()) {
        const end = partition + share + (index < larger ? 1 : 0)
        for (; partition < end; partition++) result.get(memberId)!.push({ topic, partition })
      }
    }
    return result
  },
}

/** Round-robin under any name: kafkajs calls the same thing `RoundRobinAssigner`. */
export function namedRoundRobin(name: string): InstantAssignor {
  return {
    name,
    protocol: 'eager',
    assign({ members, partitionCounts }) {
      const result = emptyAssignment(members)
      const order = [...members].sort(compareMembers)
      let next = 0
      for (const each of allPartitions(partitionCounts)) {
        for (let tried = 0; tried < order.length; tried++) {
          const member = order[next % order.length]!
          next += 1
          if (!member.topics.includes(each.topic)) continue
          result.get(member.memberId)!.push(each)
          break
        }
      }
      return result
    },
  }
}

/** Kafka's `roundrobin`: all partitions of all topics are dealt out one by one. */
export const roundRobinAssignor: InstantAssignor = namedRoundRobin('roundrobin')

/**
 * The name under which a stock kafkajs client deals round-robin; for groups with kafkajs members.
 */
export const kafkajsRoundRobinAssignor: InstantAssignor = namedRoundRobin('RoundRobinAssigner')

/**
 * Kafka's `cooperative-sticky` (KIP-429): as even as can be, moving as few partitions as can be,
 * and nobody stops consuming what stays with him.
 */
export const cooperativeStickyAssignor: InstantAssignor = {
  name: 'cooperative-sticky',
  protocol: 'cooperative',
  userData(_owned, generation) {
    // What Java's assignor reads from members whose subscription is older than version 2.
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, generation)
    return bytes
  },
  assign({ members, partitionCounts }) {
    const order = [...members].sort(compareMembers)
    const owners = validOwners(order, partitionCounts)
    return withholdMoved(assignSticky(order, allPartitions(partitionCounts), owners), owners)
  },
}

/**
 * Who owns what, as far as it can be believed: of several claims the one of the latest generation
 * counts, and of equal ones none (KAFKA-12984, KAFKA-13406): a member that was away may still claim
 * what is someone else's by now.
 */
function validOwners(
  members: readonly AssignorMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, string> {
  const claims = new Map<string, { memberId: string; generation: number; disputed: boolean }>()
  for (const { memberId, owned, topics, ...member } of members) {
    const generation = member.generation >= 0 ? member.generation : userDataGeneration(member)
    for (const each of owned) {
      if (each.partition >= (partitionCounts.get(each.topic) ?? 0)) continue
      if (!topics.includes(each.topic)) continue
      const key = partitionKey(each)
      const other = claims.get(key)
      if (!other || generation > other.generation) {
        claims.set(key, { memberId, generation, disputed: false })
      } else if (generation === other.generation) {
        other.disputed = true
      }
    }
  }
  const undisputed = [...claims].filter(([, { disputed }]) => !disputed)
  return new Map(undisputed.map(([key, { memberId }]) => [key, memberId]))
}

function userDataGeneration({ userData }: Pick<AssignorMember, 'userData'>): number {
  if (userData?.length !== 4) return -1
  return new DataView(userData.buffer, userData.byteOffset, 4).getInt32(0)
}
