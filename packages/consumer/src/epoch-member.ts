/**
 * A member of a group whose coordinator assigns (KIP-848) as a state machine: events in, effects
 * out, no clock and no network. `epoch-driver.ts` runs it.
 *
 * There are no rounds. With the answers to heartbeats comes what this member shall have; it lets go
 * of the rest, says so with the next heartbeat, takes what is new, and says so again.
 */
import { groupCode as code } from './group-errors.js'
import { withoutPartitions, type TopicPartition } from './topic-partition.js'

export type EpochEvent =
  | { readonly type: 'start' }
  /** The answer to a heartbeat that was sent with `sentEpoch`. */
  | {
      readonly type: 'answered'
      readonly errorCode: number
      readonly errorMessage: string | null
      readonly sentEpoch: number
      readonly epoch: number
      /** Null: as before. */
      readonly assignment: readonly TopicPartition[] | null
    }
  /** The driver has let go of what the `release` of that number named. */
  | { readonly type: 'released'; readonly number: number }
  /** The answer to an offset commit. */
  | { readonly type: 'heard'; readonly errorCode: number; readonly epoch: number }
  | { readonly type: 'leave' }

export type EpochEffect =
  /** Send a heartbeat now. */
  | { readonly type: 'beat' }
  /** Wait for handlers, commit, then answer with `released`. */
  | {
      readonly type: 'release'
      readonly number: number
      readonly partitions: readonly TopicPartition[]
    }
  /** Somebody else may own them already: stop at once, commit nothing. */
  | { readonly type: 'lose'; readonly partitions: readonly TopicPartition[] }
  | { readonly type: 'assign'; readonly partitions: readonly TopicPartition[] }
  | { readonly type: 'sendLeave' }
  /** The group is of the other protocol. */
  | { readonly type: 'decline'; readonly errorCode: number }
  | { readonly type: 'fail'; readonly errorCode: number; readonly message: string | null }

const noError = 0

export class EpochMember {
  #state: 'idle' | 'member' | 'over' = 'idle'
  #epoch = 0
  #owned: readonly TopicPartition[] = []
  #target: readonly TopicPartition[] | undefined
  #releasing: readonly TopicPartition[] | undefined
  #releases = 0

  /** 0 while the group does not know this member. */
  get epoch(): number {
    return this.#epoch
  }

  /** What it has, what it is letting go of included. */
  get owned(): readonly TopicPartition[] {
    return this.#owned
  }

  step(event: EpochEvent): EpochEffect[] {
    if (this.#state === 'over') return []
    switch (event.type) {
      case 'start':
        this.#state = 'member'
        return [{ type: 'beat' }]
      case 'answered':
        // An answer to what was sent before it was fenced says nothing about the new membership.
        if (event.sentEpoch !== this.#epoch) return []
        return event.errorCode === noError ? this.#told(event) : this.#refused(event)
      case 'released':
        return event.number === this.#releases ? this.#released() : []
      case 'heard': {
        const isGone =
          event.errorCode === code.unknownMember || event.errorCode === code.fencedMemberEpoch
        return isGone && event.epoch === this.#epoch ? this.#loseAndJoin() : []
      }
      case 'leave': {
        const isKnown = this.#epoch > 0
        this.#state = 'over'
        return isKnown ? [{ type: 'sendLeave' }] : []
      }
    }
  }

  #told(answer: Extract<EpochEvent, { type: 'answered' }>): EpochEffect[] {
    this.#epoch = answer.epoch
    if (answer.assignment !== null) this.#target = answer.assignment
    return this.#approach()
  }

  /** The next step from what it has to what it shall have. */
  #approach(): EpochEffect[] {
    const target = this.#target
    if (target === undefined || this.#releasing !== undefined) return []
    const given = withoutPartitions(this.#owned, target)
    if (given.length > 0) {
      this.#releasing = given
      this.#releases += 1
      return [{ type: 'release', number: this.#releases, partitions: given }]
    }
    const added = withoutPartitions(target, this.#owned)
    if (added.length === 0) return []
    // From now on they are its own: should they move on meanwhile, they have to be released first.
    this.#owned = [...this.#owned, ...added]
    return [{ type: 'assign', partitions: added }, { type: 'beat' }]
  }

  #released(): EpochEffect[] {
    this.#owned = withoutPartitions(this.#owned, this.#releasing ?? [])
    this.#releasing = undefined
    const next = this.#approach()
    return next.some(({ type }) => type === 'beat') ? next : [...next, { type: 'beat' }]
  }

  #refused(answer: Extract<EpochEvent, { type: 'answered' }>): EpochEffect[] {
    const { errorCode, errorMessage: message } = answer
    switch (errorCode) {
      case code.unknownMember:
      case code.fencedMemberEpoch:
        return this.#loseAndJoin()
      case code.groupIdNotFound:
        if (this.#epoch > 0) return this.#loseAndJoin()
        this.#state = 'over'
        return [{ type: 'decline', errorCode }]
      default: {
        const effects = this.#lose()
        this.#state = 'over'
        return [...effects, { type: 'fail', errorCode, message }]
      }
    }
  }

  #loseAndJoin(): EpochEffect[] {
    return [...this.#lose(), { type: 'beat' }]
  }

  #lose(): EpochEffect[] {
    const partitions = this.#owned
    this.#epoch = 0
    this.#owned = []
    this.#target = undefined
    this.#releasing = undefined
    // What is released now is none of this machine's business any more.
    this.#releases += 1
    return partitions.length > 0 ? [{ type: 'lose', partitions }] : []
  }
}
