import type { Client } from '@kfk/client'
import type { AssignedPartition } from './assigned-partition.js'
import type { Assignments } from './assignments.js'
import type { Delivery } from './delivery.js'
import type { OffsetCommitter } from './offset-committer.js'
import type { ResolvedSettings } from './options.js'
import type { TopicPartition } from './topic-partition.js'

export interface HandoverOptions {
  readonly client: Client
  readonly settings: ResolvedSettings
  readonly assignments: Assignments
  readonly delivery: Delivery
  readonly committer: OffsetCommitter
}

/** Of the rebalance timeout, what is kept for noticing the rebalance, committing, and joining. */
const reserveMs = 2000

/**
 * Gives partitions up in good order: handlers end, what they processed is committed, the listener
 * is told.
 */
export class Handover {
  readonly #options: HandoverOptions
  #current: Promise<void> = Promise.resolve()

  constructor(options: HandoverOptions) {
    this.#options = options
  }

  /** The last {@link release}, without its error. */
  get current(): Promise<void> {
    return this.#current
  }

  /**
   * Rejects with what the listener throws. Ends early when the membership is lost: then nothing is
   * committed.
   */
  release(partitions: readonly TopicPartition[], tenure: AbortSignal): Promise<void> {
    const releasing = this.#release(partitions, tenure)
    this.#current = releasing.catch(() => undefined)
    return releasing
  }

  /**
   * Resolves when the application has nothing of these in hand, after `timeoutMs`, or when the
   * signal fires.
   */
  async drain(
    partitions: readonly AssignedPartition[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.atMost(timeoutMs, Promise.all(partitions.map((each) => each.drained())), signal)
  }

  /** Waits for `work`, but not for ever. Rejects as it does. */
  async atMost(timeoutMs: number, work: Promise<unknown>, signal?: AbortSignal): Promise<void> {
    let stop: () => void = () => undefined
    const stopped = new Promise<void>((resolve) => (stop = resolve))
    const timer = this.#options.client.clock.setTimer(timeoutMs, stop)
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted === true) stop()
    try {
      await Promise.race([work, stopped])
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Commits what has been processed, if that is this consumer's business. Failures are logged. */
  async commit(
    partitions: readonly AssignedPartition[],
    bounds: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<void> {
    const { settings, committer, client } = this.#options
    if (settings.commitIntervalMs === undefined || settings.group === undefined) return
    try {
      await committer.commitProcessed(partitions, bounds)
    } catch (error) {
      client.logger.warn('processed offsets are not committed: they will be read again', { error })
    }
  }

  async #release(partitions: readonly TopicPartition[], tenure: AbortSignal): Promise<void> {
    const isLost = (): boolean => tenure.aborted
    if (isLost()) return
    const { settings, assignments, delivery } = this.#options
    const { rebalanceTimeoutMs, heartbeatIntervalMs } = settings
    const leaving = assignments.leave(partitions, 'the partition was revoked')
    delivery.signal()
    const drainMs = rebalanceTimeoutMs - heartbeatIntervalMs - reserveMs
    await this.drain(leaving, Math.max(rebalanceTimeoutMs / 2, drainMs), tenure)
    if (!isLost()) {
      await this.commit(leaving, { signal: tenure, timeoutMs: rebalanceTimeoutMs })
    }
    try {
      if (!isLost() && leaving.some(({ announced }) => announced)) {
        await settings.rebalance.revoked?.(partitions)
      }
    } finally {
      assignments.giveUp(leaving)
    }
  }
}
