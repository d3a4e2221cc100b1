import { ClientError } from '@kfk/client'
import { PLACE_NUMBERS } from '@kfk/protocol'
import type { AssignedPartition, TakenBatch } from './assigned-partition.js'
import type { BatchView, RecordView } from './consumer-record.js'
import { FetchedRecord } from './fetched-record.js'

/** Of a constant of another package each use is a call, in CommonJS. */
const step = PLACE_NUMBERS

type Commit = (partition: AssignedPartition, nextOffset: number) => Promise<void>

/** A batch as a handler gets it, until it is done with it. */
export class FetchedBatchView implements BatchView {
  readonly recordCount: number
  readonly bytes: Uint8Array
  readonly #taken: TakenBatch
  readonly #highWatermark: number
  readonly #commit: Commit
  #over = false

  constructor(taken: TakenBatch, commit: Commit) {
    const { source, first } = taken.batch
    this.recordCount = source.recordCount - first
    this.bytes = source.bytes
    this.#taken = taken
    this.#highWatermark = taken.partition.highWatermark ?? taken.nextOffset
    this.#commit = commit
  }

  get topic(): string {
    return this.#taken.partition.topic
  }

  get partition(): number {
    return this.#taken.partition.partition
  }

  get nextOffset(): bigint {
    return BigInt(this.#taken.nextOffset)
  }

  get highWatermark(): bigint {
    return BigInt(this.#highWatermark)
  }

  get signal(): AbortSignal {
    return this.#taken.partition.signal
  }

  get over(): boolean {
    return this.#over
  }

  /** The handler is done: the memory may be used again. */
  end(): void {
    this.#over = true
  }

  commit(): Promise<void> {
    return this.#commit(this.#taken.partition, this.#taken.nextOffset)
  }

  [Symbol.iterator](): Iterator<RecordView> {
    return new RecordSteps(this, this.#taken)
  }
}

/** One record after the other, each in the same object: a step allocates nothing. */
class RecordSteps implements Iterator<RecordView> {
  readonly #view: FetchedBatchView
  readonly #record: SteppingRecord
  readonly #result: { done: boolean; value: RecordView }
  readonly #numbers: Int32Array
  readonly #end: number
  #at: number

  constructor(view: FetchedBatchView, { partition, batch }: TakenBatch) {
    const { source, places, first } = batch
    this.#view = view
    this.#numbers = places.numbers
    this.#at = first * step
    this.#end = source.recordCount * step
    this.#record = new SteppingRecord(partition, source, this.#numbers, this.#at)
    this.#result = { done: false, value: this.#record }
  }

  next(): IteratorResult<RecordView, undefined> {
    if (this.#view.over) throw overError()
    if (this.#at === this.#end) return { done: true, value: undefined }
    this.#record.moveTo(this.#numbers, this.#at)
    this.#at += step
    return this.#result as IteratorResult<RecordView, undefined>
  }
}

function overError(): ClientError {
  const message = 'A batch was read after its handler had returned: its memory is used again.'
  return new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
}

/** One record after another. */
class SteppingRecord extends FetchedRecord implements RecordView {
  moveTo(numbers: Int32Array, at: number): void {
    this.recordStart = numbers[at]!
    this.offsetDelta = numbers[at + 1]!
    this.valueStart = numbers[at + 2]!
    this.valueLength = numbers[at + 3]!
  }
}
