import { hostname } from 'node:os'
import type { Coordination } from '@kfk/coordination'
import type { FileSystem } from '@kfk/log-store'
import type { WireCodec } from '@kfk/protocol'
import { StaticBrokerConfig } from './config/broker-config.js'
import { BrokerError } from './errors.js'
import type { Clock } from './runtime/clock.js'
import type { Logger } from './runtime/logger.js'

/**
 * How to run a broker. Everything has a default: `createBroker()` is a broker on 127.0.0.1:9092.
 */
export interface BrokerOptions {
  /** Number of this broker in its cluster, 0 to 1023 (`node.id`). Default 1. */
  readonly nodeId?: number
  /** Where the logs are (`log.dirs`); locked while the broker runs. Default `./kfk-data`. */
  readonly dataDir?: string
  /** Address to listen on. Default 127.0.0.1; beyond loopback `allowInsecure` is needed. */
  readonly host?: string
  /** Port to listen on; 0: the kernel chooses. Default 9092. */
  readonly port?: number
  /**
   * Address that clients are told (`advertised.listeners`). Default `host`, or the name of the
   * machine when `host` is a wildcard (0.0.0.0, ::), which nobody can connect to. Prefer IPv4 or a
   * name that has no IPv6 address.
   */
  readonly advertisedHost?: string
  /** Port that clients are told. Default: the port listened on. */
  readonly advertisedPort?: number
  /** Allows a listener beyond loopback without authentication. Default false. */
  readonly allowInsecure?: boolean
  /** Where the broker stands (`broker.rack`). */
  readonly rack?: string
  /** How brokers find each other. Default: a file in the data directory, for one broker. */
  readonly coordination?: Coordination
  /** Values by Kafka's config names. An unknown name or a bad value is an error. */
  readonly config?: Readonly<Record<string, string>>
  /**
   * `disk`: a record is on disk before it is acknowledged (`flush.messages` 1, the default). `os`:
   * the operating system decides (`flush.messages` Long.MAX), and a power loss takes acknowledged
   * records. Internal topics stay at `disk`.
   */
  readonly durability?: 'disk' | 'os'
  /** How requests and responses are written on the listener. Default: Kafka's protocol. */
  readonly codec?: WireCodec
  /** Default: the machine's. */
  readonly fileSystem?: FileSystem
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Default: silent. */
  readonly logger?: Logger
  /**
   * Whether to open the listener; without it the broker is reached by its in-process transport
   * alone. Default true.
   */
  readonly listen?: boolean
}

/** Options with everything settled that does not need the outside world. */
export interface ResolvedBrokerOptions {
  readonly nodeId: number
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly advertisedHost: string
  /** Undefined: the port that the listener got. */
  readonly advertisedPort: number | undefined
  readonly rack: string | null
  readonly config: StaticBrokerConfig
  readonly listen: boolean
}

/**
 * Settles options and config, which may both name the same thing; if they differ that is an error.
 *
 * @throws {BrokerError} KFK_BROKER_INVALID_CONFIG; KFK_BROKER_INSECURE for a listener beyond
 *   loopback.
 */
export function resolveOptions(options: BrokerOptions = {}): ResolvedBrokerOptions {
  const given = { ...options.config }
  const listener = parseListener('listeners', given['listeners'])
  const advertised = parseListener('advertised.listeners', given['advertised.listeners'])
  const nodeId = settle('nodeId', options.nodeId, configuredId(given)) ?? 1
  const dataDir = settle('dataDir', options.dataDir, given['log.dirs']) ?? './kfk-data'
  const host = settle('host', options.host, listener?.host) ?? '127.0.0.1'
  const port = settle('port', options.port, listener?.port) ?? 9092
  const advertisedHost =
    settle('advertisedHost', options.advertisedHost, advertised?.host) ??
    (isWildcard(host) ? hostname() : host)
  const advertisedPort = settle('advertisedPort', options.advertisedPort, advertised?.port)
  const rack = settle('rack', options.rack, given['broker.rack']) ?? null
  checkPort('port', port)
  if (advertisedPort !== undefined) checkPort('advertisedPort', advertisedPort)
  if (isWildcard(advertisedHost)) {
    throw invalid(
      `clients cannot connect to ${advertisedHost}: advertisedHost (--advertised-host) is a name ` +
        'or an address at which they reach this machine',
    )
  }
  if (dataDir.includes(',')) {
    throw invalid(`log.dirs names one directory, not '${dataDir}'`)
  }
  if (options.allowInsecure !== true && options.listen !== false && !isLoopback(host)) {
    throw new BrokerError(
      'KFK_BROKER_INSECURE',
      `host ${host} is reachable from outside and there is no authentication: listen on ` +
        '127.0.0.1, or allow it with allowInsecure (--allow-insecure)',
      { details: { host } },
    )
  }
  const shown = port === 0 ? undefined : `PLAINTEXT://${host}:${port}`
  const config = StaticBrokerConfig.parse(
    {
      ...given,
      'node.id': String(nodeId),
      'broker.id': String(nodeId),
      'log.dirs': dataDir,
      ...(shown !== undefined && { listeners: shown }),
      ...(rack !== null && { 'broker.rack': rack }),
      ...(advertisedPort !== undefined && {
        'advertised.listeners': `PLAINTEXT://${advertisedHost}:${advertisedPort}`,
      }),
    },
    options.durability === undefined ? {} : { durability: options.durability },
  )
  const listen = options.listen ?? true
  return { nodeId, dataDir, host, port, advertisedHost, advertisedPort, rack, config, listen }
}

/**
 * The one node of `controller.quorum.voters`, and its address if that is given too; undefined when
 * it is empty.
 */
export function configuredVoter(
  config: StaticBrokerConfig,
): { nodeId: number; host?: string; port?: number } | undefined {
  const match = /^(\d+)(?:@(.+):(\d+))?$/.exec(config.string('controller.quorum.voters').trim())
  if (match === null) return undefined
  const [, nodeId, host, port] = match
  return { nodeId: Number(nodeId), ...(host !== undefined && { host, port: Number(port) }) }
}

function settle<T>(name: string, option: T | undefined, fromConfig: T | undefined): T | undefined {
  if (option !== undefined && fromConfig !== undefined && option !== fromConfig) {
    throw invalid(
      `option ${name} says '${String(option)}' and the config says '${String(fromConfig)}'`,
    )
  }
  return option ?? fromConfig
}

/** `broker.id` is what Kafka called `node.id` before. */
function configuredId(given: Readonly<Record<string, string>>): number | undefined {
  return settle('node.id', numberOf(given['node.id']), numberOf(given['broker.id']))
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

function parseListener(
  name: string,
  value: string | undefined,
): { host: string; port: number } | undefined {
  if (value === undefined) return undefined
  const match = /^PLAINTEXT:\/\/(\[[0-9a-fA-F:]+\]|[^:,/\s]*):(\d{1,5})$/.exec(value.trim())
  if (match === null) {
    throw invalid(`Invalid value '${value}' for ${name}: allowed is one PLAINTEXT://host:port`)
  }
  const host = match[1]!.replace(/^\[|\]$/g, '')
  // Kafka: an empty host is the wildcard.
  return { host: host === '' ? '0.0.0.0' : host, port: Number(match[2]) }
}

function checkPort(name: string, port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalid(`${name} is a number from 0 to 65535, not ${port}`)
  }
}

/** Every address of the machine, and so none to connect to. */
function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]*:[0:]*$/.test(host)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

function invalid(message: string): BrokerError {
  return new BrokerError('KFK_BROKER_INVALID_CONFIG', message)
}
