import { errorCodes } from '@kfk/protocol'
import type { Partition, PartitionRegistry } from '../context.js'
import type { Clock, TimerHandle } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'

/**
 * How long a request waits for a partition that is being loaded before it is answered
 * COORDINATOR_LOAD_IN_PROGRESS, ms. Most loads take less, and then no client has to back off.
 */
const LOAD_GRACE_MS = 250
/**
 * The same for a list, for which all partitions have to be there: nothing else waits for it, and
 * administrators' clients do not ask again by themselves (kafkajs).
 */
const LIST_GRACE_MS = 5000

/** What a coordinator holds of one partition of its topic. */
export interface Shard {
  readonly partition: Partition
  /** Stops serving: everybody who waits is told to look for the coordinator again. */
  close(): void
}

interface Slot<S> {
  /** Undefined while it loads. */
  shard: S | undefined
  readonly partition: Partition | undefined
  readonly ready: Promise<S | number>
  readonly abort: AbortController
}

export interface ShardTableOptions<S> {
  /** Of the coordinator. */
  readonly topic: string
  readonly partitions: PartitionRegistry
  readonly clock: Clock
  readonly logger: Logger
  /** Makes an empty shard of a partition. */
  readonly create: (partition: Partition) => S
  /** Fills it; rejects when it must not be served. */
  readonly load: (shard: S, signal: AbortSignal) => Promise<void>
}

/**
 * The shards of this broker, by partition of a coordinator's topic: loaded at first use, and let go
 * with their partition.
 */
export class ShardTable<S extends Shard> {
  readonly #options: ShardTableOptions<S>
  readonly #slots = new Map<number, Slot<S>>()
  #closed = false

  constructor(options: ShardTableOptions<S>) {
    this.#options = options
  }

  /** Those that are served now. */
  *loaded(): IterableIterator<S> {
    for (const { shard } of this.#slots.values()) if (shard !== undefined) yield shard
  }

  /** A shard that is served now; undefined when it is still to be loaded: call `open`. */
  get(index: number): S | undefined {
    const shard = this.#slots.get(index)?.shard
    if (shard === undefined) return undefined
    // The topic may have been deleted, or this broker fenced, since it was loaded.
    const { partitions, topic } = this.#options
    if (partitions.local(topic, index) === shard.partition) return shard
    this.#letGo(index)
    return undefined
  }

  /**
   * Loads a shard if need be; an error code when that is impossible. Concurrent calls share one
   * load.
   */
  open(index: number): Promise<S | number> {
    if (this.#closed) return Promise.resolve(errorCodes.NOT_COORDINATOR)
    const shard = this.get(index)
    if (shard !== undefined) return Promise.resolve(shard)
    let slot = this.#slots.get(index)
    if (slot === undefined) {
      const abort = new AbortController()
      slot = {
        shard: undefined,
        partition: undefined,
        ready: this.#load(index, abort.signal),
        abort,
      }
      this.#slots.set(index, slot)
    }
    return slot.ready
  }

  /**
   * The same in bounded time: nothing must ever be told from a half-loaded partition, so whoever
   * cannot wait gets an error.
   */
  openSoon(index: number): Promise<S | number> {
    return this.#openWithin(index, LOAD_GRACE_MS)
  }

  /**
   * All of these that are coordinated here, for a list; the error code of one that is not there in
   * time.
   */
  async openForList(indexes: readonly number[]): Promise<readonly S[] | number> {
    const shards: S[] = []
    for (const shard of await Promise.all(
      indexes.map((index) => this.#openWithin(index, LIST_GRACE_MS)),
    )) {
      if (typeof shard !== 'number') shards.push(shard)
      else if (shard !== errorCodes.NOT_COORDINATOR) return shard
    }
    return shards
  }

  async #openWithin(index: number, graceMs: number): Promise<S | number> {
    const shard = this.get(index)
    if (shard !== undefined) return shard
    let timer: TimerHandle | undefined
    const late = new Promise<number>((resolve) => {
      const expire = () => resolve(errorCodes.COORDINATOR_LOAD_IN_PROGRESS)
      timer = this.#options.clock.setTimer(graceMs, expire)
    })
    try {
      return await Promise.race([this.open(index), late])
    } finally {
      timer?.cancel()
    }
  }

  /** Lets go of all shards whose partitions are no longer served here. */
  refresh(): void {
    for (const [index, { shard }] of [...this.#slots]) if (shard !== undefined) this.get(index)
  }

  close(): void {
    this.#closed = true
    for (const index of [...this.#slots.keys()]) this.#letGo(index)
  }

  #letGo(index: number): void {
    const slot = this.#slots.get(index)
    this.#slots.delete(index)
    slot?.abort.abort(new Error('the partition is not coordinated here any more'))
    slot?.shard?.close()
  }

  async #load(index: number, signal: AbortSignal): Promise<S | number> {
    const { partitions, topic, logger } = this.#options
    const partition = await partitions.open(topic, index)
    if (typeof partition === 'number') {
      this.#slots.delete(index)
      return errorCodes.NOT_COORDINATOR
    }
    const shard = this.#options.create(partition)
    try {
      await this.#options.load(shard, signal)
      signal.throwIfAborted()
    } catch (error) {
      shard.close()
      if (!signal.aborted) {
        this.#slots.delete(index)
        logger.error('what a partition coordinates cannot be loaded', {
          partition: `${topic}-${index}`,
          error: String(error),
        })
      }
      return errorCodes.NOT_COORDINATOR
    }
    this.#slots.get(index)!.shard = shard
    return shard
  }
}
