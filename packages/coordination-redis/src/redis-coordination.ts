import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import {
  checkCompareAndSet,
  checkKey,
  checkPrefix,
  checkSessionOptions,
  checkValue,
  type CompareAndSet,
  type Coordination,
  CoordinationError,
  type Entry,
  type Lease,
  type Session,
  type SessionOptions,
  systemClock,
  type Watch,
  type WatchOptions,
} from '@kfk/coordination'
import { ChangeFeed } from './change-feed.js'
import { closedError, RedisLink } from './redis-link.js'
import {
  type RedisCoordinationOptions,
  type ResolvedOptions,
  resolveOptions,
} from './redis-options.js'
import { damaged, parseEntry, type ScriptReply, toNumber } from './redis-reply.js'
import { type RedisScript, scripts } from './redis-script.js'
import { RedisLease, RedisSession, type SessionHome } from './redis-session.js'
import { RedisSteps } from './redis-steps.js'
import { checkServer } from './server-check.js'

/**
 * Largest list, bytes: a longer one would stop the server, which does one thing at a time, for too
 * long.
 */
const MAX_LIST_BYTES = 64 * 1024 * 1024

/**
 * Coordination through Redis >= 6.2 or Valkey: one server, with Sentinel, or Redis Cluster. Two
 * connections. See the README for what may be built on it, and what not.
 *
 * Rejects with `KFK_COORDINATION_UNAVAILABLE` when the server cannot be reached within
 * `callTimeoutMs`, `KFK_COORDINATION_INVALID_VALUE` for wrong options, or under `durability:
 * 'strict'` for a server that loses state.
 */
export async function redisCoordination(
  options: RedisCoordinationOptions = {},
): Promise<Coordination> {
  const coordination = new RedisCoordination(resolveOptions(options))
  try {
    await coordination.start()
    return coordination
  } catch (error) {
    await coordination.close()
    throw error
  }
}

class RedisCoordination implements Coordination, SessionHome {
  readonly name = 'redis'
  readonly steps: RedisSteps
  private readonly aborter = new AbortController()
  private readonly commandLink: RedisLink
  private readonly feedLink: RedisLink
  private readonly feed: ChangeFeed
  private readonly sessions = new Map<string, RedisSession>()
  private closing: Promise<void> | undefined

  constructor(readonly options: ResolvedOptions) {
    // Every call in flight listens to it.
    setMaxListeners(0, this.signal)
    const renewAll = (): void => {
      for (const session of this.sessions.values()) session.renewNow()
    }
    const { callTimeoutMs: timeoutMs, logger } = options
    this.commandLink = new RedisLink(() => options.createConnection('commands'), {
      timeoutMs,
      logger,
      onReconnect: renewAll,
    })
    this.feedLink = new RedisLink(() => options.createConnection('feed'), {
      timeoutMs,
      logger,
      onReconnect: () => this.feed.connectionLost(),
    })
    this.steps = new RedisSteps(this.commandLink, options)
    this.feed = new ChangeFeed({
      options,
      steps: this.steps,
      commandLink: this.commandLink,
      feedLink: this.feedLink,
      signal: this.signal,
      onGap: renewAll,
    })
  }

  /** Connects and looks at the server. */
  async start(): Promise<void> {
    const { signal, options } = this
    await this.steps.run(scripts.position, [], { signal })
    await checkServer(this.commandLink, { strict: options.strict, logger: options.logger, signal })
  }

  get signal(): AbortSignal {
    return this.aborter.signal
  }

  async openSession(options: SessionOptions): Promise<Session> {
    this.check()
    checkSessionOptions(options, this.options.maxValueBytes)
    const { key, value, ttlMs, replace, onLost } = options
    const settings = onLost ? { value, ttlMs, onLost } : { value, ttlMs }
    const session = new RedisSession(this, randomUUID(), key, settings)
    const sentAtMs = systemClock.monotonicMs()
    const args = [key, value, ttlMs, session.sessionId, replace ? 1 : 0]
    let reply: ScriptReply
    try {
      reply = await this.run(scripts.openSession, args)
    } catch (error) {
      // It may have happened, and nobody would hold it: try once to undo it, else it ends with its
      // time.
      this.steps.run(scripts.closeSession, [session.sessionId]).catch(() => {})
      throw error
    }
    if (reply.status === 'exists') throw exists(key, reply)
    expectOk(reply)
    const [version, epoch] = reply.rest.map(toNumber)
    if (!version || !epoch) throw damaged('the answer to a new session')
    this.sessions.set(session.sessionId, session)
    session.begin({ epoch, version, sentAtMs })
    return session
  }

