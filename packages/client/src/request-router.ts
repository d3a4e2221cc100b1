import type { Api, RequestInput, ResponseOf } from '@kfk/protocol'
import { abortable } from './abortable.js'
import type { BrokerAddress } from './address.js'
import { noBrokerError } from './connect-errors.js'
import type { Connection } from './connection.js'
import { closedError } from './connection-pool.js'
import type { ConnectionPool } from './connection-pool.js'
import type { CoordinatorCache } from './coordinator-cache.js'
import { ClientError } from './errors.js'
import type { MetadataCache } from './metadata-cache.js'
import type { Random } from './random.js'
import { negotiateVersion } from './version-negotiation.js'

/** Who is to answer: any broker, the controller, one broker, or the coordinator of a group. */
export type Target = 'any' | 'controller' | { readonly nodeId: number } | { readonly group: string }

/** A body, or what makes one for the version that was negotiated. */
export type RequestBody<A extends Api> = RequestInput<A> | ((apiVersion: number) => RequestInput<A>)

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /**
   * Bound of the answer once connected, in milliseconds. Default: the client's `requestTimeoutMs`.
   */
  readonly timeoutMs?: number | undefined
  readonly minVersion?: number | undefined
  readonly maxVersion?: number | undefined
  /** The API has no response in this use (Produce with acks=0). */
  readonly noResponse?: boolean | undefined
  /**
   * Requests of one lane share a connection and are answered in order; those of different lanes do
   * not wait for each other. Default: 'main', or one lane per group for group targets.
   */
  readonly lane?: string | undefined
}

export interface RequestRouterOptions {
  readonly pool: ConnectionPool
  readonly metadata: MetadataCache
  readonly coordinators: CoordinatorCache
  readonly bootstrap: readonly BrokerAddress[]
  readonly requestTimeoutMs: number
  readonly random: Random
}

const mainLane = 'main'

/** Finds the connection for a target, opens it when needed, negotiates the version, and sends. */
export class RequestRouter {
  readonly #options: RequestRouterOptions
  #closed = false

  constructor(options: RequestRouterOptions) {
    this.#options = options
  }

  request<A extends Api>(
    api: A,
    body: RequestBody<A>,
    target: Target,
    options: RequestOptions = {},
  ): Promise<ResponseOf<A>> {
    // The usual case costs one promise: the address is known and the connection is open.
    const address = this.#knownAddress(target)
    const connection =
      address === undefined
        ? undefined
        : this.#options.pool.existing(address, options.lane ?? laneOf(target))
    if (connection !== undefined && !this.#closed) {
      return this.#send(connection, api, body, options)
    }
    return this.#connectAndSend(api, body, target, options)
  }

  /**
   * The version of the last exchange with this broker (or any known one); undefined before the
   * first connection.
   */
  negotiatedVersion(api: Api, nodeId?: number): number | undefined {
    const { metadata, pool, bootstrap } = this.#options
    const broker = nodeId === undefined ? undefined : metadata.broker(nodeId)
    const addresses =
      broker !== undefined
        ? [broker]
        : nodeId === undefined
          ? [...metadata.knownBrokers(), ...bootstrap]
          : []
    for (const address of addresses) {
      const ranges = pool.ranges(address)
      const offered = ranges?.get(api.key)
      if (offered === undefined) continue
      const version = Math.min(offered[1], api.versions[1])
      return version < offered[0] || version < api.versions[0] ? undefined : version
    }
    return undefined
  }

  close(): void {
    this.#closed = true
  }

  async #connectAndSend<A extends Api>(
    api: A,
    body: RequestBody<A>,
    target: Target,
    options: RequestOptions,
  ): Promise<ResponseOf<A>> {
    if (this.#closed) throw closedError()
    const lane = options.lane ?? laneOf(target)
    const { signal } = options
    const connection =
      target === 'any'
        ? await this.#anyConnection(lane, signal)
        : await this.#connect(await this.#resolve(target, signal), lane, signal)
    return this.#send(connection, api, body, options)
  }

  #send<A extends Api>(
    connection: Connection,
    api: A,
    body: RequestBody<A>,
    options: RequestOptions,
  ): Promise<ResponseOf<A>> {
    let version: number
    let content: RequestInput<A>
    try {
      version = negotiateVersion(api, connection.ranges, {
        broker: connection.address,
        minVersion: options.minVersion,
        maxVersion: options.maxVersion,
      })
      content = typeof body === 'function' ? body(version) : body
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as thrown
      return Promise.reject(error)
    }
    return connection.send(api, version, content, {
      timeoutMs: options.timeoutMs ?? this.#options.requestTimeoutMs,
      signal: options.signal,
      noResponse: options.noResponse,
    })
  }

  #connect(
    address: BrokerAddress,
    lane: string,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    return abortable(this.#options.pool.acquire(address, lane), signal)
  }

  #knownAddress(target: Target): BrokerAddress | undefined {
    if (typeof target === 'object' && 'nodeId' in target) {
      return this.#options.metadata.broker(target.nodeId)
    }
    return undefined
  }

  async #resolve(
    target: Exclude<Target, 'any'>,
    signal: AbortSignal | undefined,
  ): Promise<BrokerAddress> {
    const { metadata, coordinators } = this.#options
    if (typeof target === 'object') {
      if ('group' in target) return coordinators.find(target.group, signal)
      const { nodeId } = target
      const known = metadata.broker(nodeId)
      if (known !== undefined) return known
      await metadata.cluster({ signal, refresh: true })
      return metadata.broker(nodeId) ?? unknownBroker(`Broker ${nodeId}`)
    }
    const { controllerId } = await metadata.cluster({ signal })
    const known = metadata.broker(controllerId)
    if (known !== undefined) return known
    const refreshed = await metadata.cluster({ signal, refresh: true })
    return metadata.broker(refreshed.controllerId) ?? unknownBroker('The controller')
  }

  /** An open connection, or the first of the known and the bootstrap brokers that answers. */
  async #anyConnection(lane: string, signal: AbortSignal | undefined): Promise<Connection> {
    const { pool, metadata, bootstrap, random } = this.#options
    const open = pool.anyExisting(lane)
    if (open !== undefined) return open
    const failures: ClientError[] = []
    for (const address of distinct(rotated(metadata.knownBrokers(), random), bootstrap)) {
      try {
        return await this.#connect(address, lane, signal)
      } catch (error) {
        if (!(error instanceof ClientError) || isFinal(error)) throw error
        failures.push(error)
      }
    }
    throw noBrokerError(failures)
  }
}

function isFinal(error: ClientError): boolean {
  return error.code === 'KFK_CLIENT_ABORTED' || error.code === 'KFK_CLIENT_CLOSED'
}

function laneOf(target: Target): string {
  return typeof target === 'object' && 'group' in target ? `group:${target.group}` : mainLane
}

/** Starts at a random place, so that many clients do not all ask the same broker. */
function rotated(brokers: readonly BrokerAddress[], random: Random): BrokerAddress[] {
  const start = Math.floor(random() * brokers.length)
  return [...brokers.slice(start), ...brokers.slice(0, start)]
}

function distinct(
  first: readonly BrokerAddress[],
  second: readonly BrokerAddress[],
): BrokerAddress[] {
  const isKnown = (address: BrokerAddress): boolean =>
    first.some(({ host, port }) => host === address.host && port === address.port)
  return [...first, ...second.filter((address) => !isKnown(address))]
}

function unknownBroker(who: string): never {
  throw new ClientError('KFK_CLIENT_UNREACHABLE', `${who} is not among the live brokers.`, {
    retriable: true,
  })
}
