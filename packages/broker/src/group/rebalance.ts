import { errorCodes } from '@kfk/protocol'
import type { GroupState, JoinResult, SyncInput } from './group-api.js'
import type { GroupOutbox } from './group-effects.js'
import type { GroupRoster } from './group-roster.js'
import { type Member, metadataFor, NO_BYTES } from './member.js'

/**
 * Kafka's fixed bound on how long a client that has never been in a generation may wait for the
 * join phase to end, ms.
 */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000

/**
 * The phases of a group, its generation and protocol: what moves when members come and go.
 *
 * In PreparingRebalance members join; it ends when all have, or at its deadline without those that
 * have not. Then the generation grows by one, and in CompletingRebalance everybody waits for the
 * leader's assignment, with which the group is Stable. A generation never goes back, and no two
 * generations of a group share a number, whatever fails in between.
 */
export class Rebalance {
  state: GroupState = 'Empty'
  protocolType: string | null = null
  protocol: string | null = null
  joinDeadline = Infinity
  syncDeadline = Infinity
  /** Set while the first rebalance of an empty group gathers members. */
  #initial: { remainingMs: number; delayMs: number; newMember: boolean } | undefined
  /** Members that have not sent SyncGroup for this generation. */
  readonly #unsynced = new Set<string>()

  constructor(
    public generation: number,
    readonly roster: GroupRoster,
    readonly outbox: GroupOutbox,
    /** group.initial.rebalance.delay.ms */
    readonly initialDelayMs: () => number,
  ) {}

  /** Extends the session: the member has been heard from, or has just been answered. */
  touch(member: Member, now: number): void {
    member.deadline = now + (member.isNew ? NEW_MEMBER_JOIN_TIMEOUT_MS : member.sessionTimeoutMs)
  }

  /** Somebody joined: begin a rebalance, or go on with the one that is under way. */
  memberJoined(now: number): void {
    if (this.#initial !== undefined) this.#initial.newMember = true
    if (this.state === 'PreparingRebalance') this.completeJoinIfAllJoined(now)
    else this.prepare(now)
  }

  /** Somebody of the generation is gone. */
  memberLeft(now: number): void {
    if (this.state === 'PreparingRebalance') this.completeJoinIfAllJoined(now)
    else if (this.state !== 'Empty') this.prepare(now)
  }

  /** Another member takes the place of `oldId` in what is still expected. */
  renamed(oldId: string, newId: string): void {
    if (this.#unsynced.delete(oldId)) this.#unsynced.add(newId)
  }

  forget(memberId: string): void {
    this.#unsynced.delete(memberId)
    if (this.#unsynced.size === 0) this.syncDeadline = Infinity
  }

  prepare(now: number): void {
    for (const member of this.roster.members()) {
      if (this.state === 'CompletingRebalance') member.assignment = NO_BYTES
      if (member.syncTicket === undefined) continue
      this.outbox.endSync(member, errorCodes.REBALANCE_IN_PROGRESS)
      this.touch(member, now)
    }
    this.#unsynced.clear()
    this.syncDeadline = Infinity
    const first = this.state === 'Empty'
    this.state = 'PreparingRebalance'
    if (!first) {
      this.joinDeadline = now + this.roster.rebalanceTimeoutMs
      this.completeJoinIfAllJoined(now)
      return
    }
    const delayMs = this.initialDelayMs()
    const remainingMs = Math.max(this.roster.rebalanceTimeoutMs - delayMs, 0)
    this.#initial = { delayMs, remainingMs, newMember: false }
    this.joinDeadline = now + delayMs
    if (delayMs <= 0) this.joinPhaseDue(now)
  }

  completeJoinIfAllJoined(now: number): void {
    if (this.#initial === undefined && this.roster.allJoined) this.#completeJoin(now)
  }

  joinPhaseDue(now: number): void {
    const initial = this.#initial
    if (initial?.newMember === true && initial.remainingMs > 0) {
      const delayMs = Math.min(this.initialDelayMs(), initial.remainingMs)
      const remainingMs = Math.max(initial.remainingMs - initial.delayMs, 0)
      this.#initial = { delayMs, remainingMs, newMember: false }
      this.joinDeadline = now + delayMs
    } else {
      this.#completeJoin(now)
    }
  }

  /**
   * Ends the join phase without the dynamic members that have not come; static ones keep their
   * place until their session ends.
   */
  #completeJoin(now: number): void {
    this.#initial = undefined
    this.joinDeadline = Infinity
    for (const member of [...this.roster.members()]) {
      if (member.joinTicket === undefined && member.instanceId === null) this.roster.remove(member)
    }
    if (this.roster.size > 0 && !this.roster.electLeader()) {
      this.joinDeadline = now + Math.max(this.roster.rebalanceTimeoutMs, 1)
      return
    }
    this.generation += 1
    this.outbox.floor(this.generation)
    if (this.roster.size === 0) {
      this.state = 'Empty'
      this.protocol = null
      this.outbox.tell('withdraw')
      return
    }
    this.state = 'CompletingRebalance'
    this.protocol = this.roster.electProtocol()
    this.syncDeadline = now + this.roster.rebalanceTimeoutMs
    for (const member of this.roster.members()) this.#enterGeneration(member, now)
  }

  #enterGeneration(member: Member, now: number): void {
    this.#unsynced.add(member.id)
    member.isNew = false
    member.assignment = NO_BYTES
    this.touch(member, now)
    if (member.joinTicket === undefined) return
    const leads = member.id === this.roster.leaderId
    this.outbox.joined(member.joinTicket, this.joinResult(member.id, { withMembers: leads }))
    member.joinTicket = undefined
  }

  /**
   * The leader's assignment is there: members that it leaves out have an empty one, strangers in it
   * are ignored.
   */
  assign(assignments: SyncInput['assignments'], now: number): void {
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]))
    this.state = 'Stable'
    for (const member of this.roster.members()) {
      const assignment = byMember.get(member.id)
      // Copied, because a request's bytes are a view of a receive buffer that must not be kept
      // alive.
      member.assignment = assignment === undefined ? NO_BYTES : Buffer.from(assignment)
      if (member.syncTicket === undefined) continue
      this.synced(member.syncTicket, member)
      member.syncTicket = undefined
      this.touch(member, now)
    }
    this.outbox.tell('publish')
  }

  /** Members that have joined but have not asked for their assignment in time are gone. */
  syncPhaseDue(now: number): void {
    this.syncDeadline = Infinity
    for (const id of this.#unsynced) {
      const member = this.roster.get(id)
      if (member !== undefined) this.roster.remove(member)
    }
    this.prepare(now)
  }

  synced(ticket: number, { assignment }: Member): void {
    const { protocolType, protocol: protocolName } = this
    this.outbox.synced(ticket, {
      errorCode: errorCodes.NONE,
      protocolType,
      protocolName,
      assignment,
    })
  }

  /** What a member of this generation is told when it has joined. */
  joinResult(
    memberId: string,
    options: { withMembers: boolean; skipAssignment?: boolean },
  ): JoinResult {
    const members = options.withMembers ? [...this.roster.members()] : []
    return {
      errorCode: errorCodes.NONE,
      generation: this.generation,
      protocolType: this.protocolType,
      protocolName: this.protocol,
      leader: this.roster.leaderId ?? '',
      memberId,
      skipAssignment: options.skipAssignment ?? false,
      members: members.map((member) => ({
        memberId: member.id,
        groupInstanceId: member.instanceId,
        metadata: metadataFor(member, this.protocol),
      })),
    }
  }
}