  async get(key: string): Promise<Entry | undefined> {
    this.check()
    checkKey(key)
    const reply = await this.run(scripts.getEntries, [key])
    const stored = reply.rest[0]
    return stored ? parseEntry(key, stored, this.options.maxValueBytes) : undefined
  }

  async list(prefix: string): Promise<Entry[]> {
    this.check()
    checkPrefix(prefix)
    const reply = await this.run(scripts.listEntries, [prefix, MAX_LIST_BYTES])
    if (reply.status === 'too-large') {
      const message = `the entries under ${prefix} are more than ${MAX_LIST_BYTES} bytes`
      throw new CoordinationError('KFK_COORDINATION_INVALID_VALUE', message)
    }
    expectOk(reply)
    const entries: Entry[] = []
    for (let index = 0; index < reply.rest.length; index += 2) {
      const key = reply.rest[index]!
      if (!key.startsWith(prefix)) throw damaged('a key outside of the prefix')
      entries.push(parseEntry(key, reply.rest[index + 1] ?? '', this.options.maxValueBytes))
    }
    return entries
  }

  async compareAndSet(key: string, change: CompareAndSet): Promise<Entry | null> {
    this.check()
    checkCompareAndSet(key, change, this.options.maxValueBytes)
    const { expectedVersion, value, session } = change
    const args = [key, expectedVersion, value === null ? 0 : 1, value ?? '', session ? 1 : 0]
    if (session) args.push(session.key, session.epoch, session.sessionId)
    const reply = await this.run(scripts.compareAndSet, args)
    if (reply.status === 'fenced') throw fenced(session?.key ?? key, session?.epoch)
    if (reply.status === 'exists') throw exists(key, reply)
    const version = toNumber(reply.rest[0])
    if (reply.status === 'conflict') {
      throw new CoordinationError('KFK_COORDINATION_CONFLICT', `${key} has another version`, {
        details: { key, expectedVersion, actualVersion: version },
      })
    }
    expectOk(reply)
    return value === null ? null : Object.freeze({ key, value, version })
  }

  async watch(prefix: string, options: WatchOptions): Promise<Watch> {
    this.check()
    checkPrefix(prefix)
    return await this.feed.watch(prefix, options)
  }

  async acquireLease(key: string, options: { session: Session; value: string }): Promise<Lease> {
    this.check()
    checkKey(key)
    checkValue(options.value, this.options.maxValueBytes)
    const session = this.sessions.get(options.session.sessionId)
    if (!session) throw fenced(options.session.key, options.session.epoch)
    const args = [key, options.value, session.key, session.epoch, session.sessionId]
    const reply = await this.run(scripts.acquireLease, args)
    if (reply.status === 'fenced') throw fenced(session.key, session.epoch)
    if (reply.status === 'exists') throw exists(key, reply)
    expectOk(reply)
    return new RedisLease(this, session, key, toNumber(reply.rest[0]))
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce()
    return this.closing
  }

  /** {@inheritDoc SessionHome.check} */
  check(): void {
    if (this.closing) throw closedError()
  }

  /** {@inheritDoc SessionHome.forget} */
  forget(session: RedisSession): void {
    this.sessions.delete(session.sessionId)
  }

  private run(script: RedisScript, args: readonly (string | number)[]): Promise<ScriptReply> {
    return this.steps.run(script, args, { signal: this.signal })
  }

  private async closeOnce(): Promise<void> {
    this.feed.close()
    const ends = [...this.sessions.values()].map((session) => session.close())
    this.aborter.abort()
    await Promise.all(ends)
    this.commandLink.close()
    this.feedLink.close()
  }
}

function expectOk(reply: ScriptReply): void {
  if (reply.status !== 'ok') throw damaged(`status ${reply.status.slice(0, 20)}`)
}

function fenced(key: string, epoch: number | undefined): CoordinationError {
  const message = `epoch ${epoch} of ${key} is not the current one`
  return new CoordinationError('KFK_COORDINATION_FENCED', message, { details: { key, epoch } })
}

function exists(key: string, reply: ScriptReply): CoordinationError {
  const epoch = toNumber(reply.rest[0])
  const details = epoch === 0 ? { key } : { key, epoch }
  return new CoordinationError('KFK_COORDINATION_EXISTS', `${key} is taken`, { details })
}
