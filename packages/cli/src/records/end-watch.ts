import { createAdmin, type Client } from '@kfk/client'
import type { Consumer, TopicPartition } from '@kfk/consumer'
import { callTimeoutMs } from '../connection.js'

/**
 * How often positions are compared with the ends, ms: records that are not handed out (control
 * batches) move them too.
 */
const lookMs = 50
/** A member of a group that has been given nothing for so long has nothing to read, ms. */
const idleMs = 3000

/** Where partitions ended when it was made, and whether a consumer has come that far. */
export class EndWatch {
  readonly #ends: ReadonlyMap<string, bigint>

  private constructor(ends: ReadonlyMap<string, bigint>) {
    this.#ends = ends
  }

  static async at(
    client: Client,
    places: readonly TopicPartition[],
    signal: AbortSignal,
  ): Promise<EndWatch> {
    const queries = places.map((place) => ({ ...place, at: 'latest' as const }))
    const found = await createAdmin({ client }).listOffsets(queries, {
      signal,
      timeoutMs: callTimeoutMs,
    })
    return new EndWatch(new Map(found.map((each) => [keyOf(each), each.offset])))
  }

  /** Offset behind the last record to read. A partition that was made later is not read. */
  of(place: TopicPartition): bigint {
    return this.#ends.get(keyOf(place)) ?? 0n
  }

  /** `signal` fires when all that the consumer has been given is read. */
  watch(consumer: Consumer<string>): { readonly signal: AbortSignal; stop(): void } {
    const done = new AbortController()
    let idleSince: number | undefined
    const timer = setInterval(() => {
      const assigned = consumer.assignment()
      const atEnd = assigned.every((place) => {
        const position = consumer.position(place)
        return position !== undefined && position >= this.of(place)
      })
      if (assigned.length > 0) {
        idleSince = undefined
        if (atEnd) done.abort()
        return
      }
      if ((consumer.membership?.generation ?? -1) < 0) return
      idleSince ??= performance.now()
      if (performance.now() - idleSince >= idleMs) done.abort()
    }, lookMs)
    return { signal: done.signal, stop: () => clearInterval(timer) }
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
