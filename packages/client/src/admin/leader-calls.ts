import type { Client } from '../client.js'
import { ClientError, kafkaError } from '../errors.js'
import type { CallOptions } from './call-options.js'
import { lookUp } from './controller-call.js'

/** A partition. */
export interface Place {
  readonly topic: string
  readonly partition: number
}

/** One topic with some of its partitions, as requests name them. */
export interface PlacesOfTopic<P extends Place> {
  readonly topic: string
  readonly places: readonly P[]
}

/**
 * Asks the leader of each partition, all partitions of one leader at once; again when leaders have
 * moved. Only for what may be asked twice. Answers come in no order.
 */
export function atLeaders<P extends Place, R>(
  client: Client,
  places: readonly P[],
  ask: (nodeId: number, topics: readonly PlacesOfTopic<P>[]) => Promise<readonly R[]>,
  options: CallOptions = {},
): Promise<R[]> {
  const { signal } = options
  const answer = async (): Promise<R[]> => {
    try {
      const leaders = new Map<number, P[]>()
      for (const place of places) {
        const where = { signal, autoCreate: false }
        const { nodeId } = await client.metadata.leader(place.topic, place.partition, where)
        leaders.set(nodeId, [...(leaders.get(nodeId) ?? []), place])
      }
      const answers = [...leaders].map(([nodeId, some]) => ask(nodeId, byTopic(some)))
      return (await Promise.all(answers)).flat()
    } catch (error) {
      // Whatever it was, a leader may have moved.
      if (error instanceof ClientError && error.retriable) {
        for (const { topic } of places) client.metadata.invalidate(topic)
      }
      throw error
    }
  }
  return lookUp(client, answer, options)
}

/** Throws the error of a partition, with what it is about. */
export function throwPartitionError(
  place: Place,
  { errorCode, errorMessage = null }: { errorCode: number; errorMessage?: string | null },
): void {
  if (errorCode !== 0) throw kafkaError(errorCode, errorMessage, { ...place })
}

/** Partitions in the form in which requests name them. */
export function byTopic<P extends Place>(places: readonly P[]): PlacesOfTopic<P>[] {
  const names = [...new Set(places.map(({ topic }) => topic))]
  return names.map((topic) => ({ topic, places: places.filter((one) => one.topic === topic) }))
}
