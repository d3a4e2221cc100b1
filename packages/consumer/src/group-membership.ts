import type { CommittingMember } from './offset-committer.js'

/** A membership of a group, by whichever protocol. */
export interface GroupMembership extends CommittingMember {
  /** Joins, and goes on joining: returns at once. */
  start(): void
  /** Leaves, in bounded time. Never rejects. */
  leave(): Promise<void>
  /** Stops as a process that died would. */
  destroy(): void
}
