import type { AssignedPartition, TakenBatch, TakenRecords } from './assigned-partition.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { ReadableRecord, ReadableRecords } from './record-decoder.js'

type AnyRecord = ConsumerRecord<unknown, unknown>
type Result = IteratorResult<AnyRecord, void>

/** Records of one partition, each made when it is asked for, or before. */
export interface RecordRun {
  readonly records: { readonly length: number; at(index: number): ReadableRecord | undefined }
  readonly failure?: ReadableRecords['failure']
}

export interface RecordIteratorOptions {
  /** The next run of records of one partition; undefined at the end. */
  readonly take: () => Promise<TakenRecords | TakenBatch | undefined>
  readonly decode: (taken: TakenRecords | TakenBatch) => Promise<RecordRun>
  /** Nothing more is handed out. */
  readonly isClosed: () => boolean
  /** All records of the run were handed out and processed. Throws the failure. */
  readonly conclude: (partition: AssignedPartition, failure: ReadableRecords['failure']) => void
  /** The run is over; what is not processed comes again. */
  readonly end: (partition: AssignedPartition) => void
}

/**
 * Record by record, as an async generator would give them, but that a record at hand costs one turn
 * of the microtask queue and not three. Calls wait for those before them.
 */
export class RecordIterator implements AsyncGenerator<AnyRecord, void, undefined> {
  readonly #options: RecordIteratorOptions
  #partition: AssignedPartition | undefined
  #records: RecordRun['records'] = []
  #failure: ReadableRecords['failure']
  /** Records of the run that are done with. */
  #done = 0
  /** The application has it: the one after them. */
  #inHand: ReadableRecord | undefined
  #isOver = false
  /** Calls that are not answered, and the last of them. */
  #open = 0
  #last: Promise<unknown> | undefined

  constructor(options: RecordIteratorOptions) {
    this.#options = options
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    if (this.#open === 0) {
      const record = this.#advance()
      if (record !== undefined) return Promise.resolve({ done: false, value: record })
    }
    return this.#inTurn(() => this.#next())
  }

  return(): Promise<Result> {
    return this.#inTurn(async () => this.#stop())
  }

  throw(error: unknown): Promise<Result> {
    return this.#inTurn(async () => {
      this.#stop()
      throw error
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** Undefined when the run has none left. Whoever asks is done with the record in hand. */
  #advance(): ReadableRecord | undefined {
    const partition = this.#partition
    if (partition === undefined) return undefined
    if (this.#inHand !== undefined) {
      this.#done += 1
      partition.progress(this.#inHand.position + 1)
    }
    const isBrokenOff = partition.interrupted || this.#options.isClosed()
    this.#inHand = isBrokenOff ? undefined : this.#records.at(this.#done)
    return this.#inHand
  }

  async #next(): Promise<Result> {
    try {
      let record = this.#advance()
      while (record === undefined && !this.#isOver) {
        this.#endRun()
        await this.#beginRun()
        record = this.#advance()
      }
      return record === undefined
        ? { done: true, value: undefined }
        : { done: false, value: record }
    } catch (error) {
      this.#stop()
      throw error
    }
  }

  async #beginRun(): Promise<void> {
    const { take, decode } = this.#options
    const taken = await take()
    if (taken === undefined) {
      this.#isOver = true
      return
    }
    this.#partition = taken.partition
    this.#done = 0
    const { records, failure } = await decode(taken)
    this.#records = records
    this.#failure = failure
  }

  #endRun(): void {
    const partition = this.#partition
    if (partition === undefined) return
    if (this.#done === this.#records.length) this.#options.conclude(partition, this.#failure)
    this.#leave()
  }

  #leave(): void {
    const partition = this.#partition
    this.#partition = undefined
    this.#inHand = undefined
    // They would keep a whole answer in memory while the next one is waited for.
    this.#records = []
    if (partition !== undefined) this.#options.end(partition)
  }

  #stop(): Result {
    this.#isOver = true
    this.#leave()
    return { done: true, value: undefined }
  }

  #inTurn(step: () => Promise<Result>): Promise<Result> {
    const turn = async (): Promise<Result> => {
      try {
        return await step()
      } finally {
        this.#open -= 1
      }
    }
    const call = this.#open === 0 ? turn() : this.#last!.then(turn, turn)
    this.#open += 1
    this.#last = call
    return call
  }
}
