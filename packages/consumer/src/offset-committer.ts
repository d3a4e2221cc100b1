import {
  abortable,
  backoffMs,
  ClientError,
  delay,
  kafkaError,
  throwIfAborted,
  type Client,
} from '@kfk/client'
import type { AssignedPartition } from './assigned-partition.js'
import { commitOffsets, type CommitIdentity, type OffsetToCommit } from './committed-offsets.js'
import { groupCode } from './group-errors.js'
import type { ResolvedSettings } from './options.js'
import type { TopicPartition } from './topic-partition.js'

/** What a commit needs to know of the membership; undefined for a consumer that is no member. */
export interface CommittingMember {
  readonly memberId: string
  /** -1 while the group does not know this member. */
  readonly generation: number
  /** On the way from one generation to the next. */
  readonly joining: boolean
  /** What a commit in a generation was answered with. */
  committed(errorCode: number, generation: number): void
}

export interface OffsetCommitterOptions {
  readonly client: Client
  readonly settings: ResolvedSettings
  readonly held: () => readonly AssignedPartition[]
  readonly holderOf: (partition: TopicPartition) => AssignedPartition | undefined
  readonly member: () => CommittingMember | undefined
}

export interface CommitBounds {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number
}

/** An offset to commit, by the partition's present holder if it has one. */
interface Pending extends OffsetToCommit {
  readonly holder: AssignedPartition | undefined
}

/** `default.api.timeout.ms` */
const defaultTimeoutMs = 60_000

/**
 * Commits offsets, one request after the other, so that a late repetition of an older one never
 * takes a newer one back. Only in the name of partitions that this consumer holds: by the group's
 * rules any member could move any offset.
 */
export class OffsetCommitter {
  readonly #options: OffsetCommitterOptions
  #last: Promise<unknown> = Promise.resolve()
  #timer: { cancel(): void } | undefined
  #closed = false

  constructor(options: OffsetCommitterOptions) {
    this.#options = options
  }

  /** Commits every so often what has been processed, as the settings say. */
  start(): void {
    const { settings } = this.#options
    const { group, commitIntervalMs } = settings
    if (group !== undefined && commitIntervalMs !== undefined) this.#commitLater(commitIntervalMs)
  }

  /** No more automatic commits. */
  stopAutomatic(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Commits reject from now on. */
  close(): void {
    this.stopAutomatic()
    this.#closed = true
  }

  commit(offsets: readonly OffsetToCommit[], bounds: CommitBounds = {}): Promise<void> {
    const { holderOf } = this.#options
    const pending = offsets.map((each) => ({ ...each, holder: holderOf(each) }))
    return this.#inTurn(() => pending, bounds)
  }

  commitOf(holder: AssignedPartition, offset: number): Promise<void> {
    const { topic, partition } = holder
    return this.#inTurn(() => [{ topic, partition, holder, offset }], {})
  }

  /** What has been processed of these partitions by the time of the request. */
  commitProcessed(
    partitions: readonly AssignedPartition[],
    bounds: CommitBounds = {},
  ): Promise<void> {
    return this.#inTurn(() => partitions.flatMap(uncommittedOf), bounds)
  }

  #inTurn(offsets: () => readonly Pending[], bounds: CommitBounds): Promise<void> {
    if (this.#options.settings.group === undefined) {
      const message = 'Offsets are committed to a group: create the consumer with `group`.'
      return Promise.reject(new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message))
    }
    const turn = this.#last.then(() => this.#send(offsets(), bounds))
    this.#last = turn.catch(() => undefined)
    return abortable(turn, bounds.signal)
  }

  async #send(offsets: readonly Pending[], bounds: CommitBounds): Promise<void> {
    const { client, member } = this.#options
    const { signal, timeoutMs = defaultTimeoutMs } = bounds
    const deadlineMs = client.clock.monotonicMs() + timeoutMs
    if (offsets.length === 0) return
    for (let attempt = 0; ; attempt++) {
      const identity = this.#identity(offsets, signal)
      const leftMs = Math.max(1, deadlineMs - client.clock.monotonicMs())
      const call = { client, signal, timeoutMs: leftMs }
      const errorCode = await commitOffsets(call, identity, offsets)
      if (errorCode === 0) {
        for (const { holder, offset } of offsets) if (holder) holder.committed = offset
        return
      }
      const present = member()
      present?.committed(errorCode, identity.generation)
      const waitMs = backoffMs(client.retryPolicy, attempt, client.random)
      if (!isBetweenGenerations(errorCode, identity, present) || waitMs >= leftMs) {
        throw kafkaError(errorCode, null, { group: identity.group })
      }
      await delay(client.clock, waitMs, signal)
    }
  }

  /** @throws ClientError when these offsets are not this consumer's to commit (any more) */
  #identity(offsets: readonly Pending[], signal: AbortSignal | undefined): CommitIdentity {
    const { settings, member } = this.#options
    if (this.#closed) throw new ClientError('KFK_CLIENT_CLOSED', 'The consumer is closed.')
    throwIfAborted(signal)
    const group = settings.group!
    const present = member()
    if (!present) return { group, memberId: '', generation: -1, groupInstanceId: null }
    const late = offsets.find(({ holder }) => holder === undefined || holder.givenUp)
    if (late !== undefined || present.generation < 0) {
      const subject = late ?? offsets[0]!
      const message = `${subject.topic}-${subject.partition} is not assigned to this member of "${group}" (any more)`
      throw kafkaError(groupCode.illegalGeneration, message, { group })
    }
    const { memberId, generation } = present
    return { group, memberId, generation, groupInstanceId: settings.groupInstanceId }
  }

  #commitLater(intervalMs: number): void {
    const { client, held } = this.#options
    this.#timer = client.clock.setTimer(intervalMs, () => {
      this.commitProcessed(held())
        .catch((error: unknown) => {
          client.logger.warn('offsets were not committed, later ones will be', { error })
        })
        .finally(() => {
          if (this.#timer !== undefined) this.#commitLater(intervalMs)
        })
    })
  }
}

function uncommittedOf(holder: AssignedPartition): Pending[] {
  const { topic, partition, processed, committed, givenUp } = holder
  if (processed === undefined || processed === committed || givenUp) return []
  return [{ topic, partition, holder, offset: processed }]
}

/**
 * The member still has its partitions, but had not arrived in the generation that the group is in.
 */
function isBetweenGenerations(
  errorCode: number,
  { generation }: CommitIdentity,
  present: CommittingMember | undefined,
): boolean {
  if (present === undefined || present.generation < 0) return false
  if (errorCode === groupCode.rebalanceInProgress) return true
  // The coordinator is an epoch ahead, and says so with the answer to a heartbeat.
  if (errorCode === groupCode.staleMemberEpoch) return true
  const isOld = present.joining || present.generation !== generation
  return errorCode === groupCode.illegalGeneration && isOld
}
