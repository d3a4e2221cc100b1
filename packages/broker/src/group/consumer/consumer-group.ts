import { errorCodes } from '@kfk/protocol'
import { includesAll, NO_PARTITIONS, sameAssignment, type TopicIdPartitions } from './assignment.js'
import type {
  ConsumerHeartbeatInput,
  ConsumerHeartbeatResult,
  EpochCommit,
  OffsetReader,
  Refusal,
} from './consumer-api.js'
import { heartbeatRefusal } from './consumer-api.js'
import {
  type ConsumerMember,
  type MemberMetadata,
  sameMetadata,
  sameNames,
} from './consumer-member.js'
import type { ConsumerChange } from './consumer-records.js'
import { ConsumerState } from './consumer-state.js'
import { MemberDeadlines } from './member-deadlines.js'
import { memberState, reconcile } from './reconcile.js'
import {
  type ConsumerEnvironment,
  computeTargets,
  preferredAssignor,
  refreshTopics,
} from './targets.js'

/** `memberEpoch` of a member that leaves. */
export const LEAVES = -1
/** `memberEpoch` of a static member that leaves and will be back. */
export const LEAVES_FOR_A_WHILE = -2

/**
 * A group of the consumer protocol (KIP-848) as a state machine without I/O: requests and the time
 * (monotonic ms) in, changes out by `drain`, each already applied to `state`. They have to be
 * durable before an answer may be told.
 *
 * The group's epoch grows when members, subscriptions or topics change. For each epoch there is a
 * target, and every member gets to it by itself, partition by partition: a partition has no new
 * owner before the old one has said that it has given it up.
 */
export class ConsumerGroup {
  readonly state = new ConsumerState()
  readonly #deadlines = new MemberDeadlines()
  #changes: ConsumerChange[] = []
  /** Topics may be others than those that the target was computed for. */
  #stale = true

  constructor(
    readonly id: string,
    readonly environment: ConsumerEnvironment,
  ) {}

  /** What the steps since the last call have changed. */
  drain(): readonly ConsumerChange[] {
    const changes = this.#changes
    if (changes.length > 0) this.#changes = []
    return changes
  }

  /** After all records of the group were applied: every member has a full session from now. */
  begin(now: number): void {
    for (const member of this.state.members()) {
      this.#deadlines.heard(member.id, now + this.#sessionTimeoutMs(member))
      this.#watchRevocation(member, now)
    }
  }

