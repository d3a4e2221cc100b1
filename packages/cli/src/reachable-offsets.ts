import { ClientError, type Admin, type CallOptions, type TopicMetadata } from '@kfk/client'

interface Place {
  readonly topic: string
  readonly partition: number
}

/** `topic-partition`, which no other partition is called. */
export function placeKey({ topic, partition }: Place): string {
  return `${topic}-${partition}`
}

/**
 * Offsets by {@link placeKey}, of the partitions whose leaders answer: what is said of a cluster
 * that is partly away is most wanted just then.
 */
export async function reachableOffsets(
  admin: Admin,
  topics: readonly TopicMetadata[],
  options: CallOptions & {
    readonly at: 'earliest' | 'latest'
    /** Default: all partitions. */
    readonly only?: ReadonlySet<string>
  },
): Promise<Map<string, bigint>> {
  const { at, only, ...bounds } = options
  const byLeader = new Map<number, Place[]>()
  for (const { name, partitions } of topics) {
    for (const { index, leaderId } of partitions) {
      const place = { topic: name, partition: index }
      if (leaderId < 0 || only?.has(placeKey(place)) === false) continue
      byLeader.set(leaderId, [...(byLeader.get(leaderId) ?? []), place])
    }
  }
  const answers = [...byLeader.values()].map(async (places) => {
    try {
      const queries = places.map((place) => ({ ...place, at }))
      return await admin.listOffsets(queries, bounds)
    } catch (error) {
      if (error instanceof ClientError && error.retriable) return []
      throw error
    }
  })
  const found = (await Promise.all(answers)).flat()
  return new Map(found.map((each) => [placeKey(each), each.offset]))
}
