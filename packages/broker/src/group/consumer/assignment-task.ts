import type { Assignment } from './assignment.js'

/** A member as an assignor sees it. */
export interface AssigneeMember {
  readonly id: string
  readonly instanceId: string | null
  /** Existing topics that it subscribes to. */
  readonly topicIds: ReadonlySet<string>
  /** What it was to have so far. */
  readonly target: Assignment
}

export interface AssignmentTask {
  readonly members: readonly AssigneeMember[]
  /** Of a topic that somebody subscribes to. */
  readonly partitionCount: (topicId: string) => number
}

/** Divides all partitions of the subscribed topics among the subscribers: each has one owner. */
export type ServerAssignor = (task: AssignmentTask) => Map<string, Assignment>
