import { CoordinationError } from '@kfk/coordination'
import type { Cluster, Redis } from 'ioredis'
import type { Logger } from './logger.js'

export type RedisConnection = Redis | Cluster

/** Errors of the server that pass: it loads, is a replica, is full, fails over... */
const lastingError = /^(WRONGTYPE|ERR (?:unknown command|syntax error|wrong number|Error running))/

/**
 * One connection, replaced by a new one whenever it fails to answer in time: a connection that is
 * cut without a word (or a frozen server) shows in no other way. Each call ends within its timeout.
 */
export class RedisLink {
  private connection: RedisConnection | undefined
  private lastError: Error | undefined
  private closed = false
  private wasReady = false

  constructor(
    private readonly create: () => RedisConnection,
    private readonly settings: {
      readonly timeoutMs: number
      readonly logger: Logger
      /** Called when a connection is ready that is not the first one. */
      readonly onReconnect?: () => void
    },
  ) {}

  /**
   * Waits for a connection, and runs `use` on it. Rejects with `KFK_COORDINATION_UNAVAILABLE` when
   * the time is over or the server refuses for now, `KFK_COORDINATION_INVALID_VALUE` when its state
   * is not ours, `KFK_COORDINATION_CLOSED` after `signal`.
   */
  async call<T>(
    use: (connection: RedisConnection) => Promise<T>,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<T> {
    if (this.closed || options.signal?.aborted) throw closedError()
    const timeoutMs = options.timeoutMs ?? this.settings.timeoutMs
    const connection = (this.connection ??= this.open())
    const end = new CallEnd(timeoutMs, options.signal)
    try {
      if (connection.status !== 'ready') await Promise.race([ready(connection, end), end.promise])
      return await Promise.race([use(connection), end.promise])
    } catch (error) {
      throw this.translate(error, connection)
    } finally {
      end.cancel()
    }
  }

  /** Gives the connection up; calls in flight are left to their signals and timeouts. */
  close(): void {
    this.closed = true
    this.connection?.disconnect()
    this.connection = undefined
  }

  private open(): RedisConnection {
    const connection = this.create()
    // Every call that waits for the connection listens to it.
    connection.setMaxListeners(0)
    // Without a listener ioredis writes to the console.
    connection.on('error', (error: Error) => {
      this.lastError = error
      this.settings.logger.debug('redis connection error', { error: error.message })
    })
    connection.on('ready', () => {
      if (this.connection !== connection) return
      if (this.wasReady) this.settings.onReconnect?.()
      this.wasReady = true
    })
    return connection
  }

  private translate(error: unknown, connection: RedisConnection): CoordinationError {
    if (error instanceof CoordinationError) {
      if (error.code === 'KFK_COORDINATION_UNAVAILABLE') this.discard(connection)
      return error.cause === undefined && this.lastError && connection.status !== 'ready'
        ? new CoordinationError(error.code, error.message, { cause: this.lastError })
        : error
    }
    const message = describe(error)
    if (lastingError.test(message)) {
      const text = `the server refused: ${message.slice(0, 300)}`
      return new CoordinationError('KFK_COORDINATION_INVALID_VALUE', text, { cause: error })
    }
    // A master that became a replica: only a new connection asks the sentinels again.
    if (message.startsWith('READONLY')) this.discard(connection)
    const text = `the server is not available: ${message.slice(0, 300)}`
    return new CoordinationError('KFK_COORDINATION_UNAVAILABLE', text, { cause: error })
  }

  private discard(connection: RedisConnection): void {
    if (this.connection !== connection) return
    this.connection = undefined
    connection.disconnect()
  }
}

/** The client library speaks of its own options when a connection breaks under a call. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.name === 'MaxRetriesPerRequestError' ? 'the connection was lost' : error.message
}

/** The two ways in which a call ends without an answer. */
class CallEnd {
  readonly promise: Promise<never>
  private readonly timer: NodeJS.Timeout
  private readonly cleanups: (() => void)[] = []

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    let fail: (error: CoordinationError) => void = () => {}
    this.promise = new Promise((_resolve, reject) => (fail = reject))
    // Whoever races against it sees it; alone it must not become an unhandled rejection.
    this.promise.catch(() => {})
    const late = `no answer within ${timeoutMs} ms`
    this.timer = setTimeout(
      () => fail(new CoordinationError('KFK_COORDINATION_UNAVAILABLE', late)),
      timeoutMs,
    )
    const abort = (): void => fail(closedError())
    signal?.addEventListener('abort', abort)
    this.onEnd(() => signal?.removeEventListener('abort', abort))
  }

  onEnd(cleanup: () => void): void {
    this.cleanups.push(cleanup)
  }

  cancel(): void {
    clearTimeout(this.timer)
    for (const cleanup of this.cleanups) cleanup()
  }
}

function ready(connection: RedisConnection, end: CallEnd): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => resolve()
    connection.once('ready', done)
    end.onEnd(() => connection.off('ready', done))
  })
}

/** What calls after close and calls cut short by it reject with. */
export function closedError(): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_CLOSED', 'the coordination adapter is closed')
}
