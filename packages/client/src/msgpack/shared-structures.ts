import { createClient, type Client, type ClientOptions } from '../client.js'
import { ClientError, invalidArgument } from '../errors.js'
import type { Logger } from '../logger.js'
import { checkTopicName } from '../topic-definition.js'
import {
  idText,
  structureKey,
  structureSet,
  type Structure,
  type StructureSet,
} from './structure-set.js'
import { StructuresTopic, type StructuresLog } from './structures-topic.js'

export interface SharedStructuresSettings {
  /**
   * The compacted topic that holds the structures. Who reads values needs the one that their writer
   * used. It is created by the first writer. Default `__kfk_structures`.
   */
  readonly topic?: string
  /** Of that topic when it is created. Default: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number
  /**
   * Sets of structures kept in memory at most, about 1 KB each; those that the topic has beyond are
   * not known. Default 4096.
   */
  readonly maxSets?: number
}

/** A shared client, or how to reach the cluster. */
export type SharedStructuresOptions = SharedStructuresSettings &
  ({ readonly client: Client } | ClientOptions)

/** The structures of a cluster, for any number of `msgpack()` serdes. */
export interface SharedStructures extends AsyncDisposable {
  /** Ends what is under way and closes the connections, unless they are a client's passed in. */
  close(): Promise<void>
}

const DEFAULT_TOPIC = '__kfk_structures'
const DEFAULT_MAX_SETS = 4096
/** A set that is not in the topic is looked for again after this long, ms: a copy may lag. */
const ABSENT_MS = 1000
/** Ids of absent sets that are remembered. */
const MAX_ABSENT = 1024

/** What the serdes use of it. */
export class StructuresRegistry implements SharedStructures {
  readonly #log: StructuresLog
  readonly #clock: { monotonicMs(): number }
  readonly #logger: Logger
  readonly #maxSets: number
  readonly #end: () => Promise<void>
  readonly #sets = new Map<number, StructureSet>()
  /** Ids that two different sets have: values with them cannot be told apart. */
  readonly #ambiguous = new Set<number>()
  readonly #absentUntil = new Map<number, number>()
  #reading: Promise<void> | undefined
  #hasRead = false

  constructor(
    log: StructuresLog,
    options: {
      readonly clock: { monotonicMs(): number }
      readonly logger: Logger
      readonly maxSets?: number
      readonly end?: () => Promise<void>
    },
  ) {
    this.#log = log
    this.#clock = options.clock
    this.#logger = options.logger
    this.#maxSets = options.maxSets ?? DEFAULT_MAX_SETS
    this.#end = options.end ?? (() => Promise.resolve())
  }

  /** The set, if it is known here. */
  get(id: number): StructureSet | undefined {
    return this.#ambiguous.has(id) ? undefined : this.#sets.get(id)
  }

  /**
   * The set, read from the topic if need be. Rejects with KFK_CLIENT_INVALID_DATA when it is not
   * there, and with what went wrong when that cannot be told.
   */
  async find(id: number): Promise<StructureSet> {
    const known = this.get(id)
    if (known !== undefined) return known
    if (this.now() >= (this.#absentUntil.get(id) ?? -Infinity)) {
      // A reading that is under way may have begun before the set was written.
      if (this.#reading !== undefined) await this.#read()
      if (this.get(id) === undefined) await this.#read()
    }
    const found = this.get(id)
    if (found !== undefined) return found
    if (this.#absentUntil.size >= MAX_ABSENT) this.#absentUntil.clear()
    this.#absentUntil.set(id, this.now() + ABSENT_MS)
    throw this.#absent(id)
  }

  /**
   * A set with at least these structures that every reader finds: one of those that exist, or a new
   * one. Undefined when there can be none: too large, or too many sets.
   */
  async share(structures: readonly Structure[]): Promise<StructureSet | undefined> {
    if (!this.#hasRead) await this.#read()
    const existing = this.#covering(structures)
    if (existing !== undefined) return existing
    const set = structureSet(structures)
    if (set === undefined || this.#sets.size >= this.#maxSets) return undefined
    // Others may have written since; of four thousand sets two share an id once in five hundred
    // clusters, and whoever comes second does without.
    await this.#read()
    if (this.#sets.has(set.id)) return this.#covering(structures)
    await this.#log.add(set)
    this.#learn(set)
    return this.get(set.id)
  }

  /** Milliseconds of a clock that only goes forward. */
  now(): number {
    return this.#clock.monotonicMs()
  }

  /** Nobody waits for what failed. */
  warn(error: unknown): void {
    this.#logger.warn('structures could not be shared; values are written without', { error })
  }

  close(): Promise<void> {
    return this.#end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The smallest set that has them all. */
  #covering(structures: readonly Structure[]): StructureSet | undefined {
    const wanted = structures.map(structureKey)
    let best: StructureSet | undefined
    for (const set of this.#sets.values()) {
      if (this.#ambiguous.has(set.id) || set.structures.length < wanted.length) continue
      if (best !== undefined && set.structures.length >= best.structures.length) continue
      const keys = new Set(set.structures.map(structureKey))
      if (wanted.every((each) => keys.has(each))) best = set
    }
    return best
  }

  /** One reading at a time. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #readOnce(): Promise<void> {
    for (const set of await this.#log.read()) this.#learn(set)
    this.#hasRead = true
  }

  #learn(set: StructureSet): void {
    const known = this.#sets.get(set.id)
    if (known !== undefined && known.hash !== set.hash) this.#ambiguous.add(set.id)
    if (known === undefined && this.#sets.size < this.#maxSets) this.#sets.set(set.id, set)
  }

  #absent(id: number): ClientError {
    const reason = this.#ambiguous.has(id)
      ? 'two sets of structures have its id'
      : this.#sets.size >= this.#maxSets
        ? `it is beyond the first ${this.#maxSets} of the topic; raise \`maxSets\``
        : 'the topic of structures does not have it; read with the `topic` that its writer used, and copy that topic along with the data'
    return new ClientError(
      'KFK_CLIENT_INVALID_DATA',
      `structures ${idText(id)} are not known: ${reason}`,
      { details: { structures: idText(id) } },
    )
  }
}

/**
 * The structures of a cluster, kept in one of its topics. Nothing is contacted before a serde needs
 * to.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT
 */
export function sharedStructures(options: SharedStructuresOptions): SharedStructures {
  const { topic = DEFAULT_TOPIC, replicationFactor, maxSets } = options
  checkTopicName(topic)
  if (maxSets !== undefined && !(Number.isSafeInteger(maxSets) && maxSets > 0)) {
    throw invalidArgument(`\`maxSets\` must be a positive whole number, not ${maxSets}.`)
  }
  const shared = 'client' in options
  const client = shared ? options.client : createClient(options)
  const closing = new AbortController()
  const { signal } = closing
  const log = new StructuresTopic({ client, topic, replicationFactor, signal })
  return new StructuresRegistry(log, {
    clock: client.clock,
    logger: client.logger,
    ...(maxSets !== undefined && { maxSets }),
    async end() {
      closing.abort(new Error('the shared structures were closed'))
      if (!shared) await client.close()
    },
  })
}
