import { createBroker, type BrokerOptions } from '@kfk/broker'
import { formatAddress } from '@kfk/client'
import type { CommandContext } from '../context.js'
import { exitCodes } from '../errors.js'
import { StderrLogger, type LogLevel } from '../stderr-logger.js'
import { openCoordination } from './open-coordination.js'
import { readServerConfig, type BrokerFlags } from './server-config.js'

export interface BrokerCommandOptions extends BrokerFlags {
  readonly config?: string
  readonly set?: Readonly<Record<string, string>>
  readonly allowInsecure?: boolean
  readonly durability?: 'disk' | 'os'
  readonly coordination: string
  readonly cluster?: string
  readonly logLevel: LogLevel
}

/** The broker's own default. */
const defaultHost = '127.0.0.1'

/** Runs a broker until the process is told to stop. */
export async function runBroker(
  options: BrokerCommandOptions,
  context: CommandContext,
): Promise<number> {
  const logger = new StderrLogger(context.io.stderr, options.logLevel)
  const { redisDurability, ...settings } = await readServerConfig({
    flags: options,
    ...(options.config !== undefined && { file: options.config }),
    ...(options.set !== undefined && { set: options.set }),
  })
  const { coordination: url, cluster } = options
  const coordination = await openCoordination({ url, cluster, redisDurability, logger })
  try {
    const brokerOptions: BrokerOptions = {
      ...settings,
      logger,
      ...(options.allowInsecure !== undefined && { allowInsecure: options.allowInsecure }),
      ...(options.durability !== undefined && { durability: options.durability }),
      ...(coordination !== undefined && { coordination }),
    }
    await serve(brokerOptions, context)
  } finally {
    await coordination?.close()
  }
  return exitCodes.ok
}

async function serve(options: BrokerOptions, context: CommandContext): Promise<void> {
  const broker = await createBroker(options)
  try {
    const port = options.port === undefined || options.port === 0 ? broker.port : options.port
    const listening = formatAddress({ host: options.host ?? defaultHost, port })
    const advertised = broker.brokers[0]
    const facts = [
      ...(advertised === listening ? [] : [`advertised as ${advertised}`]),
      `node ${broker.nodeId} of cluster ${broker.clusterId}`,
      `data in ${options.dataDir ?? options.config?.['log.dirs'] ?? './kfk-data'}`,
    ]
    // Whoever reads this may go away after the first line; the broker stays.
    await context.out.line(`listening on ${listening} (${facts.join(', ')})`).catch(() => undefined)
    const reason = await Promise.race([interrupted(context.io.signal), broker.closed])
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
