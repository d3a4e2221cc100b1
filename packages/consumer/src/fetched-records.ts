import { batches, openBatch } from '@kfk/protocol'
import { FetchedRecord } from './fetched-record.js'
import type { AnswerMemory, PrefetchMemory } from './prefetch-memory.js'
import type { TopicPartition } from './topic-partition.js'

/** A record batch as it was fetched. Decoded when the application gets to it. */
interface FetchedBatch {
  readonly bytes: Uint8Array
  readonly nextOffset: number
  readonly answer: AnswerMemory
}

/** A decoded batch; what is before `index` has been taken. */
interface DecodedBatch {
  readonly batch: FetchedBatch
  readonly records: readonly FetchedRecord[]
  index: number
}

/** Records taken from the front, and what has to be put back if they are not processed. */
export interface RecordRun {
  readonly records: readonly FetchedRecord[]
  /**
   * Where reading goes on after them; may lie past the last record (compaction, control batches).
   */
  readonly nextOffset: number
  readonly emptied: readonly DecodedBatch[]
}

/**
 * Low byte of a batch's attributes (int16 at 21) and the bit that marks control batches (KIP-98).
 */
const attributesLowByte = 22
const controlFlag = 0x20

/**
 * Thrown by {@link FetchedRecords.take}: the batch at the front cannot be read, and stays there.
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
  #decoded: DecodedBatch[] = []
  #bytes = 0

  constructor(place: TopicPartition) {
    this.#place = place
  }

  /** Of batches that wait or are taken and not yet released. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0 && this.#decoded.length === 0
  }

  /**
   * Adds what follows `position`; returns the position behind it. Throws ProtocolError when it is
   * no batch.
   */
  add(bytes: Uint8Array, position: number, answer: AnswerMemory): number {
    let next = position
    for (const batch of batches(bytes)) {
      const nextOffset = batch.header.lastOffset + 1
      if (nextOffset <= next) continue
      next = nextOffset
      this.#batches.push({ bytes: batch.bytes, nextOffset, answer })
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
    let records: FetchedRecord[] | undefined
    let nextOffset: number | undefined
    const emptied: DecodedBatch[] = []
    while ((records?.length ?? 0) < max) {
      const front = this.#front(wanted, nextOffset !== undefined)
      if (front === undefined) break
      const part = front.records.slice(front.index, front.index + max - (records?.length ?? 0))
      front.index += part.length
      if (front.index < front.records.length) nextOffset = part.at(-1)!.position + 1
      else {
        nextOffset = front.batch.nextOffset
        emptied.push(front)
        this.#decoded.shift()
      }
      if (records === undefined) records = part
      else for (const each of part) records.push(each)
    }
    return nextOffset === undefined ? undefined : { records: records ?? [], nextOffset, emptied }
  }

  /** What was taken is processed: its memory counts no longer. */
  release({ emptied }: RecordRun): void {
    for (const { batch } of emptied) this.#release(batch)
  }

  /** What was taken comes again, from `wanted` on. */
  putBack({ emptied }: RecordRun, wanted: number): void {
    this.#decoded.unshift(...emptied)
    for (const decoded of this.#decoded) decoded.index = indexOf(decoded.records, wanted)
  }

  clear(): void {
    for (const { batch } of this.#decoded) this.#release(batch)
    for (const batch of this.#batches) this.#release(batch)
    this.#decoded = []
    this.#batches = []
  }

  /** Copies what keeps large answers in memory by a small part of them. */
  compact(memory: PrefetchMemory): void {
    for (const [index, batch] of this.#batches.entries()) {
      if (!batch.answer.mostlyFree) continue
      const copy = {
        ...batch,
        bytes: batch.bytes.slice(),
        answer: memory.answer(batch.bytes.length),
      }
      copy.answer.hold(copy.bytes.length)
      batch.answer.release(batch.bytes.length)
      this.#batches[index] = copy
    }
  }

  /**
   * An unreadable batch is an error only at the front: what is good before it is delivered first.
   */
  #front(wanted: number, haveSome: boolean): DecodedBatch | undefined {
    const [first] = this.#decoded
    if (first !== undefined) return first
    const [batch] = this.#batches
    if (batch === undefined) return undefined
    try {
      const decoded = decode(this.#place, batch, wanted)
      this.#batches.shift()
      this.#decoded.push(decoded)
      return decoded
    } catch (cause) {
      if (haveSome) return undefined
      throw new UnreadableBatch(batch.nextOffset, cause)
    }
  }

  #release(batch: FetchedBatch): void {
    this.#bytes -= batch.bytes.length
    batch.answer.release(batch.bytes.length)
  }
}

function decode(place: TopicPartition, batch: FetchedBatch, wanted: number): DecodedBatch {
  const isControl = (batch.bytes[attributesLowByte]! & controlFlag) !== 0
  const records = isControl ? [] : readRecords(place, batch.bytes)
  // A fetch from the middle of a batch returns the whole batch.
  return { batch, records, index: indexOf(records, wanted) }
}

/** All at once: it is known then whether the rest of the batch can be read. */
function readRecords(place: TopicPartition, batch: Uint8Array): FetchedRecord[] {
  const cursor = openBatch(batch)
  const { source } = cursor
  const records = new Array<FetchedRecord>(cursor.recordCount)
  for (let index = 0; cursor.advance(); index++) {
    records[index] = new FetchedRecord(place, source, cursor)
  }
  return records
}

function indexOf(records: readonly FetchedRecord[], wanted: number): number {
  let index = 0
  while (index < records.length && records[index]!.position < wanted) index++
  return index
}
