import { errorCodes } from '@kfk/protocol'
import type { JoinResult, SyncResult } from './group-api.js'
import { type Member, NO_BYTES } from './member.js'

/**
 * What a step of a group wants done, in this order. Everything after a `floor` may only become
 * visible once the group's generation is durable; `publish` and `withdraw` are about the members
 * and assignment in coordination, and nothing waits for them.
 */
export type GroupEffect =
  | { readonly kind: 'floor'; readonly generation: number }
  | { readonly kind: 'joined'; readonly ticket: number; readonly result: JoinResult }
  | { readonly kind: 'synced'; readonly ticket: number; readonly result: SyncResult }
  | { readonly kind: 'publish' }
  | { readonly kind: 'withdraw' }

/** Collects the effects of a group's steps. */
export class GroupOutbox {
  #effects: GroupEffect[] = []

  /** What has been collected since the last call. */
  drain(): readonly GroupEffect[] {
    const effects = this.#effects
    if (effects.length > 0) this.#effects = []
    return effects
  }

  floor(generation: number): void {
    this.#effects.push({ kind: 'floor', generation })
  }

  tell(kind: 'publish' | 'withdraw'): void {
    this.#effects.push({ kind })
  }

  joined(ticket: number, result: JoinResult): void {
    this.#effects.push({ kind: 'joined', ticket, result })
  }

  refuseJoin(ticket: number, errorCode: number, memberId: string): void {
    this.joined(ticket, joinRefusal(errorCode, memberId))
  }

  synced(ticket: number, result: SyncResult): void {
    this.#effects.push({ kind: 'synced', ticket, result })
  }

  refuseSync(ticket: number, errorCode: number): void {
    this.synced(ticket, syncRefusal(errorCode))
  }

  /**
   * Answers a member's JoinGroup that will not be answered by the end of the phase, if there is
   * one.
   */
  endJoin(member: Member, errorCode: number): void {
    if (member.joinTicket === undefined) return
    const keepsId = errorCode !== errorCodes.UNKNOWN_MEMBER_ID
    this.refuseJoin(member.joinTicket, errorCode, keepsId ? member.id : '')
    member.joinTicket = undefined
  }

  /** Answers a member's SyncGroup that will not get an assignment, if there is one. */
  endSync(member: Member, errorCode: number): void {
    if (member.syncTicket === undefined) return
    this.refuseSync(member.syncTicket, errorCode)
    member.syncTicket = undefined
  }
}

/** A JoinGroup answer that only carries an error. */
export function joinRefusal(errorCode: number, memberId: string): JoinResult {
  return {
    errorCode,
    generation: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    memberId,
    skipAssignment: false,
    members: [],
  }
}

/** A SyncGroup answer that only carries an error. */
export function syncRefusal(errorCode: number): SyncResult {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_BYTES }
}
