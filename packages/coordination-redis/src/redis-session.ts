import {
  checkValue,
  CoordinationError,
  type Lease,
  type Session,
  systemClock,
} from '@kfk/coordination'
import { damaged, type ScriptReply, toNumber } from './redis-reply.js'
import type { ResolvedOptions } from './redis-options.js'
import { scripts } from './redis-script.js'
import type { RedisSteps } from './redis-steps.js'

/** What a session needs of its adapter. */
export interface SessionHome {
  readonly steps: RedisSteps
  readonly options: ResolvedOptions
  /** Aborted when the adapter closes. */
  readonly signal: AbortSignal
  /** Throws when the adapter is closed. */
  check(): void
  forget(session: RedisSession): void
}

/** Shortest pause between attempts to renew while the server is away, ms. */
const MIN_RENEWAL_RETRY_MS = 20

/**
 * A session on the server. On this side it counts as lost when its time to live has passed since
 * the last renewal that succeeded was *sent*, so never later than on the server.
 */
export class RedisSession implements Session {
  epoch = 0
  readonly leases = new Set<RedisLease>()
  private lost: CoordinationError | undefined
  private closing: Promise<void> | undefined
  private deadlineMs = 0
  private renewalTimer: { cancel(): void } | undefined
  private deadlineTimer: { cancel(): void } | undefined
  /**
   * Version of the entry on the server; undefined while an update is under way or ended without an
   * answer.
   */
  private knownVersion: number | undefined

  constructor(
    private readonly home: SessionHome,
    readonly sessionId: string,
    readonly key: string,
    private readonly settings: {
      value: string
      readonly ttlMs: number
      readonly onLost?: (reason: CoordinationError) => void
    },
  ) {}

  /** Called when the server has the session. */
  begin(started: { epoch: number; version: number; sentAtMs: number }): void {
    this.epoch = started.epoch
    this.knownVersion = started.version
    this.extend(started.sentAtMs)
    this.scheduleRenewal(this.settings.ttlMs / 3)
  }

  get live(): boolean {
    return !this.closing && !this.lost && this.remainingMs() > 0
  }

  async update(value: string): Promise<void> {
    this.checkLive()
    checkValue(value, this.home.options.maxValueBytes)
    this.knownVersion = undefined
    const reply = await this.home.steps.run(scripts.updateHolding, [...holder(this), value], {
      signal: this.home.signal,
    })
    if (reply.status !== 'ok') throw this.lose(reply)
    this.settings.value = value
    this.knownVersion = toNumber(reply.rest[0])
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce()
    return this.closing
  }

  /** Throws what an act in the name of this session deserves when it is over. */
  checkLive(): void {
    this.home.check()
    if (this.closing) {
      throw new CoordinationError(
        'KFK_COORDINATION_CLOSED',
        `the session at ${this.key} was closed`,
      )
    }
    if (this.lost) throw this.lost
  }

  /** Renews now: a connection is back, or the server's state may be another. */
  renewNow(): void {
    if (!this.closing && !this.lost) this.scheduleRenewal(0)
  }

  private async renew(): Promise<void> {
    const sentAtMs = systemClock.monotonicMs()
    const known = this.knownVersion
    const leases = [...this.leases].flatMap(({ key, epoch }) => [key, epoch])
    const timeoutMs = Math.max(
      1,
      Math.ceil(Math.min(this.remainingMs(), this.home.options.callTimeoutMs)),
    )
    let reply: ScriptReply
    try {
      const args = [...holder(this), this.settings.ttlMs, ...leases]
      reply = await this.home.steps.run(scripts.renewSession, args, { timeoutMs })
    } catch {
      // Whatever it was: until the deadline there is hope, and then the timer ends the session.
      if (!this.live) return
      this.scheduleRenewal(Math.max(MIN_RENEWAL_RETRY_MS, this.settings.ttlMs / 10))
      return
    }
    if (this.closing || this.lost) return
    if (reply.status !== 'ok') {
      this.lose(reply)
      return
    }
    this.extend(sentAtMs)
    this.scheduleRenewal(this.settings.ttlMs / 3)
    // A server that was rolled back shows an older value: say the last one again.
    const rolledBack = known !== undefined && reply.rest[0] !== String(known)
    if (rolledBack && known === this.knownVersion) {
      this.update(this.settings.value).catch(() => {
        // The next renewal compares again.
        this.knownVersion ??= known
      })
    }
  }

