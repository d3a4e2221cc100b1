import { CoordinationError } from '@kfk/coordination'
import { Cluster, type Redis } from 'ioredis'
import type { Logger } from './logger.js'
import type { RedisConnection, RedisLink } from './redis-link.js'

/** Settings without which the server loses or evicts what it acknowledged. */
const wanted = { appendonly: 'yes', 'maxmemory-policy': 'noeviction' } as const

/**
 * Warns of settings that lose state; with `strict` throws `KFK_COORDINATION_INVALID_VALUE`. Where
 * CONFIG is forbidden, as by most hosting companies, it says so and goes on.
 */
export async function checkServer(
  link: RedisLink,
  options: { strict: boolean; logger: Logger; signal: AbortSignal },
): Promise<void> {
  const read = (connection: RedisConnection): Promise<Record<string, string>[]> => {
    const nodes = connection instanceof Cluster ? connection.nodes('master') : [connection]
    return Promise.all(nodes.map(readSettings))
  }
  let settings: Record<string, string>[]
  try {
    settings = await link.call(read, { signal: options.signal })
  } catch (error) {
    if (error instanceof CoordinationError && error.code === 'KFK_COORDINATION_CLOSED') throw error
    options.logger.warn('redis: its settings could not be checked: CONFIG GET is refused', {
      wanted,
      error: error instanceof Error ? error.message : String(error),
    })
    return
  }
  for (const [name, value] of Object.entries(wanted)) {
    const other = settings.find((found) => found[name] !== value)
    if (!other) continue
    const message = `redis: ${name} is ${other[name] ?? 'unknown'}, not ${value}: the server may lose acknowledged coordination state`
    if (options.strict) {
      const details = { setting: name, wanted: value }
      throw new CoordinationError('KFK_COORDINATION_INVALID_VALUE', message, { details })
    }
    options.logger.warn(message)
  }
}

async function readSettings(node: Redis): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  // One by one: several names in one CONFIG GET need Redis 7.
  for (const name of Object.keys(wanted)) {
    const reply: unknown = await node.config('GET', name)
    const value: unknown = Array.isArray(reply) ? reply[1] : undefined
    if (typeof value === 'string') found[name] = value
  }
  return found
}

/**
 * Names the process and the history of the data behind the connection: differs after a restart, a
 * failover, or a full resynchronisation. Undefined where INFO is forbidden, and for Redis Cluster,
 * whose INFO is of any node.
 */
export async function readServerIdentity(
  link: RedisLink,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await link.call(
      async (connection) => {
        if (connection instanceof Cluster) return undefined
        const [server, replication] = await Promise.all([
          connection.info('server'),
          connection.info('replication'),
        ])
        const runId = /^run_id:(\w{1,64})/m.exec(server)?.[1]
        const replicationId = /^master_replid:(\w{1,64})/m.exec(replication)?.[1]
        return runId && replicationId && `${runId} ${replicationId}`
      },
      { signal },
    )
  } catch (error) {
    // Only a refusal of INFO itself is no news; when the server is away the caller has to know.
    const cause = error instanceof CoordinationError ? error.cause : undefined
    if (cause instanceof Error && /^(NOPERM|ERR unknown command)/.test(cause.message)) {
      return undefined
    }
    throw error
  }
}
