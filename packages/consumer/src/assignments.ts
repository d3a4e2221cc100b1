import { backoffMs, ClientError, delay, kafkaError, type Client } from '@kfk/client'
import { AssignedPartition } from './assigned-partition.js'
import { committedOffsets } from './committed-offsets.js'
import type { ResolvedSettings, StartPosition } from './options.js'
import { findOffsets } from './start-positions.js'
import { partitionKey, type TopicPartition } from './topic-partition.js'

export interface AssignmentsOptions {
  readonly client: Client
  readonly settings: ResolvedSettings
  /** Something can be fetched or taken that could not before. */
  readonly onReady: () => void
  readonly onError: (error: unknown) => void
}

export interface BeginOptions {
  /** Fires when the membership in whose name the partitions are taken over is lost. */
  readonly tenure?: AbortSignal
  /** Instead of the setting. */
  readonly from?: StartPosition
}

const offsetOutOfRange = 1
/**
 * The listener learns of new partitions after so long, even if a leader that is away leaves a start
 * unknown.
 */
const startPatienceMs = 5000

/** The partitions that this consumer reads, and where in each of them it is. */
export class Assignments {
  readonly #options: AssignmentsOptions
  readonly #partitions = new Map<string, AssignedPartition>()
  /** Revoked, and not yet given up: handlers end, and offsets are committed. */
  readonly #leaving = new Map<string, AssignedPartition>()
  readonly #abort = new AbortController()
  #lost: AssignedPartition[] = []

  constructor(options: AssignmentsOptions) {
    this.#options = options
  }

  all(): IterableIterator<AssignedPartition> {
    return this.#partitions.values()
  }

  /** By its {@link partitionKey}. */
  find(key: string): AssignedPartition | undefined {
    return this.#partitions.get(key)
  }

