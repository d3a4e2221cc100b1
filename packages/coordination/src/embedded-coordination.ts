import { randomUUID } from 'node:crypto'
import { CoordinationError } from './coordination-error.js'
import type {
  Change,
  CompareAndSet,
  Coordination,
  Entry,
  Lease,
  Session,
  SessionOptions,
  Watch,
  WatchOptions,
} from './coordination.js'
import type { EmbeddedHub, HubClient } from './embedded-hub.js'
import { EmbeddedWatch } from './embedded-watch.js'
import { EmbeddedLease, EmbeddedSession, type SessionHome } from './embedded-session.js'
import {
  checkCompareAndSet,
  checkKey,
  checkPrefix,
  checkSessionOptions,
  checkValue,
} from './limits.js'

/** One broker's view of state that lives in this process. Several share a hub by `connect()`. */
export class EmbeddedCoordination implements Coordination, HubClient, SessionHome {
  private readonly sessions = new Map<string, EmbeddedSession>()
  private readonly watches = new Set<EmbeddedWatch>()
  private closing: Promise<void> | undefined
  private isCut = false

  constructor(
    readonly name: string,
    readonly hub: EmbeddedHub,
    readonly maxValueBytes: number,
  ) {
    hub.add(this)
  }

  /**
   * Another adapter object on the same state, as another broker of this process has it. Close each.
   */
  connect(): EmbeddedCoordination {
    this.check()
    return new EmbeddedCoordination(this.name, this.hub, this.maxValueBytes)
  }

  /**
   * For tests: behaves as if the network to the shared state had gone. Calls reject with
   * `KFK_COORDINATION_UNAVAILABLE`, nothing is heard, sessions are not renewed and expire.
   */
  cut(): void {
    this.isCut = true
  }

  /**
   * For tests: undoes {@link cut}. Sessions that are still there are renewed, the others lost;
   * every watch has a gap.
   */
  heal(): void {
    if (!this.isCut) return
    this.isCut = false
    for (const session of [...this.sessions.values()]) session.renew()
    for (const watch of this.watches) watch.gap()
  }

  get reachable(): boolean {
    return !this.isCut
  }

  async openSession(options: SessionOptions): Promise<Session> {
    this.check()
    checkSessionOptions(options, this.maxValueBytes)
    const { key, value, ttlMs, replace = false } = options
    const session = new EmbeddedSession(this, randomUUID(), key, options)
    const { hub } = this
    const request = { id: session.sessionId, key, value, ttlMs, replace }
    const epoch = hub.state.openSession(request, hub.clock.monotonicMs())
    this.sessions.set(session.sessionId, session)
    session.begin(epoch)
    try {
      await hub.settled()
    } catch (error) {
      // The caller never gets hold of it, so nobody else could close it.
      await session.close()
      throw error
    }
    return session
  }

  async get(key: string): Promise<Entry | undefined> {
    this.check()
    checkKey(key)
    return this.hub.state.get(key)
  }

  async list(prefix: string): Promise<Entry[]> {
    this.check()
    checkPrefix(prefix)
    return this.hub.state.list(prefix)
  }

  async compareAndSet(key: string, change: CompareAndSet): Promise<Entry | null> {
    this.check()
    checkCompareAndSet(key, change, this.maxValueBytes)
    const result = this.hub.state.compareAndSet(key, change)
    await this.hub.settled()
    return result
  }

  async acquireLease(key: string, options: { session: Session; value: string }): Promise<Lease> {
    this.check()
    checkKey(key)
    checkValue(options.value, this.maxValueBytes)
    const session = this.sessions.get(options.session.sessionId)
    if (!session) {
      throw new CoordinationError('KFK_COORDINATION_FENCED', `no live session for ${key}`, {
        details: { key, session: options.session.key },
      })
    }
    const epoch = this.hub.state.acquireLease(key, session, options.value)
    await this.hub.settled()
    return new EmbeddedLease(this, session, key, epoch)
  }

  async watch(prefix: string, options: WatchOptions): Promise<Watch> {
    this.check()
    checkPrefix(prefix)
    const watch = new EmbeddedWatch(prefix, options, () => this.watches.delete(watch))
    if (!watch.closed) this.watches.add(watch)
    return watch
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce()
    return this.closing
  }

  /** {@inheritDoc HubClient.onChanges} */
  onChanges(changes: readonly Change[]): void {
    if (this.isCut) return
    for (const watch of this.watches) watch.push(changes)
  }

  /** {@inheritDoc HubClient.onSessionEnded} */
  onSessionEnded(id: string, fenced: boolean): void {
    if (!this.isCut) this.sessions.get(id)?.lose(fenced)
  }

  /** {@inheritDoc SessionHome.check} */
  check(): void {
    if (this.closing) {
      throw new CoordinationError('KFK_COORDINATION_CLOSED', 'the coordination adapter is closed')
    }
    if (this.isCut) {
      throw new CoordinationError('KFK_COORDINATION_UNAVAILABLE', 'the shared state is cut off')
    }
  }

  /** {@inheritDoc SessionHome.forget} */
  forget(session: EmbeddedSession): void {
    this.sessions.delete(session.sessionId)
  }

  private async closeOnce(): Promise<void> {
    for (const watch of [...this.watches]) watch.close()
    await Promise.all([...this.sessions.values()].map((session) => session.close()))
    await this.hub.remove(this)
  }
}
