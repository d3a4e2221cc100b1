import { apis, kafkaCodec } from '@kfk/protocol'
import type { Api, ResponseOf, WireCodec } from '@kfk/protocol'
import { parseAddresses } from './address.js'
import type { BrokerAddress } from './address.js'
import { systemClock } from './clock.js'
import type { Clock } from './clock.js'
import { ConnectionPool } from './connection-pool.js'
import { CoordinatorCache } from './coordinator-cache.js'
import type { Coordinator } from './coordinator-cache.js'
import { invalidArgument } from './errors.js'
import { silentLogger } from './logger.js'
import type { Logger } from './logger.js'
import { MetadataCache } from './metadata-cache.js'
import type { Metadata } from './metadata.js'
import { seededRandom } from './random.js'
import type { Random } from './random.js'
import { ReceiveMemory } from './receive-memory.js'
import { RequestRouter } from './request-router.js'
import type { RequestBody, RequestOptions, Target } from './request-router.js'
import { defaultRetryPolicy, retrying } from './retry.js'
import type { RetryingOptions, RetryPolicy } from './retry.js'
import { tcpTransport } from './transport.js'
import type { Transport } from './transport.js'

/** A broker in this process, as `createBroker()` returns it. */
export interface InProcessBroker {
  readonly transport: Transport
  /** `host:port` of each broker that the transport reaches. */
  readonly brokers: readonly string[]
}

/** How to reach a cluster: one of `brokers` and `broker`. */
export interface ClientOptions {
  /**
   * Some brokers of the cluster, as `host:port`; the others are learnt from them
   * (`bootstrap.servers`).
   */
  readonly brokers?: string | readonly string[]
  /** A broker in this process: no socket is used. */
  readonly broker?: InProcessBroker
  /** Shown in the broker's logs and quotas (`client.id`). Default 'kfk'. */
  readonly clientId?: string
  /** Default: plain TCP. See `tlsTransport`. */
  readonly transport?: Transport
  /** Default: Kafka's wire format. Must be what the listener speaks. */
  readonly codec?: WireCodec
  /** Bound of one answer, in milliseconds (`request.timeout.ms`). Default 30000. */
  readonly requestTimeoutMs?: number
  /**
   * Bound of opening a connection, in milliseconds (`socket.connection.setup.timeout.ms`). Default
   * 10000.
   */
  readonly connectTimeoutMs?: number
  /** Backoff of `retrying`, also used by producer and consumer. */
  readonly retry?: Partial<RetryPolicy>
  readonly logger?: Logger
  /** Requests on the wire per connection (`max.in.flight.requests.per.connection`). Default 5. */
  readonly maxInFlight?: number
  /**
   * Let brokers create missing topics that are asked for by name, if they are configured to.
   * Default true.
   */
  readonly autoCreateTopics?: boolean
  /**
   * Age after which metadata is fetched again, in milliseconds (`metadata.max.age.ms`). Default
   * 300000.
   */
  readonly metadataMaxAgeMs?: number
  /** Largest response accepted, in bytes. Default 128 MiB. */
  readonly maxResponseBytes?: number
  readonly clock?: Clock
  /** Source of jitter; `seededRandom(seed)` makes a run repeatable. */
  readonly random?: Random
}

/**
 * Connections, metadata and routing for one cluster. Connects at the first request. May be shared
 * by any number of producers, consumers and admins, which then do not close it.
 */
