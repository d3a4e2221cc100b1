import type { Frame } from './frame-layout.js'
import type { LogSlice } from './log.js'

/** One record of an embedded log. `key` and `value` are views: keep a copy, or keep the page. */
export type EmbeddedRecord = Frame

/** The answer to one read: records, and the bytes in which they lie. */
export class LogPage implements Iterable<EmbeddedRecord> {
  /** From the offset asked for on, checksums verified. */
  readonly records: readonly EmbeddedRecord[]
  /** The batches as they lie in the file: whole ones, the first may begin before that offset. */
  readonly bytes: Uint8Array
  /** Where to read on. */
  readonly nextOffset: number
  /** First offset of the log at the time of the read. */
  readonly startOffset: number

  constructor(slice: LogSlice, from: number, records: readonly EmbeddedRecord[]) {
    this.bytes = slice.bytes
    this.nextOffset = slice.nextOffset
    this.startOffset = slice.logStartOffset
    let first = 0
    while (first < records.length && records[first]!.offset < from) first++
    this.records = first === 0 ? records : records.slice(first)
  }

  [Symbol.iterator](): Iterator<EmbeddedRecord> {
    return this.records[Symbol.iterator]()
  }
}
