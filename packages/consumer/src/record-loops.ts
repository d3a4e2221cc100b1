import { abortedError, ClientError, type Clock } from '@kfk/client'
import { RecordPlaces } from '@kfk/protocol'
import type { AssignedPartition, TakenBatch, TakenRecords } from './assigned-partition.js'
import { BatchLoop, isThenable, type BatchHandler } from './batch-loop.js'
import type { ConsumerRecord, RecordBatch } from './consumer-record.js'
import type { Delivery } from './delivery.js'
import type { ReadableRecords, RecordDecoder } from './record-decoder.js'
import { PlacedRecords } from './placed-records.js'
import { RecordIterator } from './record-iterator.js'

type AnyRecord = ConsumerRecord<unknown, unknown>
type AnyHandler = (record: AnyRecord, context: { readonly signal: AbortSignal }) => unknown

export interface BatchOptions {
  /** Most records in a batch. Default 500. */
  readonly maxRecords?: number
  /** Ends the loop with KFK_CLIENT_ABORTED. */
  readonly signal?: AbortSignal
}

export interface RunOptions {
  /** Handlers running at once, each on another partition. Default: one for each partition. */
  readonly concurrency?: number
  /** Ends the run with KFK_CLIENT_ABORTED, after the handlers that are running. */
  readonly signal?: AbortSignal
}

/** The records of one assigned partition, see `Consumer.partitions`. */
export interface PartitionRecords<Record = ConsumerRecord> extends AsyncIterable<Record> {
  readonly topic: string
  readonly partition: number
  /** Fires when the partition goes to another member: the iteration ends then. */
  readonly signal: AbortSignal
}

export interface RecordLoopsOptions {
  readonly delivery: Delivery
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly decoder: RecordDecoder
  readonly partitions: () => Iterable<AssignedPartition>
  /** The first read starts the consumer. */
  readonly start: () => void
  /** Records were put back or done with: more can be fetched. */
  readonly onDone: () => void
  readonly commit: (partition: AssignedPartition, nextOffset: number) => Promise<void>
}

interface LoopOptions<Taken> {
  readonly from: (partition: AssignedPartition) => Taken | undefined
  readonly signal?: AbortSignal | undefined
  readonly only?: AssignedPartition | undefined
}

const defaultMaxRecords = 500
/** Batches of fewer records are joined to runs: to take one by itself costs some microseconds. */
const placedFrom = 64

/**
 * The ways to read. In all of them, asking for the next record or batch says that the last one is
 * processed.
 */
export class RecordLoops {
  readonly #options: RecordLoopsOptions

  constructor(options: RecordLoopsOptions) {
    this.#options = options
  }

  records(only?: AssignedPartition): AsyncGenerator<AnyRecord, void, undefined> {
    const { decoder } = this.#options
    const places = new RecordPlaces()
    const from = (partition: AssignedPartition): TakenRecords | TakenBatch | undefined =>
      partition.nextCount >= placedFrom && decoder.isPlain(partition)
        ? partition.takeBatch(places, { isKept: true })
        : partition.take(defaultMaxRecords)
    return new RecordIterator({
      take: () => this.#take({ from, only }),
      decode: async (taken) =>
        'batch' in taken ? { records: new PlacedRecords(taken) } : this.#decode(taken),
      isClosed: () => this.#options.delivery.closed,
      conclude,
      end: (partition) => this.#end(partition),
    })
  }

  async *batches(options: BatchOptions): AsyncGenerator<RecordBatch<unknown, unknown>> {
    const { maxRecords = defaultMaxRecords, signal } = options
    checkCount('maxRecords', maxRecords)
    const from = (partition: AssignedPartition) => partition.take(maxRecords)
    for (;;) {
      const taken = await this.#take({ from, signal })
      if (taken === undefined) return
      const { partition } = taken
      try {
        const { records, failure } = await this.#decode(taken)
        const nextOffset = failure?.offset ?? taken.nextOffset
        if (records.length > 0) yield this.#batch(partition, records, nextOffset)
        conclude(partition, failure)
      } finally {
        this.#end(partition)
      }
    }
  }

  async *partitions(): AsyncGenerator<PartitionRecords<AnyRecord>, void, undefined> {
    const { delivery, start, partitions } = this.#options
    const seen = new WeakSet<AssignedPartition>()
    start()
    while (!delivery.ended()) {
      const found = [...partitions()].find((each) => each.ready && !seen.has(each))
      if (found === undefined) {
        await delivery.changed()
        continue
      }
      seen.add(found)
      const { topic, partition, signal } = found
      yield { topic, partition, signal, [Symbol.asyncIterator]: () => this.records(found) }
    }
  }

