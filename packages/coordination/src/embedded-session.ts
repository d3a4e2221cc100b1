import { CoordinationError } from './coordination-error.js'
import type { EmbeddedHub } from './embedded-hub.js'
import type { Lease, Session } from './coordination.js'
import { checkValue } from './limits.js'

/** What a session needs of its connection. */
export interface SessionHome {
  readonly hub: EmbeddedHub
  readonly maxValueBytes: number
  /** Throws when closed or cut off. */
  check(): void
  readonly reachable: boolean
  forget(session: EmbeddedSession): void
}

/**
 * A session of an embedded adapter: renews itself, and knows when it has to count itself as lost.
 */
export class EmbeddedSession implements Session {
  epoch = 0
  private lost: CoordinationError | undefined
  private closed = false
  private renewedAtMs = 0
  private timer: { cancel(): void } | undefined

  constructor(
    private readonly home: SessionHome,
    readonly sessionId: string,
    readonly key: string,
    private readonly options: { ttlMs: number; onLost?: (reason: CoordinationError) => void },
  ) {}

  /** Called when the state has the session. */
  begin(epoch: number): void {
    this.epoch = epoch
    this.renewedAtMs = this.home.hub.clock.monotonicMs()
    this.home.hub.expireLater(this.sessionId)
    this.scheduleRenewal()
  }

  get live(): boolean {
    if (this.closed || this.lost) return false
    return this.home.reachable || this.remainingMs() > 0
  }

  async update(value: string): Promise<void> {
    this.home.check()
    this.checkLive()
    checkValue(value, this.home.maxValueBytes)
    this.home.hub.state.update(this, value)
    await this.home.hub.settled()
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.stop()
    if (this.lost || !this.home.reachable) return
    this.home.hub.state.endSession(this.sessionId)
    await this.home.hub.settled().catch(() => {})
  }

  /** Ends it on this side only: no renewals, no `onLost`. */
  stop(): void {
    this.closed = true
    this.timer?.cancel()
    this.home.forget(this)
  }

  /** Throws what an act in the name of this session deserves when it is over. */
  checkLive(): void {
    if (this.closed) {
      throw new CoordinationError(
        'KFK_COORDINATION_CLOSED',
        `the session at ${this.key} was closed`,
      )
    }
    if (this.lost) throw this.lost
  }

  /** Renews now; used after a cut heals. */
  renew(): void {
    this.timer?.cancel()
    const { hub } = this.home
    const nowMs = hub.clock.monotonicMs()
    if (this.home.reachable) {
      if (!hub.state.renew(this.sessionId, nowMs)) {
        this.lose(hub.state.get(this.key)?.epoch !== undefined)
        return
      }
      this.renewedAtMs = nowMs
    } else if (this.remainingMs() <= 0) {
      this.lose(false)
      return
    }
    this.scheduleRenewal()
  }

  /** The session is over without its owner's doing. */
  lose(fenced: boolean): void {
    if (this.closed || this.lost) return
    const details = { key: this.key, epoch: this.epoch }
    const reason = fenced
      ? new CoordinationError('KFK_COORDINATION_FENCED', `another took ${this.key}`, { details })
      : new CoordinationError('KFK_COORDINATION_SESSION_EXPIRED', `${this.key} expired`, {
          details,
        })
    this.lost = reason
    this.timer?.cancel()
    this.home.forget(this)
    const { onLost } = this.options
    if (onLost) queueMicrotask(() => onLost(reason))
  }

  private remainingMs(): number {
    return this.renewedAtMs + this.options.ttlMs - this.home.hub.clock.monotonicMs()
  }

  private scheduleRenewal(): void {
    const delayMs = this.home.reachable
      ? this.options.ttlMs / 3
      : Math.min(this.options.ttlMs / 3, this.remainingMs())
    this.timer = this.home.hub.clock.setTimer(Math.ceil(Math.max(delayMs, 0)), () => this.renew())
  }
}

/** A lease of an embedded adapter: lives at most as long as its session. */
export class EmbeddedLease implements Lease {
  private released = false

  constructor(
    private readonly home: SessionHome,
    private readonly session: EmbeddedSession,
    readonly key: string,
    readonly epoch: number,
  ) {}

  get sessionId(): string {
    return this.session.sessionId
  }

  get live(): boolean {
    if (this.released || !this.session.live) return false
    return !this.home.reachable || this.home.hub.state.holds(this)
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
    checkValue(value, this.home.maxValueBytes)
    this.home.hub.state.update(this, value)
    await this.home.hub.settled()
  }

  async release(): Promise<void> {
    if (this.released) return
    this.released = true
    if (!this.session.live || !this.home.reachable) return
    this.home.hub.state.releaseLease(this)
    await this.home.hub.settled().catch(() => {})
  }
}
