/**
 * Fetch sessions (KIP-227) as the Fetch handler knows them. This file depends on nothing, so that
 * the broker's own context can name these types; `Found` is what a partition is there.
 */

/** What a fetch asks of one partition, for one request or for as long as a session lives. */
export interface Asked<Found> {
  /** As the client named it; empty where it names topics by id. */
  readonly topic: string
  readonly topicId: string
  readonly index: number
  fetchOffset: number
  partitionMaxBytes: number
  /** -1: not given. */
  currentLeaderEpoch: number
  /** -1: not given. */
  lastFetchedEpoch: number
  /** Where it was found the last time. */
  partition: Found | undefined
  /** The name that its id had when it was found. */
  foundAs: string | undefined
  /** `committedBytes` of the partition just before the last reading. */
  committedBefore: number
  /** What the client knows from the last answer in its session; -1: it is to be told anyway. */
  toldHighWatermark: number
  toldLogStartOffset: number
}

/** The partitions that a client reads, so that it need not name them with each fetch. */
export interface Session<Found> {
  readonly id: number
  /** Of the next fetch. */
  readonly epoch: number
  /** In the order of reading. Never changed in place. */
  readonly partitions: readonly Asked<Found>[]
  /** Those that were given records have their turn after all others, so that none starves. */
  servedLast(served: ReadonlySet<Asked<Found>>): void
}

/** One incremental fetch: how it changes its session. */
export interface SessionChange<Found> {
  readonly sessionId: number
  readonly sessionEpoch: number
  /** Whether this version of Fetch names topics by id. */
  readonly byId: boolean
  /** Added, or asked for from elsewhere than before. */
  readonly asked: readonly Asked<Found>[]
  readonly forgotten: readonly {
    readonly topic: string
    readonly topicId: string
    readonly partitions: readonly number[]
  }[]
}

/** The fetch sessions of a broker, as many as fit (`max.incremental.fetch.session.cache.slots`). */
export interface Sessions<Found> {
  /** Begins one with what was asked; the id is 0 when there is no room for it. */
  open(asked: readonly Asked<Found>[], byId: boolean): number
  /**
   * Applies an incremental fetch. An error code: FETCH_SESSION_ID_NOT_FOUND,
   * INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR. A session that has no partition left
   * is over: undefined.
   */
  resume(change: SessionChange<Found>): Session<Found> | number | undefined
  close(sessionId: number): void
}

/** Ids and names do not mix within a session. */
export function partitionKey(
  { topic, topicId }: { readonly topic: string; readonly topicId: string },
  index: number,
): string {
  return topic === '' ? `${index}:${topicId}` : `${index}:${topic}`
}
