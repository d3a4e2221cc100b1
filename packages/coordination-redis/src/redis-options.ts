import { CoordinationError, DEFAULT_MAX_VALUE_BYTES } from '@kfk/coordination'
import { Cluster, type ClusterNode, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import { type Logger, warningLogger } from './logger.js'

export interface RedisCoordinationOptions {
  /**
   * `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Default
   * `redis://127.0.0.1:6379`.
   */
  readonly url?: string
  /**
   * Name of the kfk cluster: brokers that name the same one see each other. Letters, digits, `.`,
   * `_`, `-`. Default `default`.
   */
  readonly clusterName?: string
  /** Put before every key, for a server that others use too. Without braces. Default none. */
  readonly keyPrefix?: string
  /** Passed to ioredis: `tls`, `sentinels` and `name`, `username`, `password`, `db`, `family`... */
  readonly redis?: RedisOptions
  /** Redis Cluster instead of one server: passed to ioredis. */
  readonly cluster?: { readonly nodes: readonly ClusterNode[]; readonly options?: ClusterOptions }
  /** Bound of every call, including connecting, ms. Default 2000. */
  readonly callTimeoutMs?: number
  /** Longest value in UTF-8 bytes. Default 1 MiB. */
  readonly maxValueBytes?: number
  /**
   * How many changes the server keeps, about, for watchers that are behind; further behind is a
   * gap. Default 10000.
   */
  readonly changeLogLength?: number
  /**
   * How long the change feed waits for news before it looks after expired sessions, ms. Default
   * 500.
   */
  readonly feedIdleMs?: number
  /**
   * What to do about a server that may lose acknowledged state (`appendonly` is not `yes`) or evict
   * it (`maxmemory-policy` is not `noeviction`). Default `warn`; `strict` refuses to start.
   */
  readonly durability?: 'warn' | 'strict'
  /** Default: warnings of the process. */
  readonly logger?: Logger
}

/** Options with all that the adapter needs decided. */
export interface ResolvedOptions {
  readonly keys: readonly string[]
  /** Key of the stream of changes. */
  readonly changesKey: string
  readonly callTimeoutMs: number
  readonly maxValueBytes: number
  readonly changeLogLength: number
  readonly feedIdleMs: number
  readonly strict: boolean
  readonly logger: Logger
  /** A new connection object that connects at once and again when it is lost. */
  createConnection(name: string): Redis | Cluster
}

const keyNames = ['counters', 'entries', 'index', 'sessions', 'deadlines', 'owned', 'changes']
/** Longest pause between two attempts to connect, ms. */
const MAX_RECONNECT_DELAY_MS = 1000

/**
 * A server that does not end its side of a closed connection within this time is left without, ms.
 */
const DISCONNECT_TIMEOUT_MS = 200

/** Applies defaults; throws `KFK_COORDINATION_INVALID_VALUE`. */
export function resolveOptions(options: RedisCoordinationOptions): ResolvedOptions {
  const clusterName = options.clusterName ?? 'default'
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(clusterName)) {
    throw invalid('clusterName is 1 to 128 letters, digits, ".", "_" or "-"', { clusterName })
  }
  const prefix = options.keyPrefix ?? ''
  // A brace of its own would move the hash tag, and so the keys to different nodes.
  if (!/^[^{}\s]{0,128}$/.test(prefix)) {
    throw invalid('keyPrefix is at most 128 characters without braces and spaces', { prefix })
  }
  const tag = `${prefix}{kfk:${clusterName}}`
  return {
    keys: keyNames.map((name) => `${tag}:${name}`),
    changesKey: `${tag}:changes`,
    callTimeoutMs: positive('callTimeoutMs', options.callTimeoutMs ?? 2000),
    maxValueBytes: positive('maxValueBytes', options.maxValueBytes ?? DEFAULT_MAX_VALUE_BYTES),
    changeLogLength: positive('changeLogLength', options.changeLogLength ?? 10_000),
    feedIdleMs: positive('feedIdleMs', options.feedIdleMs ?? 500),
    strict: options.durability === 'strict',
    logger: options.logger ?? warningLogger,
    createConnection: (name) => createConnection(options, name),
  }
}

function createConnection(options: RedisCoordinationOptions, name: string): Redis | Cluster {
  const retry = (times: number): number => Math.min(times * 50, MAX_RECONNECT_DELAY_MS)
  const connectTimeout = options.callTimeoutMs ?? 2000
  // RESP2: the shape of replies is the same on every server and proxy. Nothing is queued or sent
  // twice, because a step that its caller has given up must not happen much later.
  const common = {
    protocol: 2,
    connectTimeout,
    connectionName: `kfk:${name}`,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    retryStrategy: retry,
  } as const
  if (options.cluster) {
    const { nodes, options: given } = options.cluster
    return new Cluster([...nodes], {
      ...given,
      clusterRetryStrategy: retry,
      enableOfflineQueue: false,
      redisOptions: {
        ...options.redis,
        ...given?.redisOptions,
        protocol: 2,
        connectTimeout,
        disconnectTimeout: DISCONNECT_TIMEOUT_MS,
        connectionName: common.connectionName,
      },
    })
  }
  const merged: RedisOptions = { ...options.redis, ...common }
  if (options.url === undefined && (merged.sentinels || merged.host || merged.path)) {
    return new Redis(merged)
  }
  return new Redis(options.url ?? 'redis://127.0.0.1:6379', merged)
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw invalid(`${name} is a positive integer`, { [name]: value })
}

function invalid(message: string, details: Record<string, unknown>): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_INVALID_VALUE', message, { details })
}
