import { readFile } from 'node:fs/promises'
import { getProperties } from 'properties-file'
import { failure, usageError } from '../errors.js'

// The broker's own defaults.
export const defaultDataDir = './kfk-data'
export const defaultHost = '127.0.0.1'
export const defaultPort = 9092

/** What the command line says about the broker besides configs by name. */
export interface BrokerFlags {
  readonly port?: number
  readonly host?: string
  readonly dataDir?: string
  readonly nodeId?: number
  readonly rack?: string
  readonly advertisedHost?: string
  readonly advertisedPort?: number
}

/** Where the settings of a broker come from; later ones win: file, `--set`, flags. */
export interface ServerConfigSources {
  readonly file?: string
  readonly set?: Readonly<Record<string, string>>
  readonly flags: BrokerFlags
}

/** What the command line says of the configs by name. */
export interface ConfigOptions {
  readonly config?: string
  readonly set?: Readonly<Record<string, string>>
}

/** The sources that a command line names. */
export function configSources(options: BrokerFlags & ConfigOptions): ServerConfigSources {
  const { config: file, set } = options
  return { flags: options, ...(file !== undefined && { file }), ...(set !== undefined && { set }) }
}

export interface ServerConfig {
  /** Configs by Kafka's names; none that a flag says too. */
  readonly config: Record<string, string>
  readonly nodeId?: number
  readonly dataDir?: string
  readonly rack?: string
  readonly host?: string
  readonly port?: number
  readonly advertisedHost?: string
  readonly advertisedPort?: number
  /** kfk's own `redis.durability`, which the broker has no part in. */
  readonly redisDurability: 'warn' | 'strict'
}

/**
 * Puts file, `--set` and flags together.
 * @throws CliError when the file cannot be read or is no properties file
 */
export async function readServerConfig(sources: ServerConfigSources): Promise<ServerConfig> {
  const { file, set = {}, flags } = sources
  const config = { ...(file === undefined ? {} : await readProperties(file)), ...set }
  const redisDurability = takeRedisDurability(config)
  const { nodeId, dataDir, rack, host, port, advertisedHost, advertisedPort } = flags
  if (nodeId !== undefined) delete config['node.id']
  if (dataDir !== undefined) delete config['log.dirs']
  if (rack !== undefined) delete config['broker.rack']
  return {
    config,
    redisDurability,
    ...(nodeId !== undefined && { nodeId }),
    ...(dataDir !== undefined && { dataDir }),
    ...(rack !== undefined && { rack }),
    ...settleAddress(config, 'listeners', { host, port }),
    ...prefixed(
      settleAddress(config, 'advertised.listeners', { host: advertisedHost, port: advertisedPort }),
    ),
  }
}

async function readProperties(file: string): Promise<Record<string, string>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw failure(`cannot read the config file ${file}`, { cause })
  }
  try {
    return { ...getProperties(text) }
  } catch (cause) {
    throw usageError(`${file} is no properties file: ${(cause as Error).message}`)
  }
}

function takeRedisDurability(config: Record<string, string>): 'warn' | 'strict' {
  const value = config['redis.durability'] ?? 'warn'
  delete config['redis.durability']
  if (value === 'warn' || value === 'strict') return value
  throw usageError(`Invalid value '${value}' for redis.durability: allowed are warn and strict`)
}

/**
 * A flag for one half of an address keeps the other half of the config. A listener that this does
 * not understand stays where it is: the broker says what is wrong with it.
 */
function settleAddress(
  config: Record<string, string>,
  name: string,
  { host, port }: { host: string | undefined; port: number | undefined },
): { host?: string; port?: number } {
  const listener = /^PLAINTEXT:\/\/(\[[^\]]+\]|[^:/,]*):(\d+)$/.exec((config[name] ?? '').trim())
  if (listener !== null && (host !== undefined || port !== undefined)) {
    Reflect.deleteProperty(config, name)
  }
  const configured =
    listener === null
      ? {}
      : { host: listener[1]!.replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(listener[2]) }
  const settled = { host: host ?? configured.host, port: port ?? configured.port }
  return {
    ...(settled.host !== undefined && { host: settled.host }),
    ...(settled.port !== undefined && { port: settled.port }),
  }
}

function prefixed({ host, port }: { host?: string; port?: number }) {
  return {
    ...(host !== undefined && { advertisedHost: host }),
    ...(port !== undefined && { advertisedPort: port }),
  }
}
