import { createBroker, type BrokerOptions } from '@kfk/broker'
import { formatAddress } from '@kfk/client'
import type { CommandContext } from '../context.js'
import { exitCodes } from '../errors.js'
import { StderrLogger, type LogLevel } from '../stderr-logger.js'
import { openCoordination } from './open-coordination.js'
import {
  configSources,
  defaultDataDir,
  defaultHost,
  readServerConfig,
  type BrokerFlags,
  type ConfigOptions,
} from './server-config.js'
import { supervision, type Supervision } from './supervision.js'

export interface BrokerCommandOptions extends BrokerFlags, ConfigOptions {
  readonly allowInsecure?: boolean
  readonly durability?: 'disk' | 'os'
  readonly coordination: string
  readonly cluster?: string
  readonly logLevel: LogLevel
  /** Run so many brokers, as processes. */
  readonly processes?: number
  /** This is one of them. */
  readonly supervised?: boolean
}

/** Runs a broker until the process is told to stop. */
export async function runBroker(
  options: BrokerCommandOptions,
  context: CommandContext,
): Promise<number> {
  if (options.supervised !== true) return runWith(options, context, undefined)
  const supervised = supervision(context.io)
  try {
    return await runWith(options, context, supervised)
  } finally {
    supervised.end()
  }
}

async function runWith(
  options: BrokerCommandOptions,
  context: CommandContext,
  supervised: Supervision | undefined,
): Promise<number> {
  const source = supervised && `node ${options.nodeId}`
  const logger = new StderrLogger(context.io.stderr, options.logLevel, source)
  const { redisDurability, ...settings } = await readServerConfig(configSources(options))
  const { coordination: url, cluster } = options
  const channel = supervised?.channel
  const coordination = await openCoordination({ url, cluster, redisDurability, logger, channel })
  try {
    const brokerOptions: BrokerOptions = {
      ...settings,
      logger,
      ...(options.allowInsecure !== undefined && { allowInsecure: options.allowInsecure }),
      ...(options.durability !== undefined && { durability: options.durability }),
      ...(coordination !== undefined && { coordination }),
    }
    await serve(brokerOptions, context, supervised)
  } finally {
    await coordination?.close()
  }
  return exitCodes.ok
}

async function serve(
  options: BrokerOptions,
  context: CommandContext,
  supervised: Supervision | undefined,
): Promise<void> {
  const broker = await createBroker(options)
  try {
    const port = options.port === undefined || options.port === 0 ? broker.port : options.port
    const listening = formatAddress({ host: options.host ?? defaultHost, port })
    const advertised = broker.brokers[0]!
    const { port: ownPort, clusterId } = broker
    supervised?.tell({ kfk: 'listening', port: ownPort, advertised, clusterId })
    const facts = [
      ...(advertised === listening ? [] : [`advertised as ${advertised}`]),
      `node ${broker.nodeId} of cluster ${broker.clusterId}`,
      `data in ${options.dataDir ?? options.config?.['log.dirs'] ?? defaultDataDir}`,
    ]
    // Whoever reads this may go away after the first line; the broker stays.
    await context.out.line(`listening on ${listening} (${facts.join(', ')})`).catch(() => undefined)
    const signals = supervised ? [supervised.signal] : []
    const stop = AbortSignal.any([context.io.signal, ...signals])
    const reason = await Promise.race([interrupted(stop), broker.closed])
    if (reason !== undefined) throw reason
  } finally {
    await broker.close()
  }
}

function interrupted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}
