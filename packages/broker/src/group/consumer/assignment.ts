/**
 * Partitions by topic id, as one member has or shall have them. Partitions ascend without
 * repetition, and no topic is empty; nothing is changed once it is made.
 */
export type Assignment = ReadonlyMap<string, readonly number[]>

/** The same as a request or record carries it. */
export interface TopicIdPartitions {
  readonly topicId: string
  readonly partitions: readonly number[]
}

export const NO_PARTITIONS: Assignment = new Map()

/** From a request or record, in any order. */
export function assignmentFrom(topics: readonly TopicIdPartitions[]): Assignment {
  const assignment = new Map<string, readonly number[]>()
  for (const { topicId, partitions } of topics) {
    if (partitions.length === 0) continue
    const before = assignment.get(topicId) ?? []
    assignment.set(topicId, ascending([...before, ...partitions]))
  }
  return assignment
}

export function toTopics(assignment: Assignment): { topicId: string; partitions: number[] }[] {
  return Array.from(assignment, ([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions],
  }))
}

export function sameAssignment(left: Assignment, right: Assignment): boolean {
  if (left === right) return true
  if (left.size !== right.size) return false
  for (const [topicId, partitions] of left) {
    const others = right.get(topicId)
    if (others === undefined || !sameNumbers(partitions, others)) return false
  }
  return true
}

/** Whether all of `part` is in `whole`. */
export function includesAll(whole: Assignment, part: readonly TopicIdPartitions[]): boolean {
  return part.every(({ topicId, partitions }) => {
    const owned = new Set(whole.get(topicId))
    return partitions.every((partition) => owned.has(partition))
  })
}

/** What is in `left` and, if `keep`, in `right` too, else not in `right`. Both ascend. */
export function select(
  left: readonly number[],
  right: readonly number[],
  keep: boolean,
): readonly number[] {
  if (left === right || sameNumbers(left, right)) return keep ? left : []
  const found: number[] = []
  let at = 0
  for (const value of left) {
    while (at < right.length && right[at]! < value) at++
    if ((right[at] === value) === keep) found.push(value)
  }
  return found
}

/** All of both, which have nothing in common. */
export function union(left: readonly number[], right: readonly number[]): readonly number[] {
  if (left.length === 0) return right
  return right.length === 0 ? left : ascending([...left, ...right])
}

/** Sorted, without repetition. */
export function ascending(numbers: readonly number[]): readonly number[] {
  const sorted = Int32Array.from(numbers).sort()
  const distinct: number[] = []
  for (const value of sorted) if (distinct.at(-1) !== value) distinct.push(value)
  return distinct
}

function sameNumbers(left: readonly number[], right: readonly number[]): boolean {
  if (left.length !== right.length) return false
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false
  return true
}
