import { randomUUID } from 'node:crypto'
import { systemClock, type Clock } from '../clock.js'
import { CoordinationError } from '../coordination-error.js'
import type {
  CompareAndSet,
  Coordination,
  Entry,
  Lease,
  Session,
  SessionOptions,
  Watch,
  WatchOptions,
} from '../coordination.js'
import { EmbeddedWatch } from '../embedded-watch.js'
import { checkPrefix } from '../limits.js'
import type { Channel } from './channel.js'
import { ChannelLease, ChannelSession, holderOf, type ChannelHome } from './channel-session.js'
import {
  callMessage,
  isToldMessage,
  type ArgsOf,
  type CallName,
  type ResultOf,
  type ToldMessage,
} from './messages.js'

export interface ChannelCoordinationOptions {
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** Bound of every call, ms. Default 3000. */
  readonly callTimeoutMs?: number
}

const DEFAULT_CALL_TIMEOUT_MS = 3000

/**
 * Coordination that another process has (`serveCoordination`), through a channel to it: for several
 * processes of one machine with nothing to install. When the channel ends, calls reject with
 * `KFK_COORDINATION_UNAVAILABLE` for good and sessions expire.
 */
export function channelCoordination(
  channel: Channel,
  options: ChannelCoordinationOptions = {},
): Coordination {
  return new ChannelCoordination(channel, options)
}

interface Underway {
  readonly resolve: (result: never) => void
  readonly reject: (error: CoordinationError) => void
  readonly timer: { cancel(): void }
}

class ChannelCoordination implements Coordination, ChannelHome {
  readonly name = 'channel'
  readonly clock: Clock
  readonly #channel: Channel
  readonly #callTimeoutMs: number
  readonly #underway = new Map<number, Underway>()
  readonly #sessions = new Map<string, ChannelSession>()
  readonly #watches = new Set<EmbeddedWatch>()
  #calls = 0
  #ended = false
  #closing: Promise<void> | undefined

  constructor(channel: Channel, options: ChannelCoordinationOptions) {
    this.#channel = channel
    this.clock = options.clock ?? systemClock
    this.#callTimeoutMs = options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS
    channel.onMessage((message) => {
      if (isToldMessage(message)) this.#hear(message)
    })
    channel.onEnd(() => {
      this.#ended = true
      this.#rejectAll(unavailable('the process that coordinates has ended'))
    })
  }

  async openSession(options: SessionOptions): Promise<Session> {
    this.check()
    const { key, value, ttlMs, replace = false } = options
    const id = randomUUID()
    const session = new ChannelSession(this, id, key, options)
    const sentAtMs = this.clock.monotonicMs()
    this.#sessions.set(id, session)
    try {
      session.begin(await this.call('openSession', { id, key, value, ttlMs, replace }), sentAtMs)
    } catch (error) {
      this.#sessions.delete(id)
      // It may have been opened all the same, and nobody would close it.
      if (!this.#ended) void this.call('endSession', { id }).catch(() => null)
      throw error
    }
    return session
  }

  async get(key: string): Promise<Entry | undefined> {
    this.check()
    return (await this.call('get', { key })) ?? undefined
  }

  async list(prefix: string): Promise<Entry[]> {
    this.check()
    return await this.call('list', { prefix })
  }

  async compareAndSet(key: string, change: CompareAndSet): Promise<Entry | null> {
    this.check()
    const { expectedVersion, value, session } = change
    const holder = session && { session: holderOf(session) }
    return await this.call('compareAndSet', { key, expectedVersion, value, ...holder })
  }

  async acquireLease(key: string, options: { session: Session; value: string }): Promise<Lease> {
    this.check()
    const session = this.#sessions.get(options.session.sessionId)
    if (!session) {
      throw new CoordinationError('KFK_COORDINATION_FENCED', `no live session for ${key}`, {
        details: { key, session: options.session.key },
      })
    }
    const args = { key, session: holderOf(session), value: options.value }
    return new ChannelLease(this, session, key, await this.call('acquireLease', args))
  }

  async watch(prefix: string, options: WatchOptions): Promise<Watch> {
    this.check()
    checkPrefix(prefix)
    const watch = new EmbeddedWatch(prefix, options, () => this.#watches.delete(watch))
    if (!watch.closed) this.#watches.add(watch)
    return watch
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** {@inheritDoc ChannelHome.call} */
  call<Name extends CallName>(name: Name, args: ArgsOf<Name>): Promise<ResultOf<Name>> {
    if (this.#ended) return Promise.reject(unavailable('the process that coordinates has ended'))
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimer(this.#callTimeoutMs, () => {
        this.#underway.delete(id)
        reject(unavailable(`the process that coordinates did not answer ${name}`))
      })
      this.#underway.set(id, { resolve, reject, timer })
      this.#channel.send(callMessage(id, name, args))
    })
  }

  /** {@inheritDoc ChannelHome.check} */
  check(): void {
    if (this.#closing) throw closed()
  }

  /** {@inheritDoc ChannelHome.forget} */
  forget(session: ChannelSession): void {
    this.#sessions.delete(session.sessionId)
  }

  async #close(): Promise<void> {
    this.#rejectAll(closed())
    for (const watch of [...this.#watches]) watch.close()
    for (const session of [...this.#sessions.values()]) session.stop()
    // Who does not hear of it ends the sessions when their time is over.
    await this.call('leave', {}).catch(() => null)
  }

  #hear(message: ToldMessage): void {
    if ('changes' in message) {
      for (const watch of this.#watches) watch.push(message.changes)
    } else if ('ended' in message) this.#sessions.get(message.ended)?.lose(message.fenced)
    else this.#answered(message)
  }

  #answered(message: Extract<ToldMessage, { id: number }>): void {
    const underway = this.#underway.get(message.id)
    if (underway === undefined) return
    this.#underway.delete(message.id)
    underway.timer.cancel()
    const { error } = message
    if (error === undefined) underway.resolve(message.result as never)
    else
      underway.reject(
        new CoordinationError(error.code, error.message, { details: error.details ?? {} }),
      )
  }

  #rejectAll(error: CoordinationError): void {
    const all = [...this.#underway.values()]
    this.#underway.clear()
    for (const { reject, timer } of all) {
      timer.cancel()
      reject(error)
    }
  }
}

function unavailable(message: string): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_UNAVAILABLE', message)
}

function closed(): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_CLOSED', 'the coordination adapter is closed')
}