  /** Topics of these names were created, changed or deleted. */
  topicsChanged(names: readonly string[]): void {
    if (this.#stale) return
    for (const { topicRegex, topicNames } of this.state.members()) {
      if (topicRegex === '' && !names.some((name) => topicNames.includes(name))) continue
      this.#stale = true
      return
    }
  }

  /** Joins, goes on, or leaves. The request itself has been checked. */
  heartbeat(input: ConsumerHeartbeatInput, now: number): ConsumerHeartbeatResult {
    const { memberEpoch, memberId, instanceId } = input
    if (memberEpoch < 0) return this.#leave(input)
    const refusal = this.#fullness(memberId) ?? this.#admission(input)
    if (refusal !== undefined) return heartbeatRefusal(refusal)
    const departed = instanceId === null ? undefined : this.state.staticMember(instanceId)
    if (departed !== undefined && departed.id !== memberId) this.#replace(departed, memberId)
    const before = this.state.member(memberId)
    const member = this.advance(memberId, { ...updated(before, input) }, input.owned, now)
    this.#deadlines.heard(memberId, now + this.#sessionTimeoutMs(member))
    const isFull =
      input.rebalanceTimeoutMs !== -1 &&
      (input.topicNames !== null || input.topicRegex !== null) &&
      input.owned !== null
    const tells =
      memberEpoch === 0 ||
      isFull ||
      !sameAssignment(member.assigned, before?.assigned ?? NO_PARTITIONS)
    return {
      errorCode: errorCodes.NONE,
      errorMessage: null,
      memberId,
      memberEpoch: member.epoch,
      heartbeatIntervalMs: this.environment.limits().heartbeatIntervalMs,
      assignment: tells ? member.assigned : null,
    }
  }

  /**
   * Takes in what a member is and wants, computes a new target if that or the topics have changed,
   * and brings the member as near to it as can be now.
   */
  advance(
    id: string,
    metadata: MemberMetadata,
    owned: readonly TopicIdPartitions[] | null,
    now: number,
  ): ConsumerMember {
    const { state } = this
    const before = state.member(id)
    if (before === undefined || !sameMetadata(before, metadata)) {
      this.#change({ type: 'member', subject: id, value: metadata })
    }
    const resubscribed =
      !sameNames(before?.topicNames ?? [], metadata.topicNames) ||
      (before?.topicRegex ?? '') !== metadata.topicRegex
    if (resubscribed || this.#stale) {
      const hash = refreshTopics(state, this.environment, (change) => this.#change(change))
      this.#stale = false
      if (resubscribed || hash !== state.metadataHash) this.#raiseEpoch(hash)
    }
    if (state.epoch > state.targetEpoch) {
      computeTargets(state, this.environment, (change) => this.#change(change))
    }
    return this.#reconcile(state.member(id)!, owned, now)
  }

  /** Removes a member: what it had is free at once. */
  remove(member: ConsumerMember): void {
    this.#forget(member.id)
    this.#raiseEpoch(refreshTopics(this.state, this.environment, (each) => this.#change(each)))
    this.#stale = false
  }

  /** Whether a member, or somebody else for a group without members, may commit offsets. */
  checkCommit({ memberId, generation, apiVersion }: EpochCommit): number {
    if (generation < 0 && this.state.size === 0) return errorCodes.NONE
    const member = this.state.member(memberId)
    if (member === undefined) return errorCodes.UNKNOWN_MEMBER_ID
    if (member.classic === null && apiVersion < 9) return errorCodes.UNSUPPORTED_VERSION
    return epochError(member, generation)
  }

  /** Whether committed offsets may be told: a member of an old epoch must not begin with them. */
  checkFetch({ memberId, memberEpoch }: OffsetReader): number {
    if (memberId === null && memberEpoch < 0) return errorCodes.NONE
    const member = this.state.member(memberId ?? '')
    return member === undefined ? errorCodes.UNKNOWN_MEMBER_ID : epochError(member, memberEpoch)
  }

  /** Removes everything; only a group without members can be deleted. */
  delete(): number {
    if (this.state.size > 0) return errorCodes.NON_EMPTY_GROUP
    this.dissolve()
    return errorCodes.NONE
  }

  /** Tombstones for all that is known of the group, members included. */
  dissolve(): void {
    for (const { id } of [...this.state.members()]) this.#forget(id)
    for (const [pattern] of [...this.state.regexes()]) {
      this.#change({ type: 'regex', subject: pattern, value: null })
    }
    this.#change({ type: 'targetEpoch', value: null })
    this.#change({ type: 'epoch', value: null })
  }

  /** Ends what is due. Call it at `nextDeadline()`; too early or too often does no harm. */
  tick(now: number): void {
    for (const { id, epoch } of this.#deadlines.due(now)) {
      const member = this.state.member(id)
      if (member === undefined) continue
      // The member has got on since it was asked to give something up.
      if (epoch === undefined || epoch === member.epoch) this.remove(member)
    }
  }

  /** When `tick` has something to do, at the earliest; Infinity: never. */
  nextDeadline(): number {
    return this.#deadlines.next()
  }

  get preferredAssignor(): string {
    return preferredAssignor(this.state, this.environment)
  }

  #leave(input: ConsumerHeartbeatInput): ConsumerHeartbeatResult {
    const { memberId, instanceId, memberEpoch } = input
    const found = this.#identify(memberId, instanceId)
    if ('errorCode' in found) return heartbeatRefusal(found)
    if (memberEpoch === LEAVES_FOR_A_WHILE) {
      const { previousEpoch, state, assigned } = found
      this.#change({
        type: 'current',
        subject: found.id,
        value: { epoch: memberEpoch, previousEpoch, state, assigned, revoking: NO_PARTITIONS },
      })
      this.#deadlines.revoked(found.id)
    } else {
      this.remove(found)
    }
    return {
      errorCode: errorCodes.NONE,
      errorMessage: null,
      memberId,
      memberEpoch,
      heartbeatIntervalMs: 0,
      assignment: null,
    }
  }

