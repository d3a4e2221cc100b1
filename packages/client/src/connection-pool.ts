import type { FrameMemory, WireCodec } from '@kfk/protocol'
import type { BrokerAddress } from './address.js'
import { formatAddress } from './address.js'
import type { Clock } from './clock.js'
import { connectError } from './connect-errors.js'
import { Connection } from './connection.js'
import { ClientError } from './errors.js'
import { exchangeApiVersions } from './handshake.js'
import type { Logger } from './logger.js'
import type { Transport } from './transport.js'
import type { ApiRanges } from './version-negotiation.js'

export interface ConnectionPoolOptions {
  readonly transport: Transport
  readonly codec: WireCodec
  readonly clientId: string | null
  readonly connectTimeoutMs: number
  readonly maxInFlight: number
  readonly maxFrameBytes: number
  /** Where large answers are put. */
  readonly memory?: FrameMemory
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Runs on every new connection after the version exchange and before its first request: the place
   * of SASL.
   */
  readonly prepare?: ((connection: Connection) => Promise<void>) | undefined
}

/** Connections unused for so long are closed (Kafka: `connections.max.idle.ms`, 9 minutes). */
const maxIdleMs = 9 * 60_000

/**
 * At most one connection per broker address and lane. A lane is a name for traffic that must not
 * wait behind other traffic: brokers answer one connection in order, so a long poll would hold up
 * what is sent after it.
 */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  readonly #open = new Map<string, Connection>()
  readonly #opening = new Map<string, Promise<Connection>>()
  /** Last known versions per address, so that a caller can ask without a connection. */
  readonly #ranges = new Map<string, ApiRanges>()
  readonly #abort = new AbortController()

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
  }

  /** The open connection, without any wait, or undefined. */
  existing(address: BrokerAddress, lane: string): Connection | undefined {
    return this.#open.get(key(address, lane))
  }

  /** Any open connection of this lane, the least busy first. */
  anyExisting(lane: string): Connection | undefined {
    let best: Connection | undefined
    for (const [name, connection] of this.#open) {
      if (!name.endsWith(`/${lane}`)) continue
      if (best === undefined || connection.pendingRequests < best.pendingRequests) best = connection
    }
    return best
  }

  ranges(address: BrokerAddress): ApiRanges | undefined {
    return this.#ranges.get(formatAddress(address))
  }

  /**
   * The connection of this address and lane, opened when there is none; callers at the same time
   * share one attempt. Rejects with ClientError KFK_CLIENT_UNREACHABLE, _NOT_KAFKA or _CLOSED.
   */
  acquire(address: BrokerAddress, lane: string): Promise<Connection> {
    const name = key(address, lane)
    const existing = this.#open.get(name)
    if (existing !== undefined) return Promise.resolve(existing)
    let opening = this.#opening.get(name)
    if (opening === undefined) {
      opening = this.#connect(address, name).finally(() => this.#opening.delete(name))
      this.#opening.set(name, opening)
    }
    return opening
  }

  /** Closes all connections: those with requests under way at the latest after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.#abort.abort()
    const { clock } = this.#options
    let timer: { cancel(): void } | undefined
    const deadline = new Promise<void>((resolve) => (timer = clock.setTimer(timeoutMs, resolve)))
    const drained = Promise.all([...this.#open.values()].map((connection) => connection.drained()))
    await Promise.race([drained, deadline])
    timer?.cancel()
    for (const connection of [...this.#open.values()]) connection.close()
    await Promise.allSettled(this.#opening.values())
  }

  async #connect(address: BrokerAddress, name: string): Promise<Connection> {
    const { transport, codec, connectTimeoutMs: timeoutMs, logger, clock } = this.#options
    this.#closeIdle()
    const { signal } = this.#abort
    if (signal.aborted) throw closedError()
    const startedMs = clock.monotonicMs()
    const stream = await transport
      .connect(address, { timeoutMs, signal })
      .catch((cause: unknown) => {
        throw signal.aborted ? closedError() : connectError(address, cause)
      })
    const connection = new Connection(stream, { ...this.#options, address: formatAddress(address) })
    const onAbort = (): void => connection.close()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      connection.ranges = await exchangeApiVersions(connection, { codec, timeoutMs })
      await this.#options.prepare?.(connection)
    } catch (error) {
      connection.close()
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    if (connection.closed) throw connectError(address, new Error('it ended at once'))
    this.#ranges.set(connection.address, connection.ranges)
    this.#open.set(name, connection)
    connection.onclosed = () => {
      this.#open.delete(name)
      logger.debug('connection closed', { address: connection.address })
    }
    logger.debug('connected', { name, tookMs: Math.round(clock.monotonicMs() - startedMs) })
    return connection
  }

  #closeIdle(): void {
    const before = this.#options.clock.monotonicMs() - maxIdleMs
    for (const connection of [...this.#open.values()]) {
      if (connection.pendingRequests === 0 && connection.lastUsedMs < before) connection.close()
    }
  }
}

export function closedError(): ClientError {
  return new ClientError('KFK_CLIENT_CLOSED', 'The client was closed.')
}

function key(address: BrokerAddress, lane: string): string {
  return `${formatAddress(address)}/${lane}`
}
