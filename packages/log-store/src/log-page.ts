import { StoreError } from './errors.js'
import type { RecordCodec } from './frame-format.js'
import type { Frame } from './frame-layout.js'

/** One record of an embedded log. `key` and `value` are views: keep a copy, or keep the page. */
export type EmbeddedRecord = Frame

/** The answer to one read. */
export class LogPage implements Iterable<EmbeddedRecord> {
  /**
   * The batches as they lie in the file, not verified. Whole ones: the first may begin before the
   * offset asked for.
   */
  readonly bytes: Uint8Array
  /** Where to read on. */
  readonly nextOffset: number
  /** First offset of the log at the time of the read. */
  readonly startOffset: number
  readonly #from: number
  readonly #decode: RecordCodec['decode'] | undefined
  #records: readonly EmbeddedRecord[] | undefined

  constructor(
    slice: { bytes: Uint8Array; nextOffset: number; logStartOffset: number },
    options: { from: number; decode: RecordCodec['decode'] | undefined },
  ) {
    this.bytes = slice.bytes
    this.nextOffset = slice.nextOffset
    this.startOffset = slice.logStartOffset
    this.#from = options.from
    this.#decode = options.decode
  }

  /**
   * The records, from the offset asked for on, decoded when first asked for. Throws
   * KFK_STORE_CORRUPT when a checksum does not match, KFK_STORE_INVALID_ARGUMENT when the log's
   * format knows only batches.
   */
  get records(): readonly EmbeddedRecord[] {
    this.#records ??= this.#decoded()
    return this.#records
  }

  /** Decodes now. Throws as `records` does. */
  decoded(): this {
    this.#records ??= this.#decoded()
    return this
  }

  [Symbol.iterator](): Iterator<EmbeddedRecord> {
    return this.records[Symbol.iterator]()
  }

  #decoded(): readonly EmbeddedRecord[] {
    if (this.#decode === undefined) {
      const problem = "the log's format tells batches apart, not records: use `bytes`"
      throw new StoreError('KFK_STORE_INVALID_ARGUMENT', problem)
    }
    const records = this.#decode(this.bytes)
    let first = 0
    while (first < records.length && records[first]!.offset < this.#from) first++
    return first === 0 ? records : records.slice(first)
  }
}
