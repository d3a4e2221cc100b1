import {
  createClient,
  tlsTransport,
  type Client,
  type ClientError,
  type ClientOptions,
  type Logger as ClientLogger,
} from '@kfk/client'
import type { KafkaConfig, RetryOptions } from './config.js'
import { KafkaJSNonRetriableError } from './errors.js'
import type { Logger } from './logger.js'
import { observedClient, type ObservedRequest, type RequestObserver } from './observed-client.js'
import { retryBounds, retrying, type RetryBounds } from './retry.js'

/** What producers, consumers and admins set for their own connections. */
export interface LinkSettings {
  readonly retry?: RetryOptions | undefined
  readonly metadataMaxAge?: number | undefined
  readonly allowAutoTopicCreation?: boolean | undefined
  readonly maxInFlightRequests?: number | null | undefined
}

/** What is told of requests in general. */
export interface LinkEvents {
  readonly wantsRequests: () => boolean
  readonly request: (payload: object) => void
  readonly requestTimeout: (payload: object) => void
}

export interface LinkOptions {
  readonly config: KafkaConfig
  readonly settings: LinkSettings
  readonly logger: Logger
  readonly events: LinkEvents
  readonly observer?: RequestObserver
}

/** kafkajs's defaults where they differ from those of our client. */
const defaults = { clientId: 'kafkajs', connectionTimeout: 1000, requestTimeout: 30_000 }

/**
 * The connection of one producer, consumer or admin to the cluster: made at the first need, closed
 * by `disconnect`, and made anew when it is needed again.
 */
export class Link {
  readonly bounds: RetryBounds
  readonly clientId: string
  readonly logger: Logger
  readonly #options: LinkOptions
  #client: Promise<Client> | undefined
  #connected = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.logger = options.logger
    this.clientId = options.config.clientId ?? defaults.clientId
    this.bounds = retryBounds(options.config.retry, options.settings.retry)
  }

  get requestTimeoutMs(): number {
    return this.#options.config.requestTimeout ?? defaults.requestTimeout
  }

  get isConnected(): boolean {
    return this.#connected
  }

  /** Rejects as `connect` when the addresses cannot be had. */
  client(): Promise<Client> {
    this.#client ??= this.#open().catch((error: unknown) => {
      this.#client = undefined
      throw error
    })
    return this.#client
  }

  /** Resolves when a broker has answered; retried as the options say. */
  async connect(): Promise<void> {
    if (this.#connected) return
    await retrying(this.bounds, async () => {
      const client = await this.client()
      await client.metadata.cluster({ refresh: true })
    })
    this.#connected = true
  }

  async disconnect(): Promise<void> {
    const opened = this.#client
    this.#client = undefined
    this.#connected = false
    const client = await opened?.catch(() => undefined)
    await client?.close()
  }

  /** Runs a call of our client, retried and failing as kafkajs's do; see {@link retrying}. */
  call<T>(operation: (client: Client) => Promise<T>, options = { bail: true }): Promise<T> {
    return retrying(this.bounds, async () => operation(await this.client()), options)
  }

  async #open(): Promise<Client> {
    const { config } = this.#options
    const { brokers } = config
    const addresses = typeof brokers === 'function' ? await brokers() : brokers
    checkBrokers(addresses)
    const client = createClient(clientOptions(this.#options, addresses))
    return observedClient(client, this.#observer(client))
  }

  #observer(client: Client): RequestObserver {
    const { events, observer = {} } = this.#options
    const describe = ({ api, target, sentAt, correlationId }: ObservedRequest) => {
      const nodeId = typeof target === 'object' && 'nodeId' in target ? target.nodeId : undefined
      const broker = nodeId === undefined ? undefined : client.metadata.broker(nodeId)
      return {
        apiKey: api.key,
        apiName: apiName(api.name),
        apiVersion: client.negotiatedVersion(api, nodeId) ?? -1,
        broker: broker === undefined ? '' : `${broker.host}:${broker.port}`,
        clientId: this.clientId,
        correlationId,
        createdAt: sentAt,
        pendingDuration: 0,
        sentAt,
      }
    }
    return {
      sending: (request) => observer.sending?.(request),
      answered: (request, response) => {
        observer.answered?.(request, response)
        if (!events.wantsRequests()) return
        events.request({ ...describe(request), duration: Date.now() - request.sentAt, size: 0 })
      },
      failed: (request, error: ClientError) => {
        observer.failed?.(request, error)
        if (error.code === 'KFK_CLIENT_TIMEOUT') events.requestTimeout(describe(request))
      },
    }
  }
}

/** `ListOffsets` for `listOffsets`. */
function apiName(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

function checkBrokers(addresses: unknown): asserts addresses is readonly string[] {
  const isList = Array.isArray(addresses) && addresses.length > 0
  if (isList && addresses.every((each) => typeof each === 'string')) return
  throw new KafkaJSNonRetriableError(
    'Failed to connect: expected brokers array with at least one address, such as ["127.0.0.1:9092"].',
  )
}

function clientOptions(
  { config, settings, logger }: LinkOptions,
  brokers: readonly string[],
): ClientOptions {
  const { ssl, clientId, connectionTimeout, requestTimeout } = config
  const { metadataMaxAge, allowAutoTopicCreation = true, maxInFlightRequests } = settings
  const { initialRetryTime, maxRetryTime, retries } = retryBounds(config.retry, settings.retry)
  return {
    brokers,
    clientId: clientId ?? defaults.clientId,
    connectTimeoutMs: connectionTimeout ?? defaults.connectionTimeout,
    requestTimeoutMs: requestTimeout ?? defaults.requestTimeout,
    autoCreateTopics: allowAutoTopicCreation,
    retry: {
      initialMs: initialRetryTime,
      maxMs: maxRetryTime,
      retries: Math.min(retries, 2 ** 31 - 1),
    },
    logger: clientLogger(logger),
    ...(metadataMaxAge === undefined ? {} : { metadataMaxAgeMs: metadataMaxAge }),
    ...(typeof maxInFlightRequests === 'number' ? { maxInFlight: maxInFlightRequests } : {}),
    ...(ssl === undefined || ssl === false
      ? {}
      : { transport: tlsTransport(ssl === true ? {} : ssl) }),
  }
}

/** What the client repairs by itself is of interest when something is looked for. */
function clientLogger(logger: Logger): ClientLogger {
  const named = logger.namespace('Client')
  return {
    debug: (message, fields) => named.debug(message, fields),
    info: (message, fields) => named.debug(message, fields),
    warn: (message, fields) => named.warn(message, fields),
    error: (message, fields) => named.error(message, fields),
  }
}
