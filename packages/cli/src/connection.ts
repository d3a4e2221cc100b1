import { createAdmin, createClient, type Admin, type Client, type Logger } from '@kfk/client'
import type { Command } from 'commander'
import type { CommandContext } from './context.js'
import { StderrLogger } from './stderr-logger.js'

/** Options of every command that talks to a cluster. */
export interface ConnectionOptions {
  readonly brokers?: string
}

export const defaultBrokers = '127.0.0.1:9092'
/** Bound of one call of a command that asks or changes something, ms. */
export const callTimeoutMs = 15_000

/** Adds `--brokers`. */
export function addBrokersOption(command: Command): Command {
  return command.option(
    '-b, --brokers <list>',
    `brokers of the cluster, HOST:PORT,... (default: $KFK_BROKERS or ${defaultBrokers})`,
  )
}

export function brokersOf(options: ConnectionOptions, context: CommandContext): string {
  return options.brokers ?? context.io.env['KFK_BROKERS'] ?? defaultBrokers
}

/** What clients of a command have in common. Warnings go to standard error. */
export function clientOptions(options: ConnectionOptions, context: CommandContext) {
  const logger: Logger = new StderrLogger(context.io.stderr, 'warn')
  return { brokers: brokersOf(options, context), clientId: 'kfk-cli', logger }
}

/** Runs `use` with a client that asks no broker to create topics, and closes it. */
export async function withClient<T>(
  options: ConnectionOptions,
  context: CommandContext,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = createClient({
    ...clientOptions(options, context),
    autoCreateTopics: false,
    connectTimeoutMs: 5000,
    requestTimeoutMs: callTimeoutMs,
    retry: { retries: 5, initialMs: 100, maxMs: 1000 },
  })
  try {
    return await use(client)
  } finally {
    await client.close({ timeoutMs: 1000 })
  }
}

/** Runs `use` with an admin and the bounds of its calls. */
export function withAdmin<T>(
  options: ConnectionOptions,
  context: CommandContext,
  use: (
    admin: Admin,
    bounds: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ) => Promise<T>,
): Promise<T> {
  const bounds = { signal: context.signal, timeoutMs: callTimeoutMs }
  return withClient(options, context, (client) => use(createAdmin({ client }), bounds))
}
