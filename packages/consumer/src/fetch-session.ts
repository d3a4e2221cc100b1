import type { AssignedPartition } from './assigned-partition.js'

/** What the leader knows of a partition from an earlier fetch. */
interface Told {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly maxBytes: number
  /** Of the leader, and of the last record before the offset. */
  readonly leaderEpoch: number
  readonly lastEpoch: number
  /** The last fetch in which it was wanted. */
  round: number
}

/** What a fetch says of itself: the partitions that are new or moved, and those to forget. */
export interface SessionFetch {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly asked: readonly AssignedPartition[]
  readonly forgotten: readonly Pick<Told, 'topic' | 'topicId' | 'partition'>[]
}

/** How a partition is asked for now. */
export interface Wanted {
  readonly maxBytes: number
  readonly topicId: (topic: string) => string
  readonly leaderEpoch: (partition: AssignedPartition) => number
}

/** A fetch of a new session, and one that stands for itself. */
const newSession = 0
const noSession = -1
const epochMax = 0x7fffffff
/** FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR. */
const sessionErrors = new Set([70, 71, 106])
const idNotFound = 70

/**
 * The fetches of one connection to a leader (KIP-227): once it has been told all partitions it is
 * told only what has changed, and answers for those that have news. Whatever goes wrong, the next
 * fetch tells everything again. One partition is told of with every fetch anyway: it needs no
 * session, and takes none away from others.
 */
export class FetchSession {
  #id = 0
  #epoch = newSession
  readonly #told = new Map<string, Told>()
  #round = 0

  /** Whether the fetch that {@link next} has given last answers only for what has news. */
  get isIncremental(): boolean {
    return this.#epoch > newSession
  }

  /** The next fetch; it has to be followed by `answered` or `failed` before another one. */
  next(partitions: readonly AssignedPartition[], wanted: Wanted): SessionFetch {
    if (this.isIncremental) {
      const changes = this.#changes(partitions, wanted)
      if (changes !== undefined) return changes
      this.#epoch = newSession
    }
    this.#told.clear()
    const isAlone = partitions.length === 1
    const sessionEpoch = isAlone ? noSession : newSession
    if (!isAlone) for (const each of partitions) this.#tell(each, wanted)
    return { sessionId: this.#id, sessionEpoch, asked: partitions, forgotten: [] }
  }

  /**
   * The answer has come; true: it says only that the session is over, and the fetch is to be made
   * again.
   */
  answered(errorCode: number, sessionId: number): boolean {
    const isOver = this.isIncremental && sessionErrors.has(errorCode)
    if (errorCode !== 0) this.#begin(errorCode === idNotFound ? 0 : this.#id)
    else if (sessionId === 0) this.#begin(0)
    else {
      this.#id = sessionId
      this.#epoch = this.#epoch === epochMax ? 1 : this.#epoch + 1
    }
    return isOver
  }

  /** Nobody knows whether the leader has got the fetch. */
  failed(): void {
    this.#begin(this.#id)
  }

  #begin(sessionToEnd: number): void {
    this.#id = sessionToEnd
    this.#epoch = newSession
    this.#told.clear()
  }

  /** Undefined: a topic was created anew, and everything is to be told again. */
  #changes(partitions: readonly AssignedPartition[], wanted: Wanted): SessionFetch | undefined {
    this.#round += 1
    const asked: AssignedPartition[] = []
    for (const each of partitions) {
      const told = this.#told.get(each.key)
      if (told !== undefined && told.topicId !== wanted.topicId(each.topic)) return undefined
      if (told !== undefined && !isChanged(told, each, wanted)) {
        told.round = this.#round
        continue
      }
      this.#tell(each, wanted)
      asked.push(each)
    }
    const forgotten: Told[] = []
    if (this.#told.size > partitions.length) {
      for (const [key, told] of this.#told) {
        if (told.round === this.#round) continue
        this.#told.delete(key)
        forgotten.push(told)
      }
    }
    return { sessionId: this.#id, sessionEpoch: this.#epoch, asked, forgotten }
  }

  #tell(each: AssignedPartition, wanted: Wanted): void {
    const { key, topic, partition, position, lastEpoch } = each
    this.#told.set(key, {
      topic,
      topicId: wanted.topicId(topic),
      partition,
      offset: position!,
      maxBytes: wanted.maxBytes,
      leaderEpoch: wanted.leaderEpoch(each),
      lastEpoch,
      round: this.#round,
    })
  }
}

function isChanged(told: Told, each: AssignedPartition, wanted: Wanted): boolean {
  return (
    told.offset !== each.position ||
    told.maxBytes !== wanted.maxBytes ||
    told.lastEpoch !== each.lastEpoch ||
    told.leaderEpoch !== wanted.leaderEpoch(each)
  )
}
