import { batches, decodeRecords, type DecodedRecord } from '@kfk/protocol'
import type { TopicPartition } from './topic-partition.js'

/** A record batch as it was fetched: decoded when the application gets to it. */
interface FetchedBatch {
  readonly bytes: Uint8Array
  readonly nextOffset: number
}

/** Records taken for the application. */
export interface TakenRecords {
  readonly partition: AssignedPartition
  readonly records: readonly DecodedRecord[]
  /** Where processing goes on once these are done; may lie past the last record (compaction, control batches). */
  readonly nextOffset: number
}

/**
 * One partition that this consumer reads: where it is, what is fetched ahead, and what the application has in hand.
 * An object lives for one assignment; late answers for an earlier one find an object that is over.
 */
export class AssignedPartition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** Next offset to fetch; undefined until its start is resolved. */
  position: number | undefined
  /** Next offset to commit: all before it has been processed. */
  processed: number | undefined
  committed: number | undefined
  highWatermark: number | undefined
  paused = false
  /** Set once the listener has had its say: before, nothing is fetched. */
  ready = false
  fetching = false
  /** Monotonic time before which no fetch is tried again, after an error. */
  notBeforeMs = 0
  readonly #over = new AbortController()
  #buffered: FetchedBatch[] = []
  #decoded: { records: readonly DecodedRecord[]; index: number; nextOffset: number } | undefined
  #bufferedBytes = 0
  #seeks = 0
  #inHand: number | undefined
  #drained: (() => void)[] = []

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic
    this.partition = partition
  }

  /** Fires when the assignment ends. */
  get signal(): AbortSignal {
    return this.#over.signal
  }

  get over(): boolean {
    return this.#over.signal.aborted
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get hasRecords(): boolean {
    return this.#decoded !== undefined || this.#buffered.length > 0
  }

  /** Changes with every seek, so that an answer to a fetch from before can be told. */
  get seeks(): number {
    return this.#seeks
  }

  get busy(): boolean {
    return this.#inHand !== undefined
  }

  /** Goes on from `offset`; what was fetched ahead is dropped. */
  seek(offset: number): void {
    this.#seeks += 1
    this.position = offset
    this.processed = offset
    this.#drop()
  }

  /** Adds fetched batches and moves the position behind them. */
  add(bytes: Uint8Array): void {
    for (const batch of batches(bytes)) {
      const nextOffset = batch.header.lastOffset + 1
      if (nextOffset <= this.position!) continue
      this.position = nextOffset
      this.#buffered.push({ bytes: batch.bytes, nextOffset })
      this.#bufferedBytes += batch.bytes.length
    }
  }

  /**
   * Takes up to `max` records for the application; undefined when nothing is buffered but control batches or records
   * that were not asked for. Throws ProtocolError when a batch is corrupt: it stays where it is.
   */
  take(max: number): TakenRecords | undefined {
    while (this.#decoded !== undefined || this.#buffered.length > 0) {
      const current = (this.#decoded ??= this.#decodeNext())
      const records = current.records.slice(current.index, current.index + max)
      current.index += records.length
      const done = current.index >= current.records.length
      const nextOffset = done ? current.nextOffset : records.at(-1)!.offset + 1
      if (done) this.#decoded = undefined
      if (records.length === 0) {
        if (this.#inHand === undefined) this.processed = nextOffset
        continue
      }
      this.#inHand = nextOffset
      return { partition: this, records, nextOffset }
    }
    return undefined
  }

  /** What was taken last is done. */
  finish(): void {
    if (this.#inHand === undefined) return
    this.processed = this.#inHand
    this.#settle()
  }

  /** Of what was taken last, everything before `nextOffset` is done. */
  progress(nextOffset: number): void {
    this.processed = nextOffset
  }

  /** What was taken last and is not done comes again. */
  putBack(): void {
    if (this.#inHand === undefined) return
    this.#settle()
    if (!this.over) this.seek(this.processed!)
  }

  /** Resolves when the application has nothing of this partition in hand. */
  drained(): Promise<void> {
    if (this.#inHand === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** Ends the assignment: nothing more is handed out. */
  end(reason: string): void {
    this.#over.abort(new Error(reason))
    this.#drop()
  }

  #settle(): void {
    this.#inHand = undefined
    for (const resolve of this.#drained.splice(0)) resolve()
  }

  #drop(): void {
    this.#buffered = []
    this.#decoded = undefined
    this.#bufferedBytes = 0
  }

  #decodeNext(): { records: readonly DecodedRecord[]; index: number; nextOffset: number } {
    const [batch] = this.#buffered as [FetchedBatch]
    const control = (batch.bytes[ATTRIBUTES_LOW_BYTE]! & CONTROL_FLAG) !== 0
    const wanted = this.processed ?? 0
    const records = control ? [] : decodeRecords(batch.bytes, { verifyChecksum: true })
    this.#buffered.shift()
    this.#bufferedBytes -= batch.bytes.length
    // A fetch from the middle of a batch returns the whole batch.
    const index = records.findIndex(({ offset }) => offset >= wanted)
    const start = index < 0 ? records.length : index
    return { records, index: start, nextOffset: batch.nextOffset }
  }
}

/** Low byte of a batch's attributes (int16 at 21) and the bit that marks control batches (KIP-98). */
const ATTRIBUTES_LOW_BYTE = 22
const CONTROL_FLAG = 0x20