  private extend(sentAtMs: number): void {
    this.deadlineMs = sentAtMs + this.settings.ttlMs
    this.deadlineTimer?.cancel()
    this.deadlineTimer = systemClock.setTimer(Math.max(0, this.remainingMs()), () => {
      this.lose({ status: 'expired' })
    })
  }

  private scheduleRenewal(delayMs: number): void {
    this.renewalTimer?.cancel()
    this.renewalTimer = systemClock.setTimer(delayMs, () => void this.renew())
  }

  private lose({ status }: { status: string }): CoordinationError {
    const details = { key: this.key, epoch: this.epoch }
    if (this.lost) return this.lost
    if (status !== 'fenced' && status !== 'expired') return damaged(`status ${status.slice(0, 20)}`)
    const reason =
      status === 'fenced'
        ? new CoordinationError('KFK_COORDINATION_FENCED', `another took ${this.key}`, { details })
        : new CoordinationError('KFK_COORDINATION_SESSION_EXPIRED', `${this.key} expired`, {
            details,
          })
    if (this.closing) return reason
    this.lost = reason
    this.stop()
    const { onLost } = this.settings
    if (onLost) queueMicrotask(() => onLost(reason))
    return reason
  }

  private async closeOnce(): Promise<void> {
    const known = !this.lost && this.remainingMs() > 0
    this.stop()
    // A server that does not hear of it ends the session when its time is over.
    if (known) await this.home.steps.run(scripts.closeSession, [this.sessionId]).catch(() => {})
  }

  private stop(): void {
    this.renewalTimer?.cancel()
    this.deadlineTimer?.cancel()
    this.home.forget(this)
  }

  private remainingMs(): number {
    return this.deadlineMs - systemClock.monotonicMs()
  }
}

/** A lease on the server; renewed with its session. */
export class RedisLease implements Lease {
  private released = false

  constructor(
    private readonly home: SessionHome,
    private readonly session: RedisSession,
    readonly key: string,
    readonly epoch: number,
  ) {
    session.leases.add(this)
  }

  get sessionId(): string {
    return this.session.sessionId
  }

  get live(): boolean {
    return !this.released && this.session.live
  }

  async update(value: string): Promise<void> {
    this.home.check()
    if (this.released) {
      throw new CoordinationError(
        'KFK_COORDINATION_CLOSED',
        `the lease of ${this.key} was released`,
      )
    }
    this.session.checkLive()
    checkValue(value, this.home.options.maxValueBytes)
    const reply = await this.home.steps.run(scripts.updateHolding, [...holder(this), value], {
      signal: this.home.signal,
    })
    if (reply.status === 'ok') return
    // The session finds out by its next renewal, which says what is gone.
    this.session.renewNow()
    throw new CoordinationError('KFK_COORDINATION_FENCED', `the lease of ${this.key} is lost`, {
      details: { key: this.key, epoch: this.epoch },
    })
  }

  async release(): Promise<void> {
    if (this.released) return
    const { live } = this
    this.released = true
    for (const lease of [...this.session.leases]) {
      // The session can have taken the same lease twice.
      if (lease.key === this.key && lease.epoch === this.epoch) this.session.leases.delete(lease)
    }
    if (live) await this.home.steps.run(scripts.releaseLease, holder(this)).catch(() => {})
  }
}

function holder(of: { key: string; epoch: number; sessionId: string }): (string | number)[] {
  return [of.key, of.epoch, of.sessionId]
}
