import type { MemberProtocol } from '../group-api.js'
import type { AssignmentFields } from './reconcile.js'

/** What is told of a member that uses the classic protocol in a group of this one. */
export interface ClassicMembership {
  readonly sessionTimeoutMs: number
  readonly supportedProtocols: readonly MemberProtocol[]
}

/** Who a member is and what it wants: durable as one record. */
export interface MemberMetadata {
  /** Static membership (KIP-345). */
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Ascending. */
  readonly topicNames: readonly string[]
  /** RE2 syntax; empty: none. */
  readonly topicRegex: string
  /** How long it may take to give up partitions, ms. */
  readonly rebalanceTimeoutMs: number
  readonly serverAssignor: string | null
  readonly classic: ClassicMembership | null
}

/** A member of a group: never changed, but replaced. */
export interface ConsumerMember extends MemberMetadata, AssignmentFields {
  readonly id: string
}

export function sameMetadata(left: MemberMetadata, right: MemberMetadata): boolean {
  return (
    left.instanceId === right.instanceId &&
    left.rackId === right.rackId &&
    left.clientId === right.clientId &&
    left.clientHost === right.clientHost &&
    left.topicRegex === right.topicRegex &&
    left.rebalanceTimeoutMs === right.rebalanceTimeoutMs &&
    left.serverAssignor === right.serverAssignor &&
    sameNames(left.topicNames, right.topicNames) &&
    sameClassic(left.classic, right.classic)
  )
}

export function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return (
    left === right ||
    (left.length === right.length && left.every((name, index) => name === right[index]))
  )
}

function sameClassic(left: ClassicMembership | null, right: ClassicMembership | null): boolean {
  if (left === right) return true
  if (left === null || right === null) return false
  const [own, other] = [left.supportedProtocols, right.supportedProtocols]
  return (
    left.sessionTimeoutMs === right.sessionTimeoutMs &&
    own.length === other.length &&
    own.every(
      ({ name, metadata }, index) =>
        name === other[index]!.name && Buffer.compare(metadata, other[index]!.metadata) === 0,
    )
  )
}
