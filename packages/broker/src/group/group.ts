import { errorCodes } from '@kfk/protocol'
import type {
  GroupState,
  HeartbeatInput,
  JoinInput,
  LeaveInput,
  LeaveResult,
  MemberIdentity,
  SyncInput,
} from './group-api.js'
import { type GroupEffect, GroupOutbox } from './group-effects.js'
import { GroupRoster } from './group-roster.js'
import { type Member, NO_BYTES, sameProtocols, sessionCanEnd } from './member.js'
import { NEW_MEMBER_JOIN_TIMEOUT_MS, Rebalance } from './rebalance.js'

export interface GroupLimits {
  /** group.max.size */
  readonly maxSize: number
  /** group.initial.rebalance.delay.ms */
  readonly initialRebalanceDelayMs: number
}

/** A JoinGroup with what the machine cannot make up itself. */
export interface JoinStep extends JoinInput {
  /** Names this request in the effect that answers it. */
  readonly ticket: number
  /** The id that the member gets if it has none. */
  readonly newMemberId: string
}

/** A generation to go on with after a restart. */
export interface GroupResume {
  readonly protocolType: string
  readonly protocol: string
  readonly leader: string
  readonly members: readonly Omit<Member, 'joinTicket' | 'syncTicket' | 'isNew' | 'deadline'>[]
}

/**
 * One group under the classic protocol, as a state machine without I/O: requests and the time
 * (monotonic ms) in, effects out by `drain`. Who is in it is in `roster`, how a rebalance goes in
 * `Rebalance`; here is what each request means in each state.
 */
export class Group {
  readonly roster = new GroupRoster()
  readonly #outbox = new GroupOutbox()
  readonly #phases: Rebalance

  /** `generation`: the last one that anybody may have been told of; the next is one higher. */
  constructor(
    readonly id: string,
    readonly limits: () => GroupLimits,
    generation = 0,
  ) {
    const delayMs = () => limits().initialRebalanceDelayMs
    this.#phases = new Rebalance(generation, this.roster, this.#outbox, delayMs)
  }

  get state(): GroupState {
    return this.#phases.state
  }

  get generation(): number {
    return this.#phases.generation
  }

  get protocolType(): string | null {
    return this.#phases.protocolType
  }

  get protocol(): string | null {
    return this.#phases.protocol
  }

  /** No member, and nobody who may become one: all that is known of it is durable elsewhere. */
  get idle(): boolean {
    return this.state === 'Empty' && this.roster.pendingCount === 0
  }

  /** What the steps since the last call want done. */
  drain(): readonly GroupEffect[] {
    return this.#outbox.drain()
  }

  /**
   * Takes up a generation again, in a new machine: every member has a full session timeout from
   * now.
   */
  resume(from: GroupResume, now: number): void {
    for (const member of from.members) {
      this.roster.add({
        ...member,
        joinTicket: undefined,
        syncTicket: undefined,
        isNew: false,
        deadline: now + member.sessionTimeoutMs,
      })
    }
    this.roster.leaderId = from.leader
    this.#phases.protocolType = from.protocolType
    this.#phases.protocol = from.protocol
    this.#phases.state = 'Stable'
  }

  /**
   * The protocol type that an empty group had before a restart; a simple consumer's group has none.
   */
  rememberProtocolType(protocolType: string | null): void {
    this.#phases.protocolType = protocolType
  }

  join(step: JoinStep, now: number): void {
    const refusal = this.#joinRefusal(step)
    if (refusal !== errorCodes.NONE) {
      const full = refusal === errorCodes.GROUP_MAX_SIZE_REACHED
      this.#outbox.refuseJoin(step.ticket, refusal, full ? '' : step.memberId)
    } else if (step.memberId === '') {
      this.#joinWithoutId(step, now)
    } else if (this.roster.isPending(step.memberId) && step.groupInstanceId === null) {
      this.#addMember(step, step.memberId, now)
    } else {
      const code = this.roster.check(step)
      if (code === errorCodes.NONE) this.#rejoin(step, this.roster.get(step.memberId)!, now)
      else this.#outbox.refuseJoin(step.ticket, code, step.memberId)
    }
  }

