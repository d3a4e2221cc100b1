import { apis, type ResponseOf } from '@kfk/protocol'
import type { Peer, TestTopic } from './peer'

/** What Produce is asked for one partition. */
export interface Produced {
  readonly topic: TestTopic
  readonly partition?: number
  readonly records: Uint8Array | null
  readonly acks?: number
  /** Default: the newest. */
  readonly version?: number
  readonly transactionalId?: string
  readonly note?: string
}

/** The body of a Produce request for one partition. */
export function produceBody(asked: Produced) {
  const { topic, partition = 0, records, acks = -1, transactionalId = null } = asked
  const partitionData = [{ index: partition, records }]
  return {
    transactionalId,
    acks,
    timeoutMs: 10_000,
    topicData: [{ name: topic.name, topicId: topic.id, partitionData }],
  }
}

/** Produces to one partition; undefined when the connection was closed for it. */
export function produce(
  peer: Peer,
  asked: Produced,
): Promise<ResponseOf<typeof apis.produce> | undefined> {
  const { version = peer.newest(apis.produce), note } = asked
  return peer.attempt(apis.produce, version, produceBody(asked), note === undefined ? {} : { note })
}

/** Reads everything of a partition, and compares it. */
export async function readBack(
  peer: Peer,
  { name }: TestTopic,
  options: { readonly partition?: number; readonly note?: string } = {},
): Promise<void> {
  const { partition = 0 } = options
  const partitions = [{ partition, fetchOffset: 0, partitionMaxBytes: 10_000_000 }]
  const note = options.note ?? `read ${name}-${partition}`
  await peer.attempt(
    apis.fetch,
    12,
    {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 10_000_000,
      sessionEpoch: -1,
      topics: [{ topic: name, partitions }],
      forgottenTopicsData: [],
    },
    { note },
  )
}
