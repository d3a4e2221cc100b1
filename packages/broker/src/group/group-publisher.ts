import { createHash } from 'node:crypto'
import type { Coordination, CoordinationError, Watch } from '@kfk/coordination'
import type { Clock, TimerHandle } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'

const PREFIX = 'groups/'
/** Longest key that coordination takes. */
const MAX_KEY_LENGTH = 1024
/**
 * Writes under way at a time: enough to hide a network's latency, and no burst when thousands of
 * groups are written again.
 */
const MAX_RUNNING = 16
/** First and longest pause, ms, when coordination cannot be reached. */
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 10_000

export interface GroupPublisherOptions {
  readonly coordination: Coordination
  readonly clock: Clock
  readonly logger: Logger
  /**
   * What coordination is to hold: a value, nothing (null), or what it holds (undefined: not ours to
   * say now).
   */
  readonly membership: (groupId: string) => string | null | undefined
}

/** Where coordination keeps the members of a group. */
export function groupKey(groupId: string): string {
  const key = PREFIX + encodeURIComponent(groupId)
  if (key.length <= MAX_KEY_LENGTH) return key
  // No other id is written like this: a percent sign is always followed by two digits.
  return `${PREFIX}%sha256-${createHash('sha256').update(groupId).digest('hex')}`
}

/**
 * Keeps coordination's copy of members and assignments equal to this coordinator's memory, which
 * always wins: whatever somebody else writes or deletes is written again. Nobody waits for it;
 * while coordination is away, changes gather (one per group) and are written when it is back.
 */
export class GroupPublisher {
  readonly #options: GroupPublisherOptions
  /** Groups to be written. */
  readonly #dirty = new Set<string>()
  readonly #running = new Set<string>()
  /** Groups with a value that is ours, by key: its version, 0 when not known. */
  readonly #published = new Map<string, { groupId: string; version: number }>()
  readonly #idleWaiters: (() => void)[] = []
  #watch: Watch | undefined
  #pause: TimerHandle | undefined
  #backoffMs = 0
  #closed = false

  constructor(options: GroupPublisherOptions) {
    this.#options = options
  }

  /** Watches what others do to our values. Returns at once; keeps trying. */
  start(): void {
    const { coordination, clock } = this.#options
    const watching = coordination.watch(PREFIX, {
      onChange: (changes) => {
        for (const { key, version } of changes) this.#changed(key, version)
      },
      onGap: () => this.#writeAllAgain(),
    })
    watching.then(
      (watch) => {
        if (this.#closed) watch.close()
        else this.#watch = watch
        this.#writeAllAgain()
      },
      () => {
        if (!this.#closed) clock.setTimer(LONGEST_BACKOFF_MS, () => this.#closed || this.start())
      },
    )
  }

  /** The group's membership is another one now. */
  changed(groupId: string): void {
    this.#dirty.add(groupId)
    this.#pump()
  }

  /** What coordination holds for the group. Rejects with CoordinationError. */
  async read(groupId: string): Promise<string | undefined> {
    const entry = await this.#options.coordination.get(groupKey(groupId))
    return entry?.value
  }

  /** Writes what is still to be written, if that takes no longer than `timeoutMs`, and stops. */
  async stop(timeoutMs: number): Promise<void> {
    if (!this.#idle) {
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.setTimer(timeoutMs, resolve)
        this.#idleWaiters.push(() => {
          timer.cancel()
          resolve()
        })
      })
    }
    this.#closed = true
    this.#pause?.cancel()
    this.#watch?.close()
  }

  get #idle(): boolean {
    return this.#dirty.size === 0 && this.#running.size === 0
  }

  #changed(key: string, version: number): void {
    const own = this.#published.get(key)
    if (own === undefined || own.version >= version) return
    // Our own write, most often, whose answer is still under way: then this costs one read.
    this.changed(own.groupId)
  }

  #writeAllAgain(): void {
    for (const own of this.#published.values()) {
      own.version = 0
      this.#dirty.add(own.groupId)
    }
    this.#pump()
  }

  #pump(): void {
    if (this.#closed || this.#pause !== undefined) return
    for (const groupId of this.#dirty) {
      if (this.#running.size >= MAX_RUNNING) return
      if (this.#running.has(groupId)) continue
      this.#dirty.delete(groupId)
      this.#running.add(groupId)
      void this.#run(groupId)
    }
    if (this.#idle) for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  async #run(groupId: string): Promise<void> {
    try {
      await this.#write(groupId)
      this.#backoffMs = 0
    } catch (error) {
      this.#failed(groupId, error as CoordinationError)
    }
    this.#running.delete(groupId)
    this.#pump()
  }

  async #write(groupId: string): Promise<void> {
    const { coordination, membership } = this.#options
    const key = groupKey(groupId)
    const entry = await coordination.get(key)
    const value = membership(groupId)
    if (value === undefined) return
    let version = entry?.version ?? 0
    if ((entry?.value ?? null) !== value) {
      const written = await coordination.compareAndSet(key, { expectedVersion: version, value })
      version = written?.version ?? 0
    }
    if (value === null) this.#published.delete(key)
    else this.#published.set(key, { groupId, version })
  }

  #failed(groupId: string, error: CoordinationError): void {
    if (this.#closed) return
    const { clock, logger } = this.#options
    if (error.code === 'KFK_COORDINATION_CONFLICT') {
      this.#dirty.add(groupId)
    } else if (error.retriable) {
      this.#dirty.add(groupId)
      if (this.#pause !== undefined) return
      const isNews = this.#backoffMs === 0
      this.#backoffMs = Math.min(
        Math.max(this.#backoffMs * 2, FIRST_BACKOFF_MS),
        LONGEST_BACKOFF_MS,
      )
      if (isNews) {
        const message = 'coordination cannot be reached; members of groups will be published later'
        logger.warn(message, { groups: this.#dirty.size })
      }
      this.#pause = clock.setTimer(this.#backoffMs, () => {
        this.#pause = undefined
        this.#pump()
      })
    } else {
      // Too large, or the key is somebody else's: after a restart this group rebalances, nothing
      // worse.
      logger.warn('the members of a group cannot be published', { groupId, error: error.message })
    }
  }
}