  async run(handler: AnyHandler, options: RunOptions): Promise<void> {
    const { concurrency = Infinity, signal } = options
    if (concurrency !== Infinity) checkCount('concurrency', concurrency)
    const from = (partition: AssignedPartition) => partition.take(defaultMaxRecords)
    const failures: unknown[] = []
    const stopped = (): boolean => failures.length > 0 || signal?.aborted === true
    let running = 0
    let onEnd: () => void = () => undefined
    const handle = async (taken: TakenRecords): Promise<void> => {
      try {
        await this.#handle(taken, handler, stopped)
      } catch (error) {
        failures.push(error)
        this.#options.delivery.signal()
      }
      running -= 1
      onEnd()
    }
    const oneHasEnded = (): Promise<void> => new Promise((resolve) => (onEnd = resolve))
    try {
      for (;;) {
        const taken = await this.#take({ from, signal }, stopped)
        if (taken === undefined) break
        running += 1
        void handle(taken)
        if (running >= concurrency) await oneHasEnded()
      }
    } catch (error) {
      failures.push(error)
    }
    while (running > 0) await oneHasEnded()
    if (failures.length > 0) throw failures[0]
  }

  /** See `batch-loop.ts`. */
  async runBatches(handler: BatchHandler, options: RunOptions): Promise<void> {
    const { concurrency = Infinity, signal } = options
    if (concurrency !== Infinity) checkCount('concurrency', concurrency)
    this.#options.start()
    const { delivery, clock, commit } = this.#options
    const onDone = (partition: AssignedPartition): void => this.#end(partition)
    await new BatchLoop({ delivery, clock, commit, onDone, handler, concurrency, signal }).run()
  }

  async #handle(taken: TakenRecords, handler: AnyHandler, stopped: () => boolean): Promise<void> {
    const { delivery } = this.#options
    const { partition } = taken
    const context = { signal: partition.signal }
    try {
      const { records, failure } = await this.#decode(taken)
      let index = 0
      for (; index < records.length; index++) {
        if (partition.interrupted || delivery.closed || stopped()) break
        const result = handler(records[index]!, context)
        // A handler that returns nothing to wait for costs no turn of the event loop.
        if (isThenable(result)) await result
        partition.progress(records[index]!.position + 1)
      }
      if (index === records.length) conclude(partition, failure)
    } finally {
      this.#end(partition)
    }
  }

  /** Undefined at the end. The caller's signal ends the wait with KFK_CLIENT_ABORTED. */
  async #take<Taken>(
    { from, signal, only }: LoopOptions<Taken>,
    failed: () => boolean = () => false,
  ): Promise<Taken | undefined> {
    const { delivery, start } = this.#options
    start()
    if (signal === undefined) return delivery.take({ from, stopped: failed, only })
    const interrupt = (): void => delivery.signal()
    signal.addEventListener('abort', interrupt, { once: true })
    try {
      const stopped = (): boolean => signal.aborted || failed()
      const taken = await delivery.take({ from, stopped, only })
      if (taken === undefined && signal.aborted && !delivery.ended()) throw abortedError(signal)
      return taken
    } finally {
      signal.removeEventListener('abort', interrupt)
    }
  }

  async #decode({ partition, records }: TakenRecords): Promise<ReadableRecords> {
    return this.#options.decoder.decode(partition, records)
  }

  #batch(
    partition: AssignedPartition,
    records: readonly AnyRecord[],
    nextOffset: number,
  ): RecordBatch<unknown, unknown> {
    const { topic, partition: index, signal, highWatermark } = partition
    return {
      topic,
      partition: index,
      records,
      nextOffset: BigInt(nextOffset),
      highWatermark: BigInt(highWatermark ?? nextOffset),
      signal,
      commit: () => this.#options.commit(partition, nextOffset),
    }
  }

  #end(partition: AssignedPartition): void {
    partition.putBack()
    this.#options.delivery.signal()
    this.#options.onDone()
  }
}

/** All records of a run were handed out and processed. */
function conclude(partition: AssignedPartition, failure: ReadableRecords['failure']): void {
  if (failure === undefined) {
    partition.finish()
    return
  }
  partition.progress(failure.offset)
  if (!partition.interrupted) throw failure.error
}

function checkCount(name: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return
  const message = `\`${name}\` must be a positive whole number, not ${value}.`
  throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
}
