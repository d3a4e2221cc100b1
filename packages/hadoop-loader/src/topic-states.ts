import { createAdmin } from '@kfk/client'
import { followChain, type ChainState } from './chain.js'
import type { ResolvedOptions } from './load-options.js'
import type { PartitionState } from './plan.js'

/** A partition before a load: what the log has, and what the target has of it. */
export interface LoadedState extends PartitionState {
  readonly topicId: string
  readonly chain: ChainState
}

/** Looks at every partition of a topic; what earlier loads committed and did not live to move is moved on the way. */
export async function topicStates(
  options: Pick<ResolvedOptions, 'client' | 'target'>,
  topic: string,
  signal: AbortSignal,
): Promise<LoadedState[]> {
  const { client, target } = options
  const admin = createAdmin({ client })
  const { topicId } = await client.retrying(
    () => client.metadata.topic(topic, { signal, refresh: true, autoCreate: false }),
    { signal },
  )
  const starts = await admin.topicOffsets(topic, 'earliest', { signal })
  const ends = await admin.topicOffsets(topic, 'latest', { signal })
  const states: LoadedState[] = []
  for (const [index, { partition, offset }] of ends.entries()) {
    const chain = await followChain({ target, topic, topicId, partition, signal })
    states.push({
      topic,
      topicId,
      partition,
      logStartOffset: Number(starts[index]!.offset),
      highWatermark: Number(offset),
      committed: chain.committed,
      chain,
    })
  }
  return states
}