export interface Client extends AsyncDisposable {
  /**
   * One attempt, reconnecting first when the connection is gone. Error codes inside the response
   * are the caller's. Rejects with ClientError; retriable ones fit `retrying`. After
   * KFK_CLIENT_DISCONNECTED or _TIMEOUT it is unknown whether the broker carried out the request.
   */
  request<A extends Api>(
    api: A,
    body: RequestBody<A>,
    target: Target,
    options?: RequestOptions,
  ): Promise<ResponseOf<A>>
  /**
   * The version that requests of this API use; undefined before the first connection, or if there
   * is none in common.
   */
  negotiatedVersion(api: Api, nodeId?: number): number | undefined
  /**
   * Says that nobody uses the answer any more that `bytes` are a part of: other answers come to be
   * where it was. It need not be said.
   */
  giveBack(bytes: Uint8Array): void
  readonly metadata: Metadata
  /** The coordinator of a group, from the cache when known. */
  findCoordinator(
    group: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Coordinator>
  /** To be called after NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, or a lost connection to it. */
  invalidateCoordinator(group: string): void
  /**
   * Repeats `operation` while it fails with a retriable ClientError, with the client's backoff and
   * jitter.
   */
  retrying<T>(operation: (attempt: number) => Promise<T>, options?: RetryingOptions): Promise<T>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly retryPolicy: RetryPolicy
  /** Requests on the wire per connection. */
  readonly maxInFlight: number
  /**
   * Waits at most `timeoutMs` (default 5000) for requests under way, then closes the connections.
   * Idempotent.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

const defaults = {
  clientId: 'kfk',
  requestTimeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  maxInFlight: 5,
  metadataMaxAgeMs: 300_000,
  maxResponseBytes: 128 * 1024 * 1024,
  closeTimeoutMs: 5000,
}

/**
 * Makes a client. Nothing is contacted yet.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function createClient(options: ClientOptions): Client {
  const clock = options.clock ?? systemClock
  const random = options.random ?? seededRandom(Math.floor(Math.random() * 2 ** 32))
  const logger = options.logger ?? silentLogger
  const retryPolicy = { ...defaultRetryPolicy, ...options.retry }
  const maxInFlight = positive('maxInFlight', options.maxInFlight ?? defaults.maxInFlight)
  const { pool, memory, metadata, coordinators, router } = wire(options, {
    clock,
    random,
    logger,
    maxInFlight,
  })
  let closing: Promise<void> | undefined
  const close = (closeOptions: { readonly timeoutMs?: number } = {}): Promise<void> => {
    router.close()
    memory.close()
    closing ??= pool.close(closeOptions.timeoutMs ?? defaults.closeTimeoutMs)
    return closing
  }
  return {
    request: (api, body, target, requestOptions) =>
      router.request(api, body, target, requestOptions),
    negotiatedVersion: (api, nodeId) => router.negotiatedVersion(api, nodeId),
    giveBack: (bytes) => memory.give(bytes),
    metadata,
    findCoordinator: (group, findOptions) => coordinators.find(group, findOptions?.signal),
    invalidateCoordinator: (group) => coordinators.invalidate(group),
    retrying: (operation, retryOptions) =>
      retrying(operation, retryPolicy, { clock, random }, retryOptions),
    clock,
    random,
    logger,
    retryPolicy,
    maxInFlight,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

interface Environment {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly maxInFlight: number
}

/**
 * The parts of a client; metadata and coordinators are asked for through the router, which uses
 * both.
 */
function wire(options: ClientOptions, environment: Environment) {
  const { clock, random, logger, maxInFlight } = environment
  const bootstrap = bootstrapAddresses(options)
  const memory = new ReceiveMemory(clock)
  const pool = new ConnectionPool({
    transport: options.transport ?? options.broker?.transport ?? tcpTransport(),
    codec: options.codec ?? kafkaCodec,
    clientId: options.clientId ?? defaults.clientId,
    connectTimeoutMs: positive(
      'connectTimeoutMs',
      options.connectTimeoutMs ?? defaults.connectTimeoutMs,
    ),
    maxInFlight,
    maxFrameBytes: options.maxResponseBytes ?? defaults.maxResponseBytes,
    memory,
    clock,
    logger,
  })
  const metadata: MetadataCache = new MetadataCache({
    send: (body, minVersion) => router.request(apis.metadata, body, 'any', { minVersion }),
    clock,
    maxAgeMs: options.metadataMaxAgeMs ?? defaults.metadataMaxAgeMs,
    autoCreate: options.autoCreateTopics ?? true,
  })
  const coordinators: CoordinatorCache = new CoordinatorCache({
    send: (body) => router.request(apis.findCoordinator, body, 'any'),
    onFound: (coordinator) => metadata.learnBroker(coordinator),
  })
  const router: RequestRouter = new RequestRouter({
    pool,
    metadata,
    coordinators,
    bootstrap,
    requestTimeoutMs: positive(
      'requestTimeoutMs',
      options.requestTimeoutMs ?? defaults.requestTimeoutMs,
    ),
    random,
  })
  return { pool, memory, metadata, coordinators, router }
}

function bootstrapAddresses(options: ClientOptions): BrokerAddress[] {
  if (options.brokers !== undefined && options.broker !== undefined) {
    throw invalidArgument('Pass either `brokers` or `broker`, not both.')
  }
  const brokers = options.brokers ?? options.broker?.brokers
  if (brokers === undefined) {
    throw invalidArgument("Where is the cluster? Pass `brokers`, for example ['127.0.0.1:9092'].")
  }
  return parseAddresses(brokers)
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw invalidArgument(`${name} must be a positive number, not ${value}.`)
}