  #identify(memberId: string, instanceId: string | null): ConsumerMember | Refusal {
    if (instanceId === null) return this.state.member(memberId) ?? this.#unknown(memberId)
    const member = this.state.staticMember(instanceId)
    if (member === undefined) {
      return refusal(errorCodes.UNKNOWN_MEMBER_ID, `Instance id ${instanceId} is unknown.`)
    }
    if (member.id === memberId) return member
    const message = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.id}.`
    return refusal(errorCodes.FENCED_INSTANCE_ID, message)
  }

  #unknown(memberId: string): Refusal {
    const message = `Member ${memberId} is not a member of group ${this.id}.`
    return refusal(errorCodes.UNKNOWN_MEMBER_ID, message)
  }

  #fullness(memberId: string): Refusal | undefined {
    const { maxSize } = this.environment.limits()
    if (this.state.size < maxSize || this.state.member(memberId) !== undefined) return undefined
    const message = `The consumer group has reached its maximum capacity of ${maxSize} members.`
    return refusal(errorCodes.GROUP_MAX_SIZE_REACHED, message)
  }

  /** What speaks against this member with this epoch, if anything. */
  #admission(input: ConsumerHeartbeatInput): Refusal | undefined {
    const { memberId, instanceId, memberEpoch } = input
    if (memberEpoch > 0) {
      const found = this.#identify(memberId, instanceId)
      return 'errorCode' in found ? found : epochRefusal(found, input)
    }
    if (instanceId === null) {
      const known = this.state.member(memberId)
      return known && epochRefusal(known, input)
    }
    const present = this.state.staticMember(instanceId)
    if (present === undefined || present.classic !== null) return undefined
    if (present.epoch === LEAVES_FOR_A_WHILE) return undefined
    const message = `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${present.id} member.`
    return refusal(errorCodes.UNRELEASED_INSTANCE_ID, message)
  }

  /** Another process has taken the place of a static member: with its partitions. */
  #replace(departed: ConsumerMember, id: string): void {
    const target = this.state.target(departed.id)
    const {
      id: _,
      epoch: __,
      previousEpoch: ___,
      state,
      assigned,
      revoking,
      ...metadata
    } = departed
    this.#forget(departed.id)
    this.#change({ type: 'member', subject: id, value: metadata })
    if (target !== undefined) this.#change({ type: 'target', subject: id, value: target })
    const current = { epoch: 0, previousEpoch: 0, state, assigned, revoking }
    this.#change({ type: 'current', subject: id, value: current })
  }

  #reconcile(
    member: ConsumerMember,
    owned: readonly TopicIdPartitions[] | null,
    now: number,
  ): ConsumerMember {
    const { state } = this
    const next = reconcile(member, {
      targetEpoch: state.targetEpoch,
      target: state.target(member.id) ?? NO_PARTITIONS,
      isOwned: (topicId, partition) => state.isOwned(topicId, partition),
      owned,
    })
    if (next === member) return member
    const { epoch, previousEpoch, state: to, assigned, revoking } = next
    const value = { epoch, previousEpoch, state: to, assigned, revoking }
    this.#change({ type: 'current', subject: member.id, value })
    const reached = state.member(member.id)!
    this.#watchRevocation(reached, now)
    return reached
  }

  #watchRevocation(member: ConsumerMember, now: number): void {
    if (member.classic === null && member.state === memberState.unrevoked) {
      this.#deadlines.revokes(member.id, member.epoch, now + member.rebalanceTimeoutMs)
    } else {
      this.#deadlines.revoked(member.id)
    }
  }

  #forget(id: string): void {
    this.#deadlines.forget(id)
    this.#change({ type: 'current', subject: id, value: null })
    this.#change({ type: 'target', subject: id, value: null })
    this.#change({ type: 'member', subject: id, value: null })
  }

  #raiseEpoch(metadataHash: bigint): void {
    this.#change({ type: 'epoch', value: { epoch: this.state.epoch + 1, metadataHash } })
  }

  #change(change: ConsumerChange): void {
    this.state.apply(change)
    this.#changes.push(change)
  }

  #sessionTimeoutMs({ classic }: MemberMetadata): number {
    return classic?.sessionTimeoutMs ?? this.environment.limits().sessionTimeoutMs
  }
}

function updated(
  before: ConsumerMember | undefined,
  input: ConsumerHeartbeatInput,
): MemberMetadata {
  const { topicNames, rebalanceTimeoutMs } = input
  return {
    instanceId: input.instanceId ?? before?.instanceId ?? null,
    rackId: input.rackId ?? before?.rackId ?? null,
    clientId: input.clientId,
    clientHost: input.clientHost,
    topicNames: topicNames === null ? (before?.topicNames ?? []) : [...new Set(topicNames)].sort(),
    topicRegex: input.topicRegex ?? before?.topicRegex ?? '',
    rebalanceTimeoutMs:
      rebalanceTimeoutMs === -1 ? (before?.rebalanceTimeoutMs ?? -1) : rebalanceTimeoutMs,
    serverAssignor: input.serverAssignor ?? before?.serverAssignor ?? null,
    classic: null,
  }
}

/**
 * The answer with the present epoch may have been lost: a member that comes with the one before it
 * and owns nothing that is not its own goes on.
 */
function epochRefusal(member: ConsumerMember, input: ConsumerHeartbeatInput): Refusal | undefined {
  const { memberEpoch, owned } = input
  const { epoch, previousEpoch, assigned } = member
  if (memberEpoch === epoch) return undefined
  const missed = memberEpoch < epoch && memberEpoch === previousEpoch
  if (missed && owned !== null && includesAll(assigned, owned)) return undefined
  const which = memberEpoch > epoch ? 'greater' : 'smaller'
  const message = `The consumer group member has a ${which} member epoch (${memberEpoch}) than the one known by the group coordinator (${epoch}). The member must abandon all its partitions and rejoin.`
  return refusal(errorCodes.FENCED_MEMBER_EPOCH, message)
}

function epochError({ epoch, classic }: ConsumerMember, given: number): number {
  if (given === epoch) return errorCodes.NONE
  return classic === null ? errorCodes.STALE_MEMBER_EPOCH : errorCodes.ILLEGAL_GENERATION
}

function refusal(errorCode: number, errorMessage: string): Refusal {
  return { errorCode, errorMessage }
}
