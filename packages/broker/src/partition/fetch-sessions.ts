import { errorCodes } from '@kfk/protocol'
import type { AskedPartition, FetchSession, FetchSessions, Partition } from '../context.js'
import { partitionKey, type SessionChange } from './fetch-session.js'

/** A session that is not used for so long makes room for others (Kafka's own constant). */
const evictionMs = 120_000
const epochMax = 0x7fffffff

export interface FetchSessionCacheOptions {
  /** Monotonic, in ms. */
  readonly nowMs: () => number
  /** An id from 1 to 2^31 - 1 that nobody can guess. */
  readonly newId: () => number
  /** `max.incremental.fetch.session.cache.slots`: the most sessions. */
  readonly slots: () => number
  /** The most partitions of all sessions together, each of which takes up to about 600 bytes. */
  readonly partitionsMax: number
}

/**
 * Keeps sessions by Kafka's rules: a new one takes the place of one that nobody has used for two
 * minutes, else of the smallest that is that old, if it is smaller. Beyond Kafka's bound of their
 * number there is one of their partitions, or a client could fill the memory; none has more than a
 * quarter of them. Who finds no room is served all the same, by full fetches.
 */
export class FetchSessionCache implements FetchSessions {
  readonly #options: FetchSessionCacheOptions
  /** The one that was used least recently comes first. */
  readonly #sessions = new Map<number, OpenSession>()
  #partitions = 0

  constructor(options: FetchSessionCacheOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Of all sessions. */
  get partitions(): number {
    return this.#partitions
  }

  open(asked: readonly AskedPartition[], byId: boolean): number {
    if (!this.#makeRoom(asked.length)) return 0
    let id = this.#options.newId()
    while (this.#sessions.has(id)) id = this.#options.newId()
    const session = new OpenSession({ id, byId, asked, nowMs: this.#options.nowMs() })
    this.#sessions.set(id, session)
    this.#partitions += session.partitions.length
    return id
  }

  resume(change: SessionChange<Partition>): FetchSession | number | undefined {
    const session = this.#sessions.get(change.sessionId)
    if (session === undefined) return errorCodes.FETCH_SESSION_ID_NOT_FOUND
    if (session.epoch !== change.sessionEpoch) return errorCodes.INVALID_FETCH_SESSION_EPOCH
    if (session.byId !== change.byId) return errorCodes.FETCH_SESSION_TOPIC_ID_ERROR
    const before = session.partitions.length
    session.update(change)
    const added = session.partitions.length - before
    this.#partitions += added
    if (session.partitions.length === 0) {
      this.close(session.id)
      return undefined
    }
    if (added > 0 && !this.#fits(session.partitions.length, 0)) {
      // It begins anew, and gets as much room as there is.
      this.close(session.id)
      return errorCodes.FETCH_SESSION_ID_NOT_FOUND
    }
    this.#touch(session)
    return session
  }

  close(sessionId: number): void {
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return
    this.#sessions.delete(sessionId)
    this.#partitions -= session.partitions.length
  }

  #touch(session: OpenSession): void {
    session.usedAtMs = this.#options.nowMs()
    session.epoch = session.epoch === epochMax ? 1 : session.epoch + 1
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
  }

  #fits(partitions: number, more: number): boolean {
    const { partitionsMax } = this.#options
    return partitions <= partitionsMax / 4 && this.#partitions + more <= partitionsMax
  }

  #makeRoom(partitions: number): boolean {
    const slots = this.#options.slots()
    if (slots === 0 || partitions > this.#options.partitionsMax / 4) return false
    while (this.#sessions.size >= slots || !this.#fits(partitions, partitions)) {
      const nowMs = this.#options.nowMs()
      const leaving = this.#unused(nowMs) ?? this.#smaller(partitions, nowMs)
      if (leaving === undefined) return false
      this.close(leaving.id)
    }
    return true
  }

  #unused(nowMs: number): OpenSession | undefined {
    const [first] = this.#sessions.values()
    return first !== undefined && nowMs - first.usedAtMs > evictionMs ? first : undefined
  }

  #smaller(partitions: number, nowMs: number): OpenSession | undefined {
    let smallest: OpenSession | undefined
    for (const session of this.#sessions.values()) {
      const isOld = nowMs - session.createdAtMs > evictionMs
      const least = smallest?.partitions.length ?? partitions
      if (isOld && session.partitions.length < least) smallest = session
    }
    return smallest
  }
}

class OpenSession implements FetchSession {
  readonly id: number
  readonly byId: boolean
  readonly createdAtMs: number
  usedAtMs: number
  epoch = 1
  partitions: readonly AskedPartition[]
  readonly #byKey: Map<string, AskedPartition>

  constructor(options: {
    id: number
    byId: boolean
    asked: readonly AskedPartition[]
    nowMs: number
  }) {
    this.id = options.id
    this.byId = options.byId
    this.createdAtMs = options.nowMs
    this.usedAtMs = options.nowMs
    this.#byKey = new Map(options.asked.map((each) => [partitionKey(each, each.index), each]))
    this.partitions = [...this.#byKey.values()]
  }

  update({ asked, forgotten }: SessionChange<Partition>): void {
    const added: AskedPartition[] = []
    for (const each of asked) {
      const key = partitionKey(each, each.index)
      const known = this.#byKey.get(key)
      if (known === undefined) {
        this.#byKey.set(key, each)
        added.push(each)
      } else {
        known.fetchOffset = each.fetchOffset
        known.partitionMaxBytes = each.partitionMaxBytes
        known.currentLeaderEpoch = each.currentLeaderEpoch
        known.lastFetchedEpoch = each.lastFetchedEpoch
      }
    }
    if (added.length > 0) this.partitions = [...this.partitions, ...added]
    const gone = new Set<AskedPartition>()
    for (const topic of forgotten) {
      for (const index of topic.partitions) {
        const key = partitionKey(topic, index)
        const known = this.#byKey.get(key)
        if (known === undefined) continue
        this.#byKey.delete(key)
        gone.add(known)
      }
    }
    if (gone.size > 0) this.partitions = this.partitions.filter((each) => !gone.has(each))
  }

  servedLast(served: ReadonlySet<AskedPartition>): void {
    const present = this.partitions.filter((each) => served.has(each))
    if (present.length === 0 || this.partitions.length === 1) return
    this.partitions = [...this.partitions.filter((each) => !served.has(each)), ...present]
  }
}
