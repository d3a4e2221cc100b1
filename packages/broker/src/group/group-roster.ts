import { errorCodes } from '@kfk/protocol'
import type { MemberIdentity, MemberProtocol } from './group-api.js'
import { type Member, OfferedProtocols, sessionCanEnd } from './member.js'

/**
 * How many member ids a group keeps for clients that have been told theirs but have not joined with
 * it yet (KIP-394). Beyond it the oldest is forgotten: its client gets UNKNOWN_MEMBER_ID and asks
 * again. Each costs about 100 bytes.
 */
export const MAX_PENDING_MEMBERS = 1000

/** What a JoinGroup changes of a member. */
export interface MemberUpdate {
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocols: readonly MemberProtocol[]
}

/**
 * Who is in a group: members, static members by instance, ids handed out, the leader. Knows nothing
 * of phases.
 */
export class GroupRoster {
  /** Null while there is no member. */
  leaderId: string | null = null
  readonly #members = new Map<string, Member>()
  /** Member id by group.instance.id. */
  readonly #instances = new Map<string, string>()
  /** Deadlines by member id, oldest first. */
  readonly #pending = new Map<string, number>()
  readonly #offered = new OfferedProtocols()

  get size(): number {
    return this.#members.size
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  members(): IterableIterator<Member> {
    return this.#members.values()
  }

  get(memberId: string): Member | undefined {
    return this.#members.get(memberId)
  }

  staticMember(instanceId: string): Member | undefined {
    const id = this.#instances.get(instanceId)
    return id === undefined ? undefined : this.#members.get(id)
  }

  /**
   * Adds a member. Byte fields are copied: a request's are views of a receive buffer that must not
   * be kept alive.
   */
  add(member: Member): Member {
    const own = { ...member, protocols: ownProtocols(member.protocols) }
    this.#pending.delete(member.id)
    this.#members.set(member.id, own)
    if (member.instanceId !== null) this.#instances.set(member.instanceId, member.id)
    this.#offered.add(own.protocols)
    this.leaderId ??= member.id
    return own
  }

  update(member: Member, change: MemberUpdate): void {
    this.#offered.remove(member.protocols)
    Object.assign(member, change, { protocols: ownProtocols(change.protocols) })
    this.#offered.add(member.protocols)
  }

  /** Gives a static member, and with it its role and assignment, another id. */
  replaceStatic(member: Member, newId: string): Member {
    const successor: Member = {
      ...member,
      id: newId,
      joinTicket: undefined,
      syncTicket: undefined,
    }
    this.#members.delete(member.id)
    this.#members.set(newId, successor)
    this.#instances.set(member.instanceId!, newId)
    if (this.leaderId === member.id) this.leaderId = newId
    return successor
  }

  remove(member: Member): void {
    this.#members.delete(member.id)
    if (member.instanceId !== null && this.#instances.get(member.instanceId) === member.id) {
      this.#instances.delete(member.instanceId)
    }
    this.#offered.remove(member.protocols)
    if (this.leaderId === member.id) {
      const [next] = this.#members.keys()
      this.leaderId = next ?? null
    }
  }

  addPending(memberId: string, deadline: number): void {
    this.#pending.set(memberId, deadline)
    if (this.#pending.size > MAX_PENDING_MEMBERS) {
      const [oldest] = this.#pending.keys()
      this.#pending.delete(oldest!)
    }
  }

  isPending(memberId: string): boolean {
    return this.#pending.has(memberId)
  }

  removePending(memberId: string): boolean {
    return this.#pending.delete(memberId)
  }

  /**
   * Forgets the handed-out ids that nobody came back with in time; tells whether there were any.
   */
  expirePending(now: number): boolean {
    const before = this.#pending.size
    for (const [id, deadline] of this.#pending) if (deadline <= now) this.#pending.delete(id)
    return this.#pending.size < before
  }

  /** NONE when the identity is that of a present member. */
  check({ memberId, groupInstanceId }: MemberIdentity): number {
    if (groupInstanceId !== null) {
      const current = this.#instances.get(groupInstanceId)
      if (current === undefined) return errorCodes.UNKNOWN_MEMBER_ID
      if (current !== memberId) return errorCodes.FENCED_INSTANCE_ID
    }
    return this.#members.has(memberId) ? errorCodes.NONE : errorCodes.UNKNOWN_MEMBER_ID
  }

  get awaitingJoin(): number {
    let count = 0
    for (const member of this.#members.values()) if (member.joinTicket !== undefined) count++
    return count
  }

  /** Nobody is missing: neither a member nor a client that was just given an id. */
  get allJoined(): boolean {
    if (this.#pending.size > 0) return false
    for (const member of this.#members.values()) if (member.joinTicket === undefined) return false
    return true
  }

  /** The most patient member decides, ms. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const { rebalanceTimeoutMs } of this.#members.values()) {
      longest = Math.max(longest, rebalanceTimeoutMs)
    }
    return longest
  }

  supports(protocols: readonly MemberProtocol[]): boolean {
    return this.#offered.someOfferedByAll(protocols, this.#members.size)
  }

  electProtocol(): string | null {
    return this.#offered.elect(this.#members.values(), this.#members.size)
  }

  /**
   * Keeps the leader if it has joined, otherwise takes the first member that has; false when none
   * has.
   */
  electLeader(): boolean {
    if (this.leaderId !== null && this.#members.get(this.leaderId)?.joinTicket !== undefined) {
      return true
    }
    for (const member of this.#members.values()) {
      if (member.joinTicket === undefined) continue
      this.leaderId = member.id
      return true
    }
    return false
  }

  /** The next time at which a session or a handed-out id ends; Infinity when none does. */
  nextDeadline(): number {
    let earliest = Infinity
    for (const deadline of this.#pending.values()) earliest = Math.min(earliest, deadline)
    for (const member of this.#members.values()) {
      if (sessionCanEnd(member)) earliest = Math.min(earliest, member.deadline)
    }
    return earliest
  }
}

function ownProtocols(protocols: readonly MemberProtocol[]): MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }))
}
