import type { MemberProtocol } from './group-api.js'

/** A member of a group, as the state machine knows it. Times are monotonic ms. */
export interface Member {
  readonly id: string
  /** Static membership (KIP-345); null for a dynamic member. */
  readonly instanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  /** In the member's order of preference. */
  protocols: readonly MemberProtocol[]
  assignment: Uint8Array
  /** The JoinGroup that waits for the end of the join phase. */
  joinTicket: number | undefined
  /** The SyncGroup that waits for the leader's assignment. */
  syncTicket: number | undefined
  /** It has never been in a generation, so it cannot send heartbeats yet. */
  isNew: boolean
  /** When its session ends, unless it is heard from. */
  deadline: number
}

/** What a member without an assignment has. */
export const NO_BYTES = new Uint8Array(0)

/**
 * Whether the member's session can end now. A member that waits for our answer is alive by
 * definition: it cannot send a heartbeat on the connection that waits. A new member is the
 * exception, because its client may be gone without our knowing.
 */
export function sessionCanEnd(member: Member): boolean {
  return member.isNew || (member.joinTicket === undefined && member.syncTicket === undefined)
}

/**
 * Same protocols, in the same order, with the same bytes: nothing that could change an assignment.
 */
export function sameProtocols(
  left: readonly MemberProtocol[],
  right: readonly MemberProtocol[],
): boolean {
  return (
    left.length === right.length &&
    left.every((protocol, index) => {
      const other = right[index]!
      return protocol.name === other.name && Buffer.compare(protocol.metadata, other.metadata) === 0
    })
  )
}

/** The bytes with which the member announced `protocol`. */
export function metadataFor(member: Member, protocol: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES
}

/**
 * How many members offer each protocol: kept up to date, so that a join costs nothing in the size
 * of the group.
 */
export class OfferedProtocols {
  readonly #counts = new Map<string, number>()

  add(protocols: readonly MemberProtocol[]): void {
    for (const name of namesOf(protocols)) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  remove(protocols: readonly MemberProtocol[]): void {
    for (const name of namesOf(protocols)) {
      const count = this.#counts.get(name)! - 1
      if (count === 0) this.#counts.delete(name)
      else this.#counts.set(name, count)
    }
  }

  /** Whether all of `memberCount` members offer at least one of `protocols`. */
  someOfferedByAll(protocols: readonly MemberProtocol[], memberCount: number): boolean {
    return protocols.some(({ name }) => (this.#counts.get(name) ?? 0) === memberCount)
  }

  /**
   * Each member votes for the first of its protocols that all members offer; most votes win, and of
   * equals the one that was voted for first. Null when they have none in common.
   */
  elect(members: Iterable<Member>, memberCount: number): string | null {
    const votes = new Map<string, number>()
    for (const { protocols } of members) {
      const choice = protocols.find(({ name }) => this.#counts.get(name) === memberCount)?.name
      if (choice !== undefined) votes.set(choice, (votes.get(choice) ?? 0) + 1)
    }
    let winner: string | null = null
    for (const [name, count] of votes) {
      if (winner === null || count > votes.get(winner)!) winner = name
    }
    return winner
  }
}

/** A member may name a protocol twice; it still has one vote. */
function namesOf(protocols: readonly MemberProtocol[]): Set<string> {
  return new Set(protocols.map(({ name }) => name))
}
