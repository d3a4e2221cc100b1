/**
 * A member of a classic consumer group (KIP-62, KIP-345, KIP-394, KIP-429) as a state machine:
 * events in, effects out, no clock and no network. `group-driver.ts` runs it.
 *
 *     unjoined --> releasing --> joining --> syncing --> stable
 *                     ^                                    |
 *                     +------------ rebalance -------------+
 *
 * `releasing` is the time in which handlers finish and offsets are committed for partitions that
 * are given up: all of them before an eager rejoin, those that moved after a cooperative round.
 */
import { groupCode as code } from './group-errors.js'
import { withoutPartitions, type TopicPartition } from './topic-partition.js'

export type MemberPhase =
  'unjoined' | 'releasing' | 'joining' | 'syncing' | 'stable' | 'left' | 'failed'

export interface MemberOptions {
  readonly protocol: 'eager' | 'cooperative'
  /** KIP-345: the member keeps its partitions over a restart; null for a dynamic member. */
  readonly groupInstanceId: string | null
}

const noError = 0

export type MemberEvent =
  | { readonly type: 'start' }
  /** The driver has let go of what the last `release` named. */
  | { readonly type: 'released' }
  | {
      readonly type: 'joined'
      readonly errorCode: number
      readonly memberId: string
      readonly generation: number
    }
  | {
      readonly type: 'synced'
      readonly errorCode: number
      readonly assignment: readonly TopicPartition[]
    }
  /** The answer to a heartbeat or an offset commit that was sent in the name of `generation`. */
  | { readonly type: 'heard'; readonly errorCode: number; readonly generation: number }
  /** Partitions or subscribed topics have changed, or the caller asks for it. */
  | { readonly type: 'rejoin'; readonly reason: string }
  | { readonly type: 'leave' }

export type MemberEffect =
  | { readonly type: 'join'; readonly memberId: string; readonly reason: string }
  | { readonly type: 'sync' }
  /** Wait for handlers, commit, then answer with `released`. */
  | { readonly type: 'release'; readonly partitions: readonly TopicPartition[] }
  /** Somebody else may own them already: stop at once, commit nothing. */
  | { readonly type: 'lose'; readonly partitions: readonly TopicPartition[] }
  | { readonly type: 'assign'; readonly partitions: readonly TopicPartition[] }
  | { readonly type: 'startHeartbeats' }
  | { readonly type: 'stopHeartbeats' }
  | { readonly type: 'sendLeave'; readonly memberId: string }
  /** The coordinator's answer is final for this member: `errorCode` goes to the user. */
  | { readonly type: 'fail'; readonly errorCode: number }

export class GroupMember {
  #phase: MemberPhase = 'unjoined'
  #memberId = ''
  #generation = -1
  #owned: readonly TopicPartition[] = []
  #releasing: readonly TopicPartition[] = []
  #rejoinReason: string | undefined
  readonly #options: MemberOptions

  constructor(options: MemberOptions) {
    this.#options = options
  }

  get phase(): MemberPhase {
    return this.#phase
  }

  get memberId(): string {
    return this.#memberId
  }

  /** -1 while the member belongs to no generation. */
  get generation(): number {
    return this.#generation
  }

  /** What it has in this generation, without what it is releasing. */
  get owned(): readonly TopicPartition[] {
    return this.#owned
  }

  step(event: MemberEvent): MemberEffect[] {
    if (this.#phase === 'failed' || this.#phase === 'left') return []
    switch (event.type) {
      case 'start':
        return this.#phase === 'unjoined' ? this.#rejoin('first join') : []
      case 'released':
        return this.#phase === 'releasing' ? this.#join(this.#rejoinReason ?? 'released') : []
      case 'joined':
        return this.#phase === 'joining' ? this.#joined(event) : []
      case 'synced':
        return this.#phase === 'syncing' ? this.#synced(event.errorCode, event.assignment) : []
      case 'heard':
        return event.generation === this.#generation ? this.#heard(event.errorCode) : []
      case 'rejoin':
        return this.#phase === 'stable' ? this.#rejoin(event.reason) : this.#later(event.reason)
      case 'leave':
        return this.#leave()
    }
  }

  /** A round is under way: its end is soon enough to begin the next one. */
  #later(reason: string): MemberEffect[] {
    this.#rejoinReason = reason
    return []
  }

