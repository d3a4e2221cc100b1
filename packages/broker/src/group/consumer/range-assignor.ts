import type { Assignment } from './assignment.js'
import type { AssignmentTask } from './assignment-task.js'

/**
 * Gives each member a range of every topic that it subscribes to, the first members one more where
 * it does not divide: topics of equal size that all members read are divided alike, so that they
 * can be joined. Static members come first, by instance, and so keep their ranges over a restart.
 */
export function assignRanges({ members, partitionCount }: AssignmentTask): Map<string, Assignment> {
  const order = [...members].sort(
    (left, right) =>
      compare(left.instanceId === null ? 1 : 0, right.instanceId === null ? 1 : 0) ||
      compare(left.instanceId ?? left.id, right.instanceId ?? right.id),
  )
  const subscribers = new Map<string, number>()
  for (const { topicIds } of order) {
    for (const topicId of topicIds) subscribers.set(topicId, (subscribers.get(topicId) ?? 0) + 1)
  }
  const served = new Map<string, { members: number; next: number }>()
  const result = new Map<string, Assignment>()
  for (const { id, topicIds } of order) {
    const own = new Map<string, readonly number[]>()
    for (const topicId of topicIds) {
      const count = partitionCount(topicId)
      const among = subscribers.get(topicId)!
      const progress = served.get(topicId) ?? { members: 0, next: 0 }
      const size = Math.floor(count / among) + (progress.members < count % among ? 1 : 0)
      if (size > 0)
        own.set(
          topicId,
          Array.from({ length: size }, (_, at) => progress.next + at),
        )
      served.set(topicId, { members: progress.members + 1, next: progress.next + size })
    }
    result.set(id, own)
  }
  return result
}

function compare<T extends string | number>(left: T, right: T): number {
  return left < right ? -1 : left > right ? 1 : 0
}
