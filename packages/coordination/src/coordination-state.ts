import { CoordinationError } from './coordination-error.js'
import type { Change, CompareAndSet, Entry } from './coordination.js'

/** A session as the state knows it. Times are the clock's monotonic milliseconds. */
interface SessionRecord {
  readonly id: string
  readonly key: string
  readonly epoch: number
  readonly ttlMs: number
  deadlineMs: number
  /** Keys of its own entry and of its leases. */
  readonly keys: Set<string>
}

interface StoredEntry extends Entry {
  /** Session that the entry ends with; absent for plain values. */
  readonly owner?: string
}

/** What a step did, for journal and watchers. */
export interface Step {
  readonly changes: readonly Change[]
  /** Sessions that the step ended, and whether another took the key. */
  readonly ended: readonly { id: string; fenced: boolean }[]
}

/** Identifies a session or lease in a step. */
export interface Holder {
  readonly key: string
  readonly epoch: number
  readonly sessionId: string
}

/**
 * The whole state of an embedded adapter, as a machine without clock, timers or I/O: time and
 * identities come in, steps go out to `onStep`. Refusals are thrown before anything has changed.
 */
export class CoordinationState {
  private readonly entries = new Map<string, StoredEntry>()
  private readonly sessions = new Map<string, SessionRecord>()
  private lastVersion = 0
  private lastEpoch = 0
  private changes: Change[] = []
  private ended: { id: string; fenced: boolean }[] = []

  constructor(private readonly onStep: (step: Step) => void) {}

  /** Number of the latest step. */
  get version(): number {
    return this.lastVersion
  }

  /** Latest fencing epoch given out. */
  get epoch(): number {
    return this.lastEpoch
  }

  get(key: string): Entry | undefined {
    const stored = this.entries.get(key)
    return stored && toEntry(stored)
  }

  list(prefix: string): Entry[] {
    const found: Entry[] = []
    for (const stored of this.entries.values()) {
      if (stored.key.startsWith(prefix)) found.push(toEntry(stored))
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Plain values only: what survives the process. */
  plainEntries(): Entry[] {
    return this.list('').filter((entry) => entry.epoch === undefined)
  }

  openSession(
    request: { id: string; key: string; value: string; ttlMs: number; replace: boolean },
    nowMs: number,
  ): number {
    const { id, key, value, ttlMs } = request
    const present = this.entries.get(key)
    if (present) {
      const older = present.owner === undefined ? undefined : this.sessions.get(present.owner)
      if (!request.replace || older?.key !== key) throw exists(present)
      this.end(older, true)
    }
    const epoch = ++this.lastEpoch
    const deadlineMs = nowMs + ttlMs
    this.sessions.set(id, { id, key, epoch, ttlMs, deadlineMs, keys: new Set([key]) })
    this.put({ key, value, owner: id, epoch })
    this.flush()
    return epoch
  }

  /** False when the session has ended. */
  renew(id: string, nowMs: number): boolean {
    const session = this.sessions.get(id)
    if (!session) return false
    session.deadlineMs = nowMs + session.ttlMs
    return true
  }

  /** Milliseconds until the session's end, or undefined when it has ended. */
  remainingMs(id: string, nowMs: number): number | undefined {
    const session = this.sessions.get(id)
    return session && session.deadlineMs - nowMs
  }

  endSession(id: string): void {
    const session = this.sessions.get(id)
    if (session) this.end(session, false)
    this.flush()
  }

  update(holder: Holder, value: string): void {
    this.checkHolder(holder)
    this.put({ key: holder.key, value, owner: holder.sessionId, epoch: holder.epoch })
    this.flush()
  }

  acquireLease(key: string, session: Holder, value: string): number {
    const record = this.checkHolder(session)
    const present = this.entries.get(key)
    if (present && (present.owner !== record.id || key === record.key)) throw exists(present)
    const epoch = present?.epoch ?? ++this.lastEpoch
    record.keys.add(key)
    this.put({ key, value, owner: record.id, epoch })
    this.flush()
    return epoch
  }

  releaseLease(holder: Holder): void {
    if (!this.holds(holder)) return
    this.sessions.get(holder.sessionId)?.keys.delete(holder.key)
    this.remove(holder.key)
    this.flush()
  }

  compareAndSet(key: string, change: CompareAndSet): Entry | null {
    if (change.session) this.checkHolder(change.session)
    const present = this.entries.get(key)
    if (present?.owner !== undefined) throw exists(present)
    const actualVersion = present?.version ?? 0
    if (actualVersion !== change.expectedVersion) {
      throw new CoordinationError('KFK_COORDINATION_CONFLICT', `${key} has another version`, {
        details: { key, expectedVersion: change.expectedVersion, actualVersion },
      })
    }
    let result: Entry | null = null
    if (change.value !== null) result = this.put({ key, value: change.value })
    else if (present) this.remove(key)
    this.flush()
    return result
  }

  holds(holder: Holder): boolean {
    const stored = this.entries.get(holder.key)
    return stored?.owner === holder.sessionId && stored.epoch === holder.epoch
  }

  /** Takes over what was kept from an earlier run. Makes no step. */
  restore(kept: { entries: readonly Entry[]; version: number; epoch: number }): void {
    for (const entry of kept.entries) this.entries.set(entry.key, entry)
    this.lastVersion = kept.version
    this.lastEpoch = kept.epoch
  }

  private checkHolder(holder: Holder): SessionRecord {
    const session = this.sessions.get(holder.sessionId)
    if (session && this.holds(holder)) return session
    throw new CoordinationError(
      'KFK_COORDINATION_FENCED',
      `epoch ${holder.epoch} of ${holder.key} is not the current one`,
      {
        details: {
          key: holder.key,
          epoch: holder.epoch,
          currentEpoch: this.entries.get(holder.key)?.epoch,
        },
      },
    )
  }

  private end(session: SessionRecord, fenced: boolean): void {
    this.sessions.delete(session.id)
    for (const key of session.keys) this.remove(key)
    this.ended.push({ id: session.id, fenced })
  }

  private put(fields: { key: string; value: string; owner?: string; epoch?: number }): Entry {
    const stored: StoredEntry = { ...fields, version: ++this.lastVersion }
    this.entries.set(stored.key, stored)
    const entry = toEntry(stored)
    this.changes.push({ key: entry.key, version: entry.version, entry })
    return entry
  }

  private remove(key: string): void {
    this.entries.delete(key)
    this.changes.push({ key, version: ++this.lastVersion })
  }

  private flush(): void {
    if (this.changes.length === 0 && this.ended.length === 0) return
    const step = { changes: this.changes, ended: this.ended }
    this.changes = []
    this.ended = []
    this.onStep(step)
  }
}

function toEntry(stored: StoredEntry): Entry {
  const { key, value, version, epoch } = stored
  return Object.freeze(
    epoch === undefined ? { key, value, version } : { key, value, version, epoch },
  )
}

function exists(present: StoredEntry): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_EXISTS', `${present.key} is taken`, {
    details: { key: present.key, epoch: present.epoch, version: present.version },
  })
}