  #rejoin(reason: string): MemberEffect[] {
    if (this.#options.protocol === 'eager' && this.#owned.length > 0) {
      return this.#release(this.#owned, reason)
    }
    return this.#join(reason)
  }

  #release(partitions: readonly TopicPartition[], reason: string): MemberEffect[] {
    this.#phase = 'releasing'
    this.#rejoinReason = reason
    this.#releasing = partitions
    this.#owned = withoutPartitions(this.#owned, partitions)
    return [{ type: 'release', partitions }]
  }

  #join(reason: string): MemberEffect[] {
    this.#phase = 'joining'
    this.#rejoinReason = undefined
    this.#releasing = []
    return [{ type: 'stopHeartbeats' }, { type: 'join', memberId: this.#memberId, reason }]
  }

  #joined(event: Extract<MemberEvent, { type: 'joined' }>): MemberEffect[] {
    switch (event.errorCode) {
      case noError:
        this.#memberId = event.memberId
        this.#generation = event.generation
        this.#phase = 'syncing'
        return [{ type: 'sync' }]
      case code.memberIdRequired:
        // KIP-394: the coordinator wants to know that the first answer arrived.
        this.#memberId = event.memberId
        return this.#join('need to re-join with the given member id')
      default:
        return this.#refused(event.errorCode, 'join failed')
    }
  }

  #synced(errorCode: number, assignment: readonly TopicPartition[]): MemberEffect[] {
    if (errorCode !== noError) return this.#refused(errorCode, 'sync failed')
    const added = withoutPartitions(assignment, this.#owned)
    const moved = withoutPartitions(this.#owned, assignment)
    this.#phase = 'stable'
    this.#owned = assignment
    const assign: MemberEffect = { type: 'assign', partitions: added }
    if (moved.length > 0) {
      // What moved is given up first; the next round gives it to its new owner.
      const release = this.#release(moved, 'need to revoke partitions and re-join')
      return [{ type: 'startHeartbeats' }, ...release, assign]
    }
    const rejoin = this.#rejoinReason === undefined ? [] : this.#rejoin(this.#rejoinReason)
    return [{ type: 'startHeartbeats' }, assign, ...rejoin]
  }

  #heard(errorCode: number): MemberEffect[] {
    if (errorCode === noError) return []
    const inGeneration = this.#phase === 'stable' || this.#phase === 'releasing'
    // An answer that was on its way while the member left that generation says nothing about the
    // next one.
    if (!inGeneration) return []
    if (errorCode === code.rebalanceInProgress) {
      return this.#phase === 'stable' ? this.#rejoin('group is rebalancing') : []
    }
    return this.#refused(errorCode, 'fenced')
  }

  #refused(errorCode: number, reason: string): MemberEffect[] {
    switch (errorCode) {
      case code.rebalanceInProgress:
        return this.#rejoin(reason)
      case code.unknownMember:
      case code.groupIdNotFound:
        this.#memberId = ''
        return this.#loseAndJoin(reason)
      case code.illegalGeneration:
        return this.#loseAndJoin(reason)
      default: {
        const wasOwned = this.#forget('failed')
        return [{ type: 'stopHeartbeats' }, ...lose(wasOwned), { type: 'fail', errorCode }]
      }
    }
  }

  /** The coordinator has given up on this member: its partitions may have other owners. */
  #loseAndJoin(reason: string): MemberEffect[] {
    const wasOwned = this.#forget('unjoined')
    return [...lose(wasOwned), ...this.#join(reason)]
  }

  #forget(phase: MemberPhase): readonly TopicPartition[] {
    const wasOwned = [...this.#owned, ...this.#releasing]
    this.#phase = phase
    this.#owned = []
    this.#releasing = []
    this.#generation = -1
    return wasOwned
  }

  #leave(): MemberEffect[] {
    const { groupInstanceId } = this.#options
    const memberId = this.#memberId
    this.#phase = 'left'
    // A static member stays in the group until its session ends, so that a quick restart moves
    // nothing (KIP-345).
    const leaves = memberId !== '' && groupInstanceId === null
    return [
      { type: 'stopHeartbeats' },
      ...(leaves ? [{ type: 'sendLeave', memberId } as const] : []),
    ]
  }
}

function lose(partitions: readonly TopicPartition[]): MemberEffect[] {
  return partitions.length > 0 ? [{ type: 'lose', partitions }] : []
}
