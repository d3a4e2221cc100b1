import type { Clock } from '../clock.js'
import { CoordinationError } from '../coordination-error.js'
import type { Lease, Session } from '../coordination.js'
import type { Holder } from '../coordination-state.js'
import type { ArgsOf, CallName, ResultOf } from './messages.js'

/** What a session needs of its adapter. */
export interface ChannelHome {
  readonly clock: Clock
  /** Rejects with UNAVAILABLE when there is no answer in time. */
  call<Name extends CallName>(name: Name, args: ArgsOf<Name>): Promise<ResultOf<Name>>
  /** Throws when the adapter is closed. */
  check(): void
  forget(session: ChannelSession): void
}

/**
 * A session in the state of another process. On this side it counts as lost when its time to live
 * has passed since the last renewal that succeeded was sent, so never later than there.
 */
export class ChannelSession implements Session {
  epoch = 0
  readonly #home: ChannelHome
  readonly #options: { ttlMs: number; onLost?: (reason: CoordinationError) => void }
  #lost: CoordinationError | undefined
  #closed = false
  #deadlineMs = 0
  #renewal: { cancel(): void } | undefined
  #deadline: { cancel(): void } | undefined

  constructor(
    home: ChannelHome,
    readonly sessionId: string,
    readonly key: string,
    options: { ttlMs: number; onLost?: (reason: CoordinationError) => void },
  ) {
    this.#home = home
    this.#options = options
  }

  /** Called when the state has the session. */
  begin(epoch: number, sentAtMs: number): void {
    this.epoch = epoch
    // It may have been replaced already.
    if (this.#lost === undefined) this.#extend(sentAtMs)
  }

  get live(): boolean {
    return !this.#closed && this.#lost === undefined && this.#remainingMs() > 0
  }

  async update(value: string): Promise<void> {
    this.checkLive()
    await this.#home.call('update', { holder: holderOf(this), value })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    const known = this.live
    this.stop()
    // Who does not hear of it ends the session when its time is over.
    if (known) await this.#home.call('endSession', { id: this.sessionId }).catch(() => null)
  }

  /** Ends it on this side only: no renewals, no `onLost`. */
  stop(): void {
    this.#closed = true
    this.#end()
  }

  /** Throws what an act in the name of this session deserves when it is over. */
  checkLive(): void {
    this.#home.check()
    if (this.#closed) throw closedError(`the session at ${this.key} was closed`)
    if (this.#lost) throw this.#lost
  }

  /** The session is over without its owner's doing. */
  lose(fenced: boolean): void {
    if (this.#closed || this.#lost) return
    const details = { key: this.key, epoch: this.epoch }
    const reason = fenced
      ? new CoordinationError('KFK_COORDINATION_FENCED', `another took ${this.key}`, { details })
      : new CoordinationError('KFK_COORDINATION_SESSION_EXPIRED', `${this.key} expired`, {
          details,
        })
    this.#lost = reason
    this.#end()
    const { onLost } = this.#options
    if (onLost) queueMicrotask(() => onLost(reason))
  }

  #extend(sentAtMs: number): void {
    const { clock } = this.#home
    this.#deadlineMs = sentAtMs + this.#options.ttlMs
    this.#deadline?.cancel()
    const remainingMs = Math.ceil(Math.max(0, this.#remainingMs()))
    this.#deadline = clock.setTimer(remainingMs, () => this.lose(false))
    this.#renewLater()
  }

  #renewLater(): void {
    this.#renewal?.cancel()
    const delayMs = Math.ceil(this.#options.ttlMs / 3)
    this.#renewal = this.#home.clock.setTimer(delayMs, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const sentAtMs = this.#home.clock.monotonicMs()
    // The next one goes without waiting for this: an answer may be late.
    this.#renewLater()
    const found = await this.#home.call('renew', { id: this.sessionId }).catch(() => undefined)
    if (this.#closed || this.#lost) return
    if (found === false) this.lose(false)
    else if (found === true && sentAtMs + this.#options.ttlMs > this.#deadlineMs) {
      this.#extend(sentAtMs)
    }
  }

  #end(): void {
    this.#renewal?.cancel()
    this.#deadline?.cancel()
    this.#home.forget(this)
  }

  #remainingMs(): number {
    return this.#deadlineMs - this.#home.clock.monotonicMs()
  }
}

/** A lease in the state of another process: lives at most as long as its session. */
export class ChannelLease implements Lease {
  readonly #home: ChannelHome
  readonly #session: ChannelSession
  #released = false

  constructor(
    home: ChannelHome,
    session: ChannelSession,
    readonly key: string,
    readonly epoch: number,
  ) {
    this.#home = home
    this.#session = session
  }

  get sessionId(): string {
    return this.#session.sessionId
  }

  get live(): boolean {
    return !this.#released && this.#session.live
  }

  async update(value: string): Promise<void> {
    this.#home.check()
    if (this.#released) throw closedError(`the lease of ${this.key} was released`)
    this.#session.checkLive()
    await this.#home.call('update', { holder: holderOf(this), value })
  }

  async release(): Promise<void> {
    const known = this.live
    this.#released = true
    if (known) await this.#home.call('releaseLease', { holder: holderOf(this) }).catch(() => null)
  }
}

/** What of a session or lease goes to the other side. */
export function holderOf({ key, epoch, sessionId }: Holder): Holder {
  return { key, epoch, sessionId }
}

function closedError(message: string): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_CLOSED', message)
}
