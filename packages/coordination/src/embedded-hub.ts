import type { Clock } from './clock.js'
import { CoordinationState, type Step } from './coordination-state.js'
import type { Change } from './coordination.js'

/** Makes steps durable. Called once per step, in order. */
export interface StepJournal {
  /**
   * Resolves when the step and all before it are durable; rejects with
   * `KFK_COORDINATION_UNAVAILABLE` for good after a failure.
   */
  append(changes: readonly Change[], counters: { version: number; epoch: number }): Promise<void>
  close(): Promise<void>
}

/** What the hub tells a connection. */
export interface HubClient {
  onChanges(changes: readonly Change[]): void
  onSessionEnded(id: string, fenced: boolean): void
}

/**
 * State shared by the connections of one process, its expiry timers, and the order in which clients
 * hear of steps.
 */
export class EmbeddedHub {
  readonly state: CoordinationState
  private readonly clients = new Set<HubClient>()
  private readonly expiryTimers = new Map<string, { cancel(): void }>()
  /** Settles when the latest step is durable. Undefined where nothing is. */
  private durable: Promise<void> | undefined

  private journal: StepJournal | undefined

  constructor(readonly clock: Clock) {
    this.state = new CoordinationState((step) => this.publish(step))
  }

  /** From now on every step goes to `journal`. */
  keepIn(journal: StepJournal): void {
    this.journal = journal
  }

  add(client: HubClient): void {
    this.clients.add(client)
  }

  /** Resolves when the last client is gone and the journal is closed. */
  async remove(client: HubClient): Promise<void> {
    this.clients.delete(client)
    if (this.clients.size > 0) return
    for (const timer of this.expiryTimers.values()) timer.cancel()
    this.expiryTimers.clear()
    await this.journal?.close()
  }

  /** Resolves when every step so far is durable. */
  async settled(): Promise<void> {
    await this.durable
  }

  /** Begins to watch over a session's time to live. */
  expireLater(id: string): void {
    const remainingMs = this.state.remainingMs(id, this.clock.monotonicMs())
    if (remainingMs === undefined) {
      this.expiryTimers.delete(id)
      return
    }
    // The timer of the latest renewal decides; a renewal that is late because the event loop was
    // busy came first all the same.
    if (remainingMs <= 0) {
      this.expiryTimers.delete(id)
      this.state.endSession(id)
      return
    }
    const timer = this.clock.setTimer(Math.ceil(remainingMs), () => this.expireLater(id))
    this.expiryTimers.set(id, timer)
  }

  private publish(step: Step): void {
    for (const { id } of step.ended) {
      this.expiryTimers.get(id)?.cancel()
      this.expiryTimers.delete(id)
    }
    const { version, epoch } = this.state
    const written = this.journal?.append(step.changes, { version, epoch })
    // The callers of the step see the failure; here it must only not become an unhandled rejection.
    written?.catch(() => {})
    this.durable = written
    for (const client of this.clients) {
      client.onChanges(step.changes)
      for (const { id, fenced } of step.ended) client.onSessionEnded(id, fenced)
    }
  }
}
