import { delay } from '@kfk/client'
import type { Change, Coordination, Entry, Watch } from '@kfk/coordination'
import type { Clock, Logger } from '../context.js'
import {
  BROKERS_PREFIX,
  CLUSTER_KEY,
  type ClusterEntry,
  CONTROLLER_KEY,
  type ControllerEntry,
  type MemberEntry,
  parseCluster,
  parseController,
  parseMember,
} from './coordination-entries.js'
import { within } from './waiting.js'

const RETRY_MS = 250
const PREFIXES = [BROKERS_PREFIX, CONTROLLER_KEY, CLUSTER_KEY]

export interface DirectoryOptions {
  readonly coordination: Coordination
  readonly clock: Clock
  readonly logger: Logger
  /**
   * How long a broker that is gone after a gap still counts: as long as it has to come back by
   * itself.
   */
  readonly sessionTimeoutMs: number
  /** Called after each change of what is held here. */
  readonly onChange: () => void
}

/**
 * What coordination says of the cluster, kept up to date. While coordination is away this is the
 * last that was known. After a gap (a server that restarted, was emptied or rolled back) brokers
 * that are missing stay for one session timeout, so that an emptied server does not make the whole
 * cluster look dead until everybody has registered again.
 */
export class CoordinationDirectory {
  readonly #options: DirectoryOptions
  readonly #entries = new Map<string, Entry>()
  /** Keys that are missing since a gap, with the monotonic time at which they go. */
  readonly #missing = new Map<string, number>()
  readonly #watches: Watch[] = []
  readonly #stopped = new AbortController()
  #listing: Promise<void> | undefined
  #listAgain = false

  constructor(options: DirectoryOptions) {
    this.#options = options
  }

  /** Brokers that are alive, of whatever cluster they say they are. */
  members(): MemberEntry[] {
    const members: MemberEntry[] = []
    for (const [key, { value }] of this.#entries) {
      if (!key.startsWith(BROKERS_PREFIX)) continue
      const member = parseMember(value)
      if (member !== undefined && key === `${BROKERS_PREFIX}${member.nodeId}`) members.push(member)
      else this.#options.logger.warn('coordination holds a broker that makes no sense', { key })
    }
    return members
  }

  controller(): ControllerEntry | undefined {
    const entry = this.#entries.get(CONTROLLER_KEY)
    return entry && parseController(entry.value)
  }

  cluster(): ClusterEntry | undefined {
    const entry = this.#entries.get(CLUSTER_KEY)
    return entry && parseCluster(entry.value)
  }

  /** Whether a key is known to be missing. */
  isAbsent(key: string): boolean {
    return !this.#entries.has(key)
  }

  /** Rejects when coordination cannot be had in time. */
  async start(timeoutMs: number): Promise<void> {
    const { clock, coordination } = this.#options
    const bound = { timeoutMs, signal: this.#stopped.signal, what: 'reading from coordination' }
    await within(clock, bound, async (signal) => {
      for (const prefix of PREFIXES) {
        const watch = await coordination.watch(prefix, {
          onChange: (changes) => this.#apply(changes),
          onGap: () => this.#relist(),
          signal: this.#stopped.signal,
        })
        this.#watches.push(watch)
      }
      await this.#list(signal)
    })
  }

  stop(): void {
    this.#stopped.abort(new Error('the broker stops'))
    for (const watch of this.#watches) watch.close()
  }

  #apply(changes: readonly Change[]): void {
    if (this.#stopped.signal.aborted) return
    for (const { key, version, entry } of changes) {
      const held = this.#entries.get(key)
      // A missing entry is from before the gap, so its version says nothing.
      if (held !== undefined && held.version >= version && !this.#missing.has(key)) continue
      this.#missing.delete(key)
      if (entry === undefined) this.#entries.delete(key)
      else if (isOurs(key)) this.#entries.set(key, entry)
    }
    this.#options.onChange()
  }

  #relist(): void {
    this.#listAgain = true
    this.#listing ??= this.#listUntilDone().finally(() => (this.#listing = undefined))
  }

  async #listUntilDone(): Promise<void> {
    const { clock, logger } = this.#options
    const { signal } = this.#stopped
    let isReported = false
    while (this.#listAgain && !signal.aborted) {
      this.#listAgain = false
      try {
        await this.#list(signal)
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        const message = `coordination cannot be read, going on with what was known: ${String(error)}`
        if (!isReported) logger.warn(message)
        isReported = true
        this.#listAgain = true
        await delay(clock, RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { clock, coordination, sessionTimeoutMs } = this.#options
    const found = new Map<string, Entry>()
    for (const prefix of PREFIXES) {
      for (const entry of await coordination.list(prefix)) {
        if (isOurs(entry.key)) found.set(entry.key, entry)
      }
    }
    if (signal.aborted) return
    const goesAtMs = clock.monotonicMs() + sessionTimeoutMs
    for (const key of [...this.#entries.keys()]) {
      if (found.has(key)) continue
      if (key.startsWith(BROKERS_PREFIX)) this.#missing.set(key, this.#missing.get(key) ?? goesAtMs)
      else this.#entries.delete(key)
    }
    for (const [key, entry] of found) {
      this.#missing.delete(key)
      this.#entries.set(key, entry)
    }
    if (this.#missing.size > 0) {
      clock.setTimer(sessionTimeoutMs + 1, () => this.#dropMissing())
    }
    this.#options.onChange()
  }

  #dropMissing(): void {
    if (this.#stopped.signal.aborted) return
    const nowMs = this.#options.clock.monotonicMs()
    for (const [key, goesAtMs] of this.#missing) {
      if (goesAtMs > nowMs) continue
      this.#missing.delete(key)
      this.#entries.delete(key)
    }
    this.#options.onChange()
  }
}

/** Prefixes match more than the keys that are meant. */
function isOurs(key: string): boolean {
  return key === CONTROLLER_KEY || key === CLUSTER_KEY || key.startsWith(BROKERS_PREFIX)
}
