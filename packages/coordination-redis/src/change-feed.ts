import { type Change, CoordinationError, type Watch, type WatchOptions } from '@kfk/coordination'
import type { RedisLink } from './redis-link.js'
import type { ResolvedOptions } from './redis-options.js'
import { type FeedEvent, parseEntry, parseFeed } from './redis-reply.js'
import { scripts } from './redis-script.js'
import type { RedisSteps } from './redis-steps.js'
import { readServerIdentity } from './server-check.js'

/** Changes read at once: bounds the memory that their values take. */
const EVENTS_PER_READ = 64
/** Pause after a failure, ms, so that a server that refuses at once is not asked in a loop. */
const RETRY_DELAY_MS = 100

interface Registration {
  readonly prefix: string
  readonly options: WatchOptions
  /** False until `watch` has resolved: such a watch lists afterwards and needs no gap. */
  started: boolean
  readonly close: () => void
}

/**
 * Follows the server's stream of changes, for all watches of an adapter, on a connection of its
 * own. The stream names keys; the values are read when the news arrive, and a change whose entry is
 * newer by then is left to the later news of it.
 *
 * Versions are consecutive, and each line names the instance of the state. So a line that is
 * missing (trimmed), state that began anew (emptied) and state that went back are all seen; a
 * broken connection and a new identity of the server count as such. Each ends in the same way: the
 * feed takes up its position anew, and then every watch has a gap.
 */
export class ChangeFeed {
  private readonly registrations = new Set<Registration>()
  private readonly waiting = new Set<() => void>()
  private running = false
  private positioned = false
  private instance = ''
  private version = 0
  private identity: string | undefined
  private reconnected = false
  /** The server is away, and that has been reported. */
  private away = false

  constructor(
    private readonly parts: {
      readonly options: ResolvedOptions
      readonly steps: RedisSteps
      readonly commandLink: RedisLink
      readonly feedLink: RedisLink
      readonly signal: AbortSignal
      /** Told before the watches are. */
      readonly onGap: () => void
    },
  ) {}

  /**
   * The connection of the feed is a new one: what is behind it may be another server, or an older
   * state.
   */
  connectionLost(): void {
    this.reconnected = true
  }

  /** Resolves when changes from now on are going to be reported. */
  async watch(prefix: string, options: WatchOptions): Promise<Watch> {
    const close = (): void => {
      this.registrations.delete(registration)
      options.signal?.removeEventListener('abort', close)
    }
    const registration: Registration = { prefix, options, started: false, close }
    if (options.signal?.aborted) return { close }
    options.signal?.addEventListener('abort', close, { once: true })
    this.registrations.add(registration)
    if (!this.running) {
      this.running = true
      void this.follow()
    }
    try {
      await this.whenPositioned()
    } catch (error) {
      close()
      throw error
    }
    registration.started = true
    return { close }
  }

  /** Ends every watch. The reading ends by the signal. */
  close(): void {
    for (const { close } of [...this.registrations]) close()
  }

  private async follow(): Promise<void> {
    const { signal } = this.parts
    let again = false
    while (!this.over()) {
      try {
        await this.takePosition()
        this.reportBack()
        if (again) this.tellGap()
        again = true
        await this.readOn()
      } catch (error) {
        if (this.over()) break
        this.reportTrouble(error)
        await pause(RETRY_DELAY_MS, signal)
      }
      this.positioned = false
    }
    this.positioned = false
    this.running = false
  }

  /** Once for each time that the server is away, which may be for days. */
  private reportTrouble(error: unknown): void {
    const { logger } = this.parts.options
    const reason = error instanceof Error ? error.message : String(error)
    if (!(error instanceof CoordinationError && error.retriable)) {
      logger.info('redis: the change feed begins anew', { reason })
    } else if (!this.away) {
      this.away = true
      logger.warn('redis is away: what is known stays in use until it is back', { reason })
    }
  }

  private reportBack(): void {
    if (this.away) this.parts.options.logger.info('redis is back')
    this.away = false
  }

  private over(): boolean {
    return this.registrations.size === 0 || this.parts.signal.aborted
  }

