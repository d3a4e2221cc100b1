import {
  type Assignment,
  NO_PARTITIONS,
  select,
  type TopicIdPartitions,
  union,
} from './assignment.js'

/** Where a member stands between what it has and what it shall have, in Kafka's numbers. */
export const memberState = { stable: 0, unrevoked: 1, unreleased: 2 } as const

/** What a member has: durable as one record. */
export interface AssignmentFields {
  /** The target assignment that it has got to; 0 before the first, -2 away for a while. */
  readonly epoch: number
  readonly previousEpoch: number
  readonly state: number
  readonly assigned: Assignment
  /** Not its any more, but nobody else's either before it has said so. */
  readonly revoking: Assignment
}

export const NO_ASSIGNMENT: AssignmentFields = {
  epoch: 0,
  previousEpoch: 0,
  state: memberState.stable,
  assigned: NO_PARTITIONS,
  revoking: NO_PARTITIONS,
}

export interface Reconciliation {
  readonly targetEpoch: number
  readonly target: Assignment
  /** Somebody has the partition, or is still giving it up. */
  readonly isOwned: (topicId: string, partition: number) => boolean
  /** As the member says in this request; null when it says nothing. */
  readonly owned: readonly TopicIdPartitions[] | null
}

/**
 * The next step of a member towards its target: first it gives up, and keeps its epoch until it has
 * said that it has; then it gets what nobody else holds, and waits for the rest. Returns the same
 * object when there is no step to take.
 */
export function reconcile(member: AssignmentFields, step: Reconciliation): AssignmentFields {
  switch (member.state) {
    case memberState.unrevoked:
      if (ownsAnyOf(member.revoking, step.owned)) return member
      return next(member, member.epoch + 1, step)
    case memberState.unreleased:
      return next(member, member.epoch, step)
    default:
      return member.epoch === step.targetEpoch ? member : next(member, member.epoch, step)
  }
}

function next(member: AssignmentFields, epoch: number, step: Reconciliation): AssignmentFields {
  const kept = new Map<string, readonly number[]>()
  const revoking = new Map<string, readonly number[]>()
  const added = new Map<string, readonly number[]>()
  let unreleased = false
  for (const topicId of new Set([...step.target.keys(), ...member.assigned.keys()])) {
    const target = step.target.get(topicId) ?? []
    const had = member.assigned.get(topicId) ?? []
    const keeps = select(had, target, true)
    const givesUp = select(had, target, false)
    const wants = select(target, keeps, false)
    const gets = wants.filter((partition) => !step.isOwned(topicId, partition))
    if (gets.length < wants.length) unreleased = true
    if (keeps.length > 0) kept.set(topicId, keeps)
    if (givesUp.length > 0) revoking.set(topicId, givesUp)
    if (gets.length > 0) added.set(topicId, gets)
  }
  if (revoking.size > 0 && ownsAnyOf(revoking, step.owned)) {
    return changed(member, { epoch, state: memberState.unrevoked, assigned: kept, revoking })
  }
  for (const [topicId, gets] of added) kept.set(topicId, union(kept.get(topicId) ?? [], gets))
  return changed(member, {
    epoch: step.targetEpoch,
    state: unreleased ? memberState.unreleased : memberState.stable,
    assigned: added.size === 0 && revoking.size === 0 ? member.assigned : kept,
    revoking: NO_PARTITIONS,
  })
}

function changed(
  member: AssignmentFields,
  to: Omit<AssignmentFields, 'previousEpoch'>,
): AssignmentFields {
  // The answer that told of this epoch may get lost: the member then comes with the one before.
  const previousEpoch = to.epoch === member.epoch ? member.previousEpoch : member.epoch
  const isSame =
    to.epoch === member.epoch &&
    to.state === member.state &&
    to.assigned === member.assigned &&
    to.revoking === member.revoking
  return isSame ? member : { ...to, previousEpoch }
}

/** Without a word about what it owns, it may own all. */
function ownsAnyOf(partitions: Assignment, owned: readonly TopicIdPartitions[] | null): boolean {
  if (owned === null) return true
  return owned.some(({ topicId, partitions: reported }) => {
    const revoked = new Set(partitions.get(topicId))
    return reported.some((partition) => revoked.has(partition))
  })
}
