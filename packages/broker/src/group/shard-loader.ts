import { CoordinationError } from '@kfk/coordination'
import type { Logger } from '../runtime/logger.js'
import type { GroupShard } from './group-shard.js'
import { decodeGroupSnapshot } from './group-snapshot.js'

/** How many groups are looked up in coordination at a time. */
const CONCURRENT_READS = 16

export interface ShardLoaderOptions {
  /** Reads what coordination holds of a group; rejects with CoordinationError. */
  readonly read: (groupId: string) => Promise<string | undefined>
  readonly logger: Logger
  readonly signal: AbortSignal
}

/**
 * Makes a shard ready to serve: first everything that its partition holds, then the members of each
 * group, as far as coordination still has those of the very generation that the log ends with.
 * Groups without them are empty: their members rejoin.
 *
 * @throws what reading the log throws: the shard must not be served
 */
export async function loadShard(shard: GroupShard, options: ShardLoaderOptions): Promise<void> {
  await shard.log.load(options.signal)
  for (const [groupId, { consumer }] of shard.durable.groups()) {
    // From now on their members have to be heard from.
    if (consumer !== undefined) shard.settleConsumer(shard.consumerOrNew(groupId))
  }
  const groupIds = Array.from(shard.durable.groups())
    .filter(([, { floor }]) => floor !== undefined && floor.protocolType !== '')
    .map(([groupId]) => groupId)
  const readers = Array.from({ length: CONCURRENT_READS }, async () => {
    for (let next = groupIds.pop(); next !== undefined; next = groupIds.pop()) {
      const reached = await resumeGroup(shard, next, options)
      // Coordination is away: no use in asking for the others, one rebalance each is the price.
      if (!reached) groupIds.length = 0
    }
  })
  await Promise.all(readers)
  options.signal.throwIfAborted()
}

async function resumeGroup(
  shard: GroupShard,
  groupId: string,
  { read, logger }: ShardLoaderOptions,
): Promise<boolean> {
  const floor = shard.durable.group(groupId)!.floor!
  let value: string | undefined
  try {
    value = await read(groupId)
  } catch (error) {
    if (!(error instanceof CoordinationError)) throw error
    logger.warn('the members of a group cannot be read; they have to rejoin', {
      groupId,
      error: error.message,
    })
    return !error.retriable
  }
  if (value === undefined) return true
  const resume = decodeGroupSnapshot(value, floor)
  if (typeof resume === 'string') {
    logger.info('the members of a group have to rejoin', { groupId, reason: resume })
  } else {
    shard.resume(groupId, resume)
    logger.info('a group goes on', { groupId, generation: floor.generation })
  }
  return true
}