  private async takePosition(): Promise<void> {
    const { steps, commandLink, signal } = this.parts
    this.reconnected = false
    this.identity = await readServerIdentity(commandLink, signal)
    const { version, instance } = await steps.run(scripts.position, [], { signal })
    this.version = version
    this.instance = instance
    this.positioned = true
    for (const resolve of this.waiting) resolve()
    this.waiting.clear()
  }

  /** Reads until nobody watches or something is amiss, which it throws. */
  private async readOn(): Promise<void> {
    let expected = 0
    while (!this.over()) {
      const events = await this.readStream()
      if (this.reconnected) throw gap('the connection was lost')
      if (events.length > 0) {
        await this.deliver(events)
        continue
      }
      if (this.version < expected) throw gap('changes are missing from the stream')
      expected = await this.checkPosition()
    }
  }

  private async readStream(): Promise<FeedEvent[]> {
    const { options, feedLink, signal } = this.parts
    const { feedIdleMs, callTimeoutMs, changesKey } = options
    const timeoutMs = feedIdleMs + callTimeoutMs
    const after = `${this.version}-1`
    const block = ['COUNT', EVENTS_PER_READ, 'BLOCK', feedIdleMs] as const
    const reply: unknown = await feedLink.call(
      (connection) => connection.xreadBuffer(...block, 'STREAMS', changesKey, after),
      { timeoutMs, signal },
    )
    return parseFeed(reply)
  }

  /**
   * While there is no news: has the server changed, is the state another? Returns the version that
   * the next read has to reach.
   */
  private async checkPosition(): Promise<number> {
    const { steps, commandLink, signal } = this.parts
    const { version, instance } = await steps.run(scripts.position, [], { signal })
    if (instance !== this.instance) throw gap('the state began anew')
    if (version < this.version) throw gap('the state went back')
    const identity = await readServerIdentity(commandLink, signal)
    if (identity !== this.identity) throw gap('the server is another')
    return version
  }

  private async deliver(events: readonly FeedEvent[]): Promise<void> {
    const { steps, options, signal } = this.parts
    let last = this.version
    for (const event of events) {
      if (event.instance !== this.instance) throw gap('the state began anew')
      if (event.version !== ++last) throw gap('changes are missing from the stream')
    }
    const keys = [...new Set(events.flatMap(({ key, deleted }) => (deleted ? [] : [key])))]
    const stored = new Map<string, string>()
    if (keys.length > 0) {
      const { rest } = await steps.run(scripts.getEntries, keys, { signal })
      keys.forEach((key, index) => stored.set(key, rest[index] ?? ''))
    }
    const changes: Change[] = []
    for (const { key, version, deleted } of events) {
      const text = stored.get(key)
      if (deleted) {
        changes.push({ key, version })
      } else if (text) {
        const entry = parseEntry(key, text, options.maxValueBytes)
        if (entry.version === version) changes.push({ key, version, entry })
      }
    }
    this.version = last
    for (const registration of [...this.registrations]) this.hand(registration, changes)
  }

  private hand(registration: Registration, changes: readonly Change[]): void {
    const wanted = changes.filter(({ key }) => key.startsWith(registration.prefix))
    if (wanted.length === 0 || !this.registrations.has(registration)) return
    guarded(() => registration.options.onChange(wanted))
  }

  private tellGap(): void {
    this.parts.onGap()
    for (const registration of [...this.registrations]) {
      if (registration.started) guarded(() => registration.options.onGap?.())
    }
  }

  private whenPositioned(): Promise<void> {
    if (this.positioned) return Promise.resolve()
    const { signal, options } = this.parts
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        this.waiting.delete(done)
        act()
      }
      const done = (): void => finish(resolve)
      const fail = (code: 'CLOSED' | 'UNAVAILABLE', message: string): void =>
        finish(() => reject(new CoordinationError(`KFK_COORDINATION_${code}`, message)))
      const abort = (): void => fail('CLOSED', 'the coordination adapter is closed')
      const late = `no answer within ${options.callTimeoutMs} ms`
      const timer = setTimeout(() => fail('UNAVAILABLE', late), options.callTimeoutMs)
      this.waiting.add(done)
      signal.addEventListener('abort', abort)
    })
  }
}

function gap(reason: string): Error {
  return new Error(reason)
}

/** A listener that throws is a bug of its owner and surfaces as one, instead of ending the feed. */
function guarded(call: () => void): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, delayMs)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
