import {
  batches,
  openBatch,
  PLACE_NUMBERS,
  RecordPlaces,
  type AbortedTransactions,
  type RecordSource,
} from '@kfk/protocol'
import { FetchedRecord } from './fetched-record.js'
import type { AnswerMemory, PrefetchMemory } from './prefetch-memory.js'
import type { TopicPartition } from './topic-partition.js'

/** A record batch as it was fetched, and its records once the application has got to them. */
interface FetchedBatch {
  readonly bytes: Uint8Array
  readonly nextOffset: number
  readonly recordCount: number
  readonly answer: AnswerMemory
  /** A control batch, or of a transaction that was aborted: used up without giving anything. */
  readonly isHidden: boolean
  /** Undefined: not decoded. */
  records: readonly FetchedRecord[] | undefined
  /** Records before it have been taken. */
  index: number
}

/** What was taken from the front, and has to be put back if it is not processed. */
interface Taken {
  /**
   * Where reading goes on after it; may lie past the last record (compaction, control batches).
   */
  readonly nextOffset: number
  readonly emptied: readonly FetchedBatch[]
}

/** Records taken, each with an object of its own. */
export interface RecordRun extends Taken {
  readonly records: readonly FetchedRecord[]
}

/** The records of a batch from the one with the number `first` on. */
export interface ReadableBatch {
  readonly source: RecordSource
  readonly places: RecordPlaces
  readonly first: number
}

/** One batch taken as it is; undefined when what was at the front has no wanted records. */
export interface BatchRun extends Taken {
  readonly batch: ReadableBatch | undefined
}

/**
 * Thrown when something is taken of {@link FetchedRecords}: the batch at the front cannot be read,
 * and stays there.
 */
export class UnreadableBatch extends Error {
  /** Where reading could go on. */
  readonly nextOffset: number

  constructor(nextOffset: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.nextOffset = nextOffset
  }
}

/**
 * The records of one partition that are fetched and wait, in order. Bytes count until they are
 * released.
 */
export class FetchedRecords {
  readonly #place: TopicPartition
  #batches: FetchedBatch[] = []
  #bytes = 0
  /** Leader epoch of the batch that was added last; -1 where there is none. */
  lastEpoch = -1

  constructor(place: TopicPartition) {
    this.#place = place
  }

  /** Of batches that wait or are taken and not yet released. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0
  }

  /** Records of the next batch, if none of them has been taken; 0 otherwise. */
  get nextCount(): number {
    const front = this.#batches[0]
    return front === undefined || front.records !== undefined ? 0 : front.recordCount
  }

