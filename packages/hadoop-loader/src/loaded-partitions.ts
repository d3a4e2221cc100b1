import { createAdmin, type Client } from '@kfk/client'
import { PartitionChain } from './chain.js'
import { LoaderError } from './errors.js'
import type { PartitionState } from './plan.js'
import { forEachAtOnce } from './pool.js'
import type { Target } from './target.js'

/** A partition of a load: what the log has, and what the target has of it. */
export interface LoadedPartition extends PartitionState {
  readonly topicId: string
  readonly chain: PartitionChain
  /** Manifests whose files had not all been moved. */
  readonly rolledForward: number
}

export interface Places {
  readonly client: Client
  readonly target: Target
  readonly signal: AbortSignal
}

/**
 * Looks at every partition of a topic. What earlier loads committed and did not live to move is
 * moved on the way, unless `readOnly`.
 *
 * @throws LoaderError KFK_LOADER_OTHER_TOPIC, _LOG_BEHIND, _DAMAGED
 */
export async function openPartitions(
  { client, target, signal }: Places,
  topic: string,
  { readOnly = false } = {},
): Promise<LoadedPartition[]> {
  const admin = createAdmin({ client })
  const { topicId } = await client.retrying(
    () => client.metadata.topic(topic, { signal, refresh: true, autoCreate: false }),
    { signal },
  )
  const starts = await admin.topicOffsets(topic, 'earliest', { signal })
  const ends = await admin.topicOffsets(topic, 'latest', {
    signal,
    // Up to the first transaction that is still open: what it will come to is not known.
    isolation: 'committed',
  })
  const found: LoadedPartition[] = []
  await forEachAtOnce(ends.entries(), async ([index, { partition, offset }]) => {
    const chain = await PartitionChain.open({ target, topic, topicId, partition }, signal)
    const rolledForward = await chain.follow({ signal, readOnly })
    const opened: LoadedPartition = {
      topic,
      topicId,
      partition,
      chain,
      rolledForward,
      logStartOffset: Number(starts[index]!.offset),
      highWatermark: Number(offset),
      committed: chain.committed,
    }
    checkNotBehind(opened, target)
    found.push(opened)
  })
  return found.sort((a, b) => a.partition - b.partition)
}

/**
 * Looks again at partitions in which another loader was quicker. The end to be reached stays that
 * of the first look, and each round comes nearer to it, so that a load ends however many others
 * there are.
 */
export async function reopenPartitions(
  { client, target, signal }: Places,
  partitions: readonly LoadedPartition[],
): Promise<LoadedPartition[]> {
  const admin = createAdmin({ client })
  const starts = await admin.listOffsets(
    partitions.map(({ topic, partition }) => ({ topic, partition, at: 'earliest' as const })),
    { signal },
  )
  const found: LoadedPartition[] = []
  await forEachAtOnce(partitions.entries(), async ([index, before]) => {
    const rolledForward = await before.chain.follow({ signal })
    const { committed } = before.chain
    const logStartOffset = Number(starts[index]!.offset)
    if (committed === before.committed && logStartOffset <= before.logStartOffset) {
      const { topic, partition } = before
      const message = `${target.url} does not show who has committed ${topic}-${partition} from ${committed ?? logStartOffset}`
      throw new LoaderError('KFK_LOADER_DAMAGED', message, { details: { topic, partition } })
    }
    found.push({ ...before, committed, logStartOffset, rolledForward })
  })
  return found
}

function checkNotBehind(
  { topic, partition, committed = 0, highWatermark }: LoadedPartition,
  target: Target,
): void {
  if (committed <= highWatermark) return
  const message =
    `${topic}-${partition} ends at ${highWatermark}, but ${target.url} holds it up to ${committed}: ` +
    'the log has lost records, or it is that of another cluster. Load into another directory.'
  const details = { topic, partition, committed, highWatermark }
  throw new LoaderError('KFK_LOADER_LOG_BEHIND', message, { details })
}
