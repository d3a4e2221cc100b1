import {
  channelCoordination,
  CoordinationError,
  memoryCoordination,
  type Channel,
  type Coordination,
} from '@kfk/coordination'
import { failure, usageError } from '../errors.js'
import type { StderrLogger } from '../stderr-logger.js'

export interface CoordinationSettings {
  /** `file`, `memory`, or a `redis://` or `rediss://` URL. */
  readonly url: string
  /** Name of the kfk cluster in Redis. */
  readonly cluster: string | undefined
  readonly redisDurability: 'warn' | 'strict'
  readonly logger: StderrLogger
  /** To the process that looks after this one, whose `file` it is then. */
  readonly channel?: Channel | undefined
}

/**
 * Connects to what brokers find each other by. Undefined for `file` of a broker on its own: it
 * keeps it in the data directory.
 * @throws CliError for an unknown kind, and when Redis is away
 */
export async function openCoordination(
  settings: CoordinationSettings,
): Promise<Coordination | undefined> {
  const { url, cluster, redisDurability, logger, channel } = settings
  const isRedis = /^rediss?:\/\//.test(url)
  if (cluster !== undefined && !isRedis) {
    throw usageError('--cluster names a cluster in Redis: it goes with --coordination redis://...')
  }
  if (url === 'file') return channel && channelCoordination(channel)
  if (url === 'memory') return memoryCoordination()
  if (!isRedis) {
    throw usageError(
      `unknown coordination '${url}': allowed are file, memory, redis://... and rediss://...`,
    )
  }
  const { redisCoordination } = await import('@kfk/coordination-redis')
  try {
    return await redisCoordination({
      url,
      durability: redisDurability,
      logger,
      ...(cluster !== undefined && { clusterName: cluster }),
    })
  } catch (error) {
    if (!(error instanceof CoordinationError)) throw error
    const away = error.code === 'KFK_COORDINATION_UNAVAILABLE'
    throw failure(
      away ? `cannot reach Redis at ${withoutPassword(url)}` : error.message,
      away
        ? {
            cause: error,
            hint: 'start it, or check --coordination; without it one broker runs alone',
          }
        : { cause: error },
    )
  }
}

/** For messages. */
function withoutPassword(url: string): string {
  return url.replace(/^(rediss?:\/\/)[^@/]*@/, '$1***@')
}