  /** What the application knows of: those whose start is being looked up come later. */
  announced(): TopicPartition[] {
    const known = [...this.all()].filter(({ announced }) => announced)
    return known.map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Including those that are about to be given up. */
  held(): AssignedPartition[] {
    return [...this.#partitions.values(), ...this.#leaving.values()]
  }

  /** @throws ClientError KFK_CLIENT_INVALID_ARGUMENT when it is not assigned */
  get(partition: TopicPartition): AssignedPartition {
    const found = this.#partitions.get(partitionKey(partition))
    if (found) return found
    const message = `${partition.topic}-${partition.partition} is not assigned to this consumer now.`
    throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
  }

  /** The holder of a partition, also while it is about to be given up. */
  holderOf(partition: TopicPartition): AssignedPartition | undefined {
    const key = partitionKey(partition)
    return this.#partitions.get(key) ?? this.#leaving.get(key)
  }

  /**
   * Takes partitions over: looks up where to start, lets the listener have its say, then makes them
   * fetchable. A leader that is away does not hold up the others. Ends early when the tenure does.
   */
  async begin(partitions: readonly TopicPartition[], options: BeginOptions = {}): Promise<void> {
    const { tenure = this.#abort.signal, from = this.#options.settings.from } = options
    const signal = AbortSignal.any([tenure, this.#abort.signal])
    const isOver = (): boolean => signal.aborted
    if (isOver()) return
    const added = partitions.map((each) => new AssignedPartition(each))
    for (const each of added) this.#partitions.set(partitionKey(each), each)
    try {
      await this.#findStart(added, from, signal)
    } catch (error) {
      if (isOver()) return
      throw error
    }
    if (isOver()) return
    for (const each of added) each.announced = true
    await this.#options.settings.rebalance.assigned?.(partitions)
    for (const each of added) each.ready = true
    this.#options.onReady()
  }

  /** Hands nothing more out of these. They can be drained and committed until they are given up. */
  leave(partitions: readonly TopicPartition[], reason: string): AssignedPartition[] {
    return this.#end(partitions, reason, (each) => this.#leaving.set(partitionKey(each), each))
  }

  /** Somebody else may own them from now on. */
  giveUp(partitions: readonly AssignedPartition[]): void {
    for (const each of partitions) {
      each.givenUp = true
      const key = partitionKey(each)
      if (this.#leaving.get(key) === each) this.#leaving.delete(key)
    }
  }

  /** Somebody else may own these already: at once, whatever else is under way. */
  fence(partitions: readonly TopicPartition[]): void {
    const reason = 'the partition was lost: the group thought this member dead'
    const leaving = partitions.flatMap((each) => this.#leaving.get(partitionKey(each)) ?? [])
    const ended = this.#end(partitions, reason, () => undefined)
    this.giveUp([...leaving, ...ended])
    this.#lost.push(...[...leaving, ...ended].filter(({ announced }) => announced))
    this.#options.onReady()
  }

  /** Tells the listener what was fenced. */
  async reportLost(): Promise<void> {
    const lost = this.#lost.map(({ topic, partition }) => ({ topic, partition }))
    this.#lost = []
    if (lost.length > 0) await this.#options.settings.rebalance.lost?.(lost)
  }

  endAll(reason: string): void {
    this.giveUp([...this.#leaving.values()])
    this.giveUp(this.#end([...this.all()], reason, () => undefined))
  }

  /** No more look-ups. */
  stop(): void {
    this.#abort.abort(new Error('the consumer is closed'))
  }

  /**
   * The log does not have the position (deleted by retention, or lost). Only this error resets it,
   * by `from` (`auto.offset.reset`); trouble in reaching a broker never does.
   */
  resetOutOfRange(partition: AssignedPartition): void {
    const { client, settings } = this.#options
    const { topic, partition: index, position } = partition
    if (partition.hasRecords || partition.busy) {
      partition.isBeyondLog = true
      return
    }
    const details = { topic, partition: index, offset: position }
    if (settings.from === 'committed') {
      const message = `offset ${position} of ${topic}-${index} is not in the log (any more), and \`from\` is 'committed'. Seek to go on.`
      partition.fail(kafkaError(offsetOutOfRange, message, details))
      this.#options.onReady()
      return
    }
    const { from } = settings
    client.logger.warn('the position is not in the log: starting over', { ...details, from })
    partition.forgetPosition()
    void this.#locate([partition], from)
  }

  /**
   * The log has lost records that were read, and has others in their place (KIP-320): as Kafka's
   * clients, reading goes on where the logs part, or fails under 'committed'. What was read of the
   * lost records is read.
   */
  resetDiverging(partition: AssignedPartition, endOffset: number): void {
    const { client, settings, onReady } = this.#options
    const { topic, partition: index, position, processed } = partition
    const details = { topic, partition: index, offset: position, endOffset }
    const lost = `${topic}-${index}: the log has lost its records from offset ${endOffset} on, which were read up to ${position}`
    if (settings.from === 'committed') {
      const message = `${lost}, and \`from\` is 'committed'. Seek to go on.`
      partition.fail(kafkaError(offsetOutOfRange, message, details))
    } else {
      client.logger.warn(`${lost}: going on there`, details)
      partition.seek(Math.min(processed ?? endOffset, endOffset))
    }
    onReady()
  }

  #end(
    partitions: readonly TopicPartition[],
    reason: string,
    onEnded: (partition: AssignedPartition) => void,
  ): AssignedPartition[] {
    const ended = partitions.flatMap((each) => this.#partitions.get(partitionKey(each)) ?? [])
    for (const each of ended) {
      this.#partitions.delete(partitionKey(each))
      each.end(reason)
      onEnded(each)
    }
    return ended
  }

  async #findStart(
    partitions: readonly AssignedPartition[],
    from: StartPosition,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, settings } = this.#options
    if (partitions.length === 0) return
    const committed =
      settings.group === undefined
        ? new Map<string, number>()
        : await committedOffsets({ client, signal }, settings.group, partitions)
    for (const each of partitions) {
      each.committed = committed.get(partitionKey(each))
      if (each.committed !== undefined && each.seeks === 0) each.seek(each.committed)
    }
    const fresh = partitions.filter(({ position }) => position === undefined)
    if (fresh.length === 0) return
    if (from !== 'committed') {
      await this.#patiently(this.#locate(fresh, from))
      return
    }
    for (const each of fresh) {
      const message = `No offset is committed for ${each.topic}-${each.partition}, and \`from\` is 'committed'. Commit one, seek, or begin at 'earliest' or 'latest'.`
      each.fail(new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message))
    }
  }

  async #patiently(work: Promise<void>): Promise<void> {
    let timer: { cancel(): void } | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#options.client.clock.setTimer(startPatienceMs, resolve)
    })
    await Promise.race([work, late])
    timer?.cancel()
  }

  /**
   * Seeks to the start position, again and again until each has one, is over, or was moved by
   * somebody else.
   */
  async #locate(
    partitions: readonly AssignedPartition[],
    from: Exclude<StartPosition, 'committed'>,
  ): Promise<void> {
    const { client, settings, onReady, onError } = this.#options
    const { signal } = this.#abort
    const lookup = { client, signal, isolation: settings.isolation }
    const seeks = new Map(partitions.map((each) => [each, each.seeks]))
    const isOpen = (each: AssignedPartition): boolean =>
      !each.over && each.failure === undefined && each.seeks === seeks.get(each)
    try {
      for (let attempt = 0; ; attempt++) {
        const open = partitions.filter(isOpen)
        if (open.length === 0) return
        const { offsets, failures } = await findOffsets(lookup, open, from)
        for (const each of open.filter(isOpen)) {
          const offset = offsets.get(partitionKey(each))
          const failure = failures.get(partitionKey(each))
          if (offset !== undefined) each.seek(offset)
          else if (failure?.retriable === false) each.fail(failure)
        }
        onReady()
        if (!open.some(isOpen)) return
        await delay(client.clock, backoffMs(client.retryPolicy, attempt, client.random), signal)
      }
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
  }
}
