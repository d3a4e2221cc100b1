import { ClientError, kafkaError, type Client } from '@kfk/client'
import { AssignedPartition } from './assigned-partition.js'
import type { OffsetToCommit } from './offset-commits.js'
import type { ResolvedSettings } from './options.js'
import { committedOffsets, offsetsAt } from './start-positions.js'
import { partitionKey, type TopicPartition } from './topic-partition.js'

export interface AssignmentsOptions {
  readonly client: Client
  readonly settings: ResolvedSettings
  readonly topics: readonly string[]
  /** Something can be fetched that could not before. */
  readonly onReady: () => void
  readonly onError: (error: ClientError) => void
}

const offsetOutOfRange = 1

/** The partitions that this consumer reads, and where in each of them it is. */
export class Assignments {
  readonly #options: AssignmentsOptions
  readonly #partitions = new Map<string, AssignedPartition>()
  readonly #abort = new AbortController()

  constructor(options: AssignmentsOptions) {
    this.#options = options
  }

  all(): IterableIterator<AssignedPartition> {
    return this.#partitions.values()
  }

  /** @throws ClientError KFK_CLIENT_INVALID_ARGUMENT when it is not assigned */
  get(partition: TopicPartition): AssignedPartition {
    const found = this.#partitions.get(partitionKey(partition))
    if (found) return found
    const message = `${partition.topic}-${partition.partition} is not assigned to this consumer now`
    throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
  }

  /** Takes partitions over: resolves where to start, lets the listener have its say, then makes them fetchable. */
  async begin(partitions: readonly TopicPartition[]): Promise<void> {
    const added = partitions.map((each) => new AssignedPartition(each))
    for (const each of added) this.#partitions.set(partitionKey(each), each)
    try {
      await this.#resolveStart(added)
      await this.#options.settings.rebalance.assigned?.(partitions)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      throw error
    }
    for (const each of added) each.ready = true
    this.#options.onReady()
  }

  /** Without a group: the partitions named in the options, or all of the topics. */
  async beginAlone(): Promise<void> {
    const { client, settings, topics } = this.#options
    if (settings.assignment) return this.begin(settings.assignment)
    const lookUp = () => client.metadata.topics(topics, { signal: this.#abort.signal })
    const found = await client.retrying(lookUp, { signal: this.#abort.signal })
    return this.begin(
      found.flatMap(({ name, partitions }) =>
        partitions.map(({ index }) => ({ topic: name, partition: index })),
      ),
    )
  }

  /** Takes partitions off; they stay usable for draining and committing. */
  end(partitions: readonly TopicPartition[], reason: string): AssignedPartition[] {
    const ended = partitions.flatMap((each) => this.#partitions.get(partitionKey(each)) ?? [])
    for (const each of ended) {
      each.end(reason)
      this.#partitions.delete(partitionKey(each))
    }
    return ended
  }

  endAll(reason: string): void {
    this.end([...this.all()], reason)
  }

  async lose(partitions: readonly TopicPartition[]): Promise<void> {
    this.end(partitions, 'the partition was lost: the group thought this member dead')
    await this.#options.settings.rebalance.lost?.(partitions)
  }

  /** No more look-ups. */
  stop(): void {
    this.#abort.abort(new Error('the consumer is closed'))
  }

  uncommitted(): OffsetToCommit[] {
    return this.uncommittedOf([...this.all()])
  }

  uncommittedOf(partitions: readonly AssignedPartition[]): OffsetToCommit[] {
    return partitions.flatMap(({ topic, partition, processed, committed }) =>
      processed === undefined || processed === committed
        ? []
        : [{ topic, partition, offset: processed }],
    )
  }

  markCommitted(offsets: readonly OffsetToCommit[]): void {
    for (const each of offsets) {
      const partition = this.#partitions.get(partitionKey(each))
      if (partition) partition.committed = each.offset
    }
  }

  /**
   * The log does not have the position (deleted by retention, or lost). Only this error resets it, by `from`
   * (`auto.offset.reset`); trouble in reaching a broker never does.
   */
  resetOutOfRange(partition: AssignedPartition): void {
    const { client, settings } = this.#options
    const { topic, partition: index, position } = partition
    const details = { topic, partition: index, offset: position }
    if (settings.from === 'committed') {
      const message = `offset ${position} of ${topic}-${index} is not in the log (any more), and \`from\` is 'committed'. Seek to go on.`
      this.#options.onError(kafkaError(offsetOutOfRange, message, details))
      return
    }
    client.logger.warn('the position is not in the log: starting over', {
      ...details,
      from: settings.from,
    })
    partition.ready = false
    const { seeks } = partition
    offsetsAt({ client, signal: this.#abort.signal }, [partition], settings.from)
      .then((found) => {
        if (partition.seeks === seeks) partition.seek(found.get(partitionKey(partition))!)
        partition.ready = true
        this.#options.onReady()
      })
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#options.onError(error as ClientError)
      })
  }

  async #resolveStart(partitions: readonly AssignedPartition[]): Promise<void> {
    const { client, settings } = this.#options
    if (partitions.length === 0) return
    const lookup = { client, signal: this.#abort.signal }
    const committed =
      settings.group === undefined
        ? new Map<string, number>()
        : await committedOffsets(lookup, settings.group, partitions)
    const fresh = partitions.filter((each) => !committed.has(partitionKey(each)))
    const starts = fresh.length > 0 ? await this.#startsOf(fresh) : new Map<string, number>()
    for (const each of partitions) {
      const key = partitionKey(each)
      each.committed = committed.get(key)
      if (each.seeks === 0) each.seek(committed.get(key) ?? starts.get(key)!)
    }
  }

  async #startsOf(partitions: readonly AssignedPartition[]): Promise<Map<string, number>> {
    const { client, settings } = this.#options
    if (settings.from !== 'committed') {
      return offsetsAt({ client, signal: this.#abort.signal }, partitions, settings.from)
    }
    const names = partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(', ')
    const message = `No offset is committed for ${names}, and \`from\` is 'committed'. Commit one, or begin at 'earliest' or 'latest'.`
    throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
  }
}