  sync(input: SyncInput, ticket: number, now: number): void {
    const refusal = this.#syncRefusal(input)
    if (refusal !== errorCodes.NONE) {
      this.#outbox.refuseSync(ticket, refusal)
      return
    }
    const member = this.roster.get(input.memberId)!
    this.#phases.forget(member.id)
    if (this.state === 'Stable') {
      this.#phases.synced(ticket, member)
      return
    }
    this.#outbox.endSync(member, errorCodes.REBALANCE_IN_PROGRESS)
    member.syncTicket = ticket
    if (member.id === this.roster.leaderId) this.#phases.assign(input.assignments, now)
  }

  /**
   * Returns the error code. REBALANCE_IN_PROGRESS asks the member to join again; its session lives
   * on.
   */
  heartbeat(input: HeartbeatInput, now: number): number {
    if (this.state === 'Dead') return errorCodes.COORDINATOR_NOT_AVAILABLE
    const code = this.#checkGeneration(input)
    if (code !== errorCodes.NONE) return code
    this.#phases.touch(this.roster.get(input.memberId)!, now)
    return this.state === 'PreparingRebalance' ? errorCodes.REBALANCE_IN_PROGRESS : errorCodes.NONE
  }

  leave(members: LeaveInput['members'], now: number): LeaveResult {
    if (this.state === 'Dead') {
      return { errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE, members: [] }
    }
    const sizeBefore = this.roster.size
    const results = members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode: this.#leaveOne({ memberId, groupInstanceId }),
    }))
    this.#afterDepartures(sizeBefore, now)
    // A handed-out id that was given up may be all that a rebalance waits for.
    if (this.state === 'PreparingRebalance') this.#phases.completeJoinIfAllJoined(now)
    return { errorCode: errorCodes.NONE, members: results }
  }

  /**
   * Whether `input` may commit offsets (RELIABILITY rule 21 is Kafka's): the current generation may
   * while members join again, not while it waits for the assignment; whoever is no member may only
   * if there is none. It counts as a sign of life.
   */
  checkCommit(input: MemberIdentity & { readonly generation: number }, now: number): number {
    if (this.state === 'Dead') return errorCodes.COORDINATOR_NOT_AVAILABLE
    if (input.generation < 0 && this.state === 'Empty') return errorCodes.NONE
    const code = this.#checkGeneration(input)
    if (code !== errorCodes.NONE) return code
    if (this.state === 'CompletingRebalance') return errorCodes.REBALANCE_IN_PROGRESS
    this.#phases.touch(this.roster.get(input.memberId)!, now)
    return errorCodes.NONE
  }

  /** The same for a commit within a transaction: old clients name no member (KIP-447). */
  checkTransactionalCommit(
    input: MemberIdentity & { readonly generation: number },
    now: number,
  ): number {
    if (this.state === 'Dead') return errorCodes.COORDINATOR_NOT_AVAILABLE
    const { generation, memberId, groupInstanceId } = input
    if (generation < 0 && this.state === 'Empty') return errorCodes.NONE
    if (generation < 0 && memberId === '' && groupInstanceId === null) return errorCodes.NONE
    const code = this.#checkGeneration(input)
    if (code === errorCodes.NONE) this.#phases.touch(this.roster.get(memberId)!, now)
    return code
  }

  /**
   * Only an empty group dies. From then on requests are refused with an error that makes clients
   * come again.
   */
  delete(): number {
    if (this.state === 'Dead') return errorCodes.GROUP_ID_NOT_FOUND
    if (this.state !== 'Empty') return errorCodes.NON_EMPTY_GROUP
    this.#phases.state = 'Dead'
    return errorCodes.NONE
  }

  /** The deletion has not become durable. */
  revive(): void {
    if (this.state === 'Dead') this.#phases.state = 'Empty'
  }

  /**
   * The floor of `generation` is perhaps not durable, so nobody was told of it: the members have to
   * join again, for a higher one.
   */
  floorFailed(generation: number, now: number): void {
    if (generation !== this.generation) return
    if (this.state === 'CompletingRebalance' || this.state === 'Stable') this.#phases.prepare(now)
  }

  /** Ends every wait with `code`. The group is not used afterwards. */
  abandon(code: number): void {
    for (const member of this.roster.members()) {
      this.#outbox.endJoin(member, code)
      this.#outbox.endSync(member, code)
    }
    this.#phases.state = 'Dead'
  }

  /** Ends what is due. Call it at `nextDeadline()`; too early or too often does no harm. */
  tick(now: number): void {
    if (this.state === 'Dead') return
    const phases = this.#phases
    const sizeBefore = this.roster.size
    const gaveUp = this.roster.expirePending(now)
    for (const member of [...this.roster.members()]) {
      if (member.deadline <= now && sessionCanEnd(member)) this.#remove(member)
    }
    if (gaveUp && this.state === 'PreparingRebalance') phases.completeJoinIfAllJoined(now)
    this.#afterDepartures(sizeBefore, now)
    if (phases.joinDeadline <= now) phases.joinPhaseDue(now)
    if (phases.syncDeadline <= now) phases.syncPhaseDue(now)
  }

  /** When `tick` has something to do, at the earliest; Infinity: never. */
  nextDeadline(): number {
    if (this.state === 'Dead') return Infinity
    const { joinDeadline, syncDeadline } = this.#phases
    return Math.min(joinDeadline, syncDeadline, this.roster.nextDeadline())
  }

  #joinRefusal(step: JoinStep): number {
    if (this.state === 'Dead') return errorCodes.COORDINATOR_NOT_AVAILABLE
    if (!this.#hasRoomFor(step.memberId)) {
      this.roster.removePending(step.memberId)
      return errorCodes.GROUP_MAX_SIZE_REACHED
    }
    const fits =
      this.state === 'Empty'
        ? step.protocolType !== '' && step.protocols.length > 0
        : step.protocolType === this.protocolType && this.roster.supports(step.protocols)
    return fits ? errorCodes.NONE : errorCodes.INCONSISTENT_GROUP_PROTOCOL
  }

  /**
   * While members join, those that wait are counted: a group above a lowered bound loses the last
   * ones to come back.
   */
  #hasRoomFor(memberId: string): boolean {
    const { maxSize } = this.limits()
    if (this.roster.size < maxSize || this.state === 'Empty') return true
    const member = this.roster.get(memberId)
    return this.state === 'PreparingRebalance'
      ? member?.joinTicket !== undefined || this.roster.awaitingJoin < maxSize
      : member !== undefined
  }

  #joinWithoutId(step: JoinStep, now: number): void {
    if (step.groupInstanceId !== null) {
      const present = this.roster.staticMember(step.groupInstanceId)
      if (present === undefined) this.#addMember(step, step.newMemberId, now)
      else this.#replaceStatic(step, present, now)
    } else if (step.requireKnownMemberId) {
      this.roster.addPending(step.newMemberId, now + step.sessionTimeoutMs)
      this.#outbox.refuseJoin(step.ticket, errorCodes.MEMBER_ID_REQUIRED, step.newMemberId)
    } else {
      this.#addMember(step, step.newMemberId, now)
    }
  }

  #addMember(step: JoinStep, id: string, now: number): void {
    if (this.state === 'Empty') this.#phases.protocolType = step.protocolType
    this.roster.add({
      id,
      instanceId: step.groupInstanceId,
      ...updateOf(step),
      assignment: NO_BYTES,
      joinTicket: step.ticket,
      syncTicket: undefined,
      isNew: true,
      deadline: now + NEW_MEMBER_JOIN_TIMEOUT_MS,
    })
    this.#phases.memberJoined(now)
  }

  /**
   * A static member that was restarted. In a stable group whose protocol it does not change it
   * takes its place again without a rebalance; that its id is another one has to be durable first,
   * by a new floor of the same generation.
   */
  #replaceStatic(step: JoinStep, present: Member, now: number): void {
    const phases = this.#phases
    const oldLeader = this.roster.leaderId
    this.#outbox.endJoin(present, errorCodes.FENCED_INSTANCE_ID)
    this.#outbox.endSync(present, errorCodes.FENCED_INSTANCE_ID)
    const member = this.roster.replaceStatic(present, step.newMemberId)
    phases.renamed(present.id, member.id)
    this.roster.update(member, updateOf(step))
    phases.touch(member, now)
    if (this.state !== 'Stable' || this.roster.electProtocol() !== this.protocol) {
      member.joinTicket = step.ticket
      phases.memberJoined(now)
      return
    }
    this.#outbox.floor(this.generation)
    const skips = step.supportsSkippingAssignment
    const leads = skips && this.roster.leaderId === member.id
    const result = phases.joinResult(member.id, { withMembers: leads, skipAssignment: leads })
    // A client that cannot skip the assignment must not learn that it leads, or it would assign
    // anew within a stable generation.
    this.#outbox.joined(step.ticket, skips ? result : { ...result, leader: oldLeader ?? '' })
    this.#outbox.tell('publish')
  }

  #rejoin(step: JoinStep, member: Member, now: number): void {
    const leads = this.roster.leaderId === member.id
    const unchanged = sameProtocols(member.protocols, step.protocols)
    // A leader that joins a stable group wants a rebalance: what it would assign may have changed,
    // though its metadata has not.
    const repeats =
      unchanged && (this.state === 'CompletingRebalance' || (this.state === 'Stable' && !leads))
    if (repeats) {
      this.#phases.touch(member, now)
      const result = this.#phases.joinResult(member.id, { withMembers: leads })
      this.#outbox.joined(step.ticket, result)
      return
    }
    this.#outbox.endJoin(member, errorCodes.REBALANCE_IN_PROGRESS)
    this.roster.update(member, updateOf(step))
    member.joinTicket = step.ticket
    this.#phases.memberJoined(now)
  }

  #syncRefusal(input: SyncInput): number {
    if (this.state === 'Dead') return errorCodes.COORDINATOR_NOT_AVAILABLE
    const code = this.#checkGeneration(input)
    if (code !== errorCodes.NONE) return code
    const { protocolType, protocolName } = input
    if (
      (protocolType !== null && protocolType !== this.protocolType) ||
      (protocolName !== null && protocolName !== this.protocol)
    ) {
      return errorCodes.INCONSISTENT_GROUP_PROTOCOL
    }
    return this.state === 'PreparingRebalance' ? errorCodes.REBALANCE_IN_PROGRESS : errorCodes.NONE
  }

  #checkGeneration(input: MemberIdentity & { readonly generation: number }): number {
    const code = this.roster.check(input)
    if (code !== errorCodes.NONE) return code
    return input.generation === this.generation ? errorCodes.NONE : errorCodes.ILLEGAL_GENERATION
  }

  #leaveOne(identity: MemberIdentity): number {
    const { memberId, groupInstanceId } = identity
    if (memberId === '' && groupInstanceId !== null) {
      // An administrator removes a static member by its instance alone.
      const member = this.roster.staticMember(groupInstanceId)
      if (member === undefined) return errorCodes.UNKNOWN_MEMBER_ID
      this.#remove(member)
      return errorCodes.NONE
    }
    if (this.roster.removePending(memberId)) return errorCodes.NONE
    const code = this.roster.check(identity)
    if (code === errorCodes.NONE) this.#remove(this.roster.get(memberId)!)
    return code
  }

  #remove(member: Member): void {
    this.#outbox.endJoin(member, errorCodes.UNKNOWN_MEMBER_ID)
    this.#outbox.endSync(member, errorCodes.UNKNOWN_MEMBER_ID)
    this.#phases.forget(member.id)
    this.roster.remove(member)
  }

  #afterDepartures(sizeBefore: number, now: number): void {
    if (this.roster.size < sizeBefore) this.#phases.memberLeft(now)
  }
}

function updateOf(step: JoinStep) {
  const { clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = step
  return { clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols }
}