  /**
   * Adds what follows `position`, but for what was `aborted`; returns the position behind it.
   * Throws ProtocolError when it is no batch.
   */
  add(
    bytes: Uint8Array,
    position: number,
    answer: AnswerMemory,
    aborted?: AbortedTransactions,
  ): number {
    let next = position
    for (const batch of batches(bytes)) {
      const { header, bytes } = batch
      const nextOffset = header.lastOffset + 1
      const isAborted = aborted !== undefined && aborted.covers(header, bytes)
      if (nextOffset <= next) continue
      next = nextOffset
      this.lastEpoch = header.partitionLeaderEpoch
      const isHidden = isAborted || header.isControl
      this.#batches.push({
        bytes,
        nextOffset,
        recordCount: header.recordCount,
        answer,
        isHidden,
        records: undefined,
        index: 0,
      })
      answer.hold(batch.bytes.length)
      this.#bytes += batch.bytes.length
    }
    return next
  }

  /**
   * Up to `max` records from `wanted` on, of as many batches as it takes; none when there are only
   * control batches or older records, which are used up nevertheless. Undefined when nothing waits.
   * Throws {@link UnreadableBatch}.
   */
  take(max: number, wanted: number): RecordRun | undefined {
    const parts: (readonly FetchedRecord[])[] = []
    let left = max
    let nextOffset: number | undefined
    const emptied: FetchedBatch[] = []
    while (left > 0 && parts.length < batchesPerRun) {
      const front = this.#batches[0]
      if (front === undefined || !this.#decode(front, wanted, nextOffset !== undefined)) break
      const all = front.records!
      const isWhole = front.index === 0 && all.length <= left
      const part = isWhole ? all : all.slice(front.index, front.index + left)
      front.index += part.length
      left -= part.length
      if (front.index < all.length) nextOffset = part.at(-1)!.position + 1
      else {
        nextOffset = front.nextOffset
        emptied.push(front)
        this.#batches.shift()
      }
      if (part.length > 0) parts.push(part)
    }
    if (nextOffset === undefined) return undefined
    // One by one they would take more, and make the array anew again and again.
    return { records: noRecords.concat(...parts), nextOffset, emptied }
  }

  /**
   * The next batch with records from `wanted` on; what comes before it is used up. Undefined when
   * nothing waits. `places` say where its records are. Throws {@link UnreadableBatch}.
   */
  takeBatch(wanted: number, places: RecordPlaces): BatchRun | undefined {
    const emptied: FetchedBatch[] = []
    let batch: ReadableBatch | undefined
    while (batch === undefined) {
      const front = this.#batches[0]
      if (front === undefined) break
      try {
        if (!front.isHidden) batch = readable(front.bytes, wanted, places)
      } catch (cause) {
        if (emptied.length > 0) break
        throw new UnreadableBatch(front.nextOffset, cause)
      }
      emptied.push(front)
      this.#batches.shift()
    }
    const nextOffset = emptied.at(-1)?.nextOffset
    return nextOffset === undefined ? undefined : { batch, nextOffset, emptied }
  }

  /** What was taken is processed: its memory counts no longer. */
  release({ emptied }: Taken): void {
    for (const batch of emptied) this.#release(batch)
  }

  /** What was taken comes again, from `wanted` on. */
  putBack({ emptied }: Taken, wanted: number): void {
    this.#batches.unshift(...emptied)
    for (const batch of this.#batches) {
      if (batch.records !== undefined) batch.index = indexOf(batch.records, wanted)
    }
  }

  clear(): void {
    for (const batch of this.#batches) this.#release(batch)
    this.#batches = []
  }

  /** Copies what keeps large answers in memory by a small part of them. */
  compact(memory: PrefetchMemory): void {
    for (const [index, batch] of this.#batches.entries()) {
      if (batch.records !== undefined || !batch.answer.mostlyFree) continue
      const bytes = new Uint8Array(batch.bytes)
      const copy = { ...batch, bytes, answer: memory.answer(bytes) }
      copy.answer.hold(copy.bytes.length)
      batch.answer.release(batch.bytes.length)
      this.#batches[index] = copy
    }
  }

  /**
   * An unreadable batch is an error only at the front: what is good before it is delivered first.
   */
  #decode(batch: FetchedBatch, wanted: number, haveSome: boolean): boolean {
    if (batch.records !== undefined) return true
    try {
      const records = batch.isHidden ? [] : readRecords(this.#place, batch.bytes)
      batch.answer.show()
      // A fetch from the middle of a batch returns the whole batch.
      batch.index = indexOf(records, wanted)
      batch.records = records
      return true
    } catch (cause) {
      if (haveSome) return false
      throw new UnreadableBatch(batch.nextOffset, cause)
    }
  }

  #release(batch: FetchedBatch): void {
    // It has waited for so long that it is old, and what it refers to would live as long as it.
    batch.records = undefined
    this.#bytes -= batch.bytes.length
    batch.answer.release(batch.bytes.length)
  }
}

/** All of it is known to be readable; undefined when it has no record from `wanted` on. */
function readable(
  bytes: Uint8Array,
  wanted: number,
  places: RecordPlaces,
): ReadableBatch | undefined {
  const source = openBatch(bytes, places)
  const { recordCount, baseOffset } = source
  let first = 0
  while (first < recordCount && baseOffset + deltaOf(places, first) < wanted) first++
  return first === recordCount ? undefined : { source, places, first }
}

function deltaOf({ numbers }: RecordPlaces, index: number): number {
  return numbers[index * step + 1]!
}

const noRecords: readonly FetchedRecord[] = []

/** Batches taken at once, however few records they have: each is an argument of a call. */
const batchesPerRun = 1000

/** Of a constant of another package each use is a call, in CommonJS. */
const step = PLACE_NUMBERS

/** For as long as the records of one batch are made. */
const scratch = new RecordPlaces()

/** All at once: it is known then whether the rest of the batch can be read. */
function readRecords(place: TopicPartition, batch: Uint8Array): FetchedRecord[] {
  const source = openBatch(batch, scratch)
  const { numbers } = scratch
  const records = new Array<FetchedRecord>(source.recordCount)
  for (let index = 0; index < records.length; index++) {
    records[index] = new FetchedRecord(place, source, numbers, index * step)
  }
  return records
}

function indexOf(records: readonly FetchedRecord[], wanted: number): number {
  let index = 0
  while (index < records.length && records[index]!.position < wanted) index++
  return index
}
