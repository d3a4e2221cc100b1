import { type BatchFormat, type BatchSummary, tryDescribe } from './batch-format.js'
import type { StoreError } from './errors.js'
import { readInto, type FileHandle } from './fs/file-system.js'
import { IndexMismatch } from './index-entries.js'
import type { Segment } from './segment.js'
import { corruptSegment } from './segment-repair.js'

/** A read within one segment: which bytes to look at next, and what came of them. */
export interface SliceRequest {
  readonly from: number
  readonly maxBytes: number
  /** Exclusive: a batch that reaches it is left out. */
  readonly limitOffset: number
  readonly minOneBatch: boolean
  readonly into?: Uint8Array | undefined
  /** Offsets below this may be missing between batches. */
  readonly gapsBelow: number
}

export interface SliceResult {
  readonly bytes: Uint8Array
  readonly nextOffset: number
  /** Position after the last batch in `bytes`. */
  readonly endPosition: number
  /** What was read of the file to find them, from here ... */
  readonly readFrom: number
  /** ... up to here. */
  readonly readTo: number
  /** Nothing found and the segment is at its end: go on in the next one. */
  readonly exhausted: boolean
  /** Last offset of the batch that was left out for reaching the limit, when nothing else came. */
  readonly reaches?: number | undefined
}

/** A sparse index lands up to one interval (and a batch) early; small enough to read over. */
const scanSlackBytes = 8 * 1024

/**
 * State of one read, without the reading: asks for a range (`position`, `length`), takes its bytes,
 * and either has the slice or asks again. So the synchronous and the asynchronous path are one.
 */
export class SliceBuilder {
  position: number
  length: number
  readonly #readFrom: number
  readonly #segment: Segment
  readonly #format: BatchFormat
  readonly #request: SliceRequest
  readonly #endPosition: number
  /** Last offset that the index promises for the batch at the first position. */
  #promised: number | undefined
  #found = false
  /** `from` is where the batch before it ended. */
  readonly #exact: boolean
  /** Last offset of the batch before the next one that is looked at; -1 when it is not known. */
  #walked: number

  constructor(
    segment: Segment,
    format: BatchFormat,
    request: SliceRequest,
    start: { position: number; lastOffset: number | undefined; exact: boolean },
  ) {
    this.#segment = segment
    this.#format = format
    this.#request = request
    this.#endPosition = segment.readableBytes
    this.#promised = start.lastOffset
    this.position = start.position
    this.#readFrom = start.position
    this.#found = start.exact
    this.#exact = start.exact
    this.#walked = start.position === 0 ? segment.baseOffset - 1 : -1
    const wanted = request.maxBytes + (start.exact ? 0 : scanSlackBytes)
    // The answer is a little shorter then, which costs less than memory of its own.
    const room = request.into?.length ?? 0
    const fits = room >= 2 * scanSlackBytes ? Math.min(wanted, room) : wanted
    this.length = this.#bounded(Math.max(fits, format.headerBytes))
  }

  /** Buffer for the range that is asked for. */
  buffer(): Uint8Array {
    const { into } = this.#request
    if (into?.length === this.length) return into
    if (into !== undefined && into.length > this.length) return into.subarray(0, this.length)
    return Buffer.allocUnsafe(this.length)
  }

  get done(): boolean {
    return this.length === 0
  }

  empty(exhausted: boolean): SliceResult {
    const endPosition = this.position
    const extent = { endPosition, readFrom: this.#readFrom, readTo: endPosition }
    return { bytes: new Uint8Array(0), nextOffset: this.#request.from, ...extent, exhausted }
  }

  /** Undefined: read `length` bytes at `position` and come again. */
  accept(bytes: Uint8Array): SliceResult | undefined {
    if (bytes.length < this.length) throw this.#corrupt(bytes.length, 'file is shorter than it was')
    let at = 0
    if (!this.#found) {
      const start = this.#seek(bytes)
      if (start === undefined) return this.done ? this.empty(true) : undefined
      at = start
    }
    return this.#collect(bytes, at)
  }

  /**
   * Finds the batch that holds `from`, or the first after it; undefined when it lies further on.
   */
  #seek(bytes: Uint8Array): number | undefined {
    const format = this.#format
    let at = 0
    if (bytes.length < format.headerBytes) {
      if (this.#promised !== undefined) throw new IndexMismatch()
      throw this.#corrupt(0, 'batch is cut short')
    }
    while (bytes.length - at >= format.headerBytes) {
      const size = this.#sizeAt(bytes, at)
      const { baseOffset, lastOffset } = this.#batchAt(bytes, at)
      if (this.#promised !== undefined && lastOffset !== this.#promised) throw new IndexMismatch()
      this.#promised = undefined
      if (baseOffset <= this.#walked) {
        throw this.#corrupt(at, `offset ${baseOffset} where ${this.#walked + 1} was due`)
      }
      if (lastOffset >= this.#request.from) {
        this.#found = true
        return at
      }
      this.#walked = lastOffset
      at += size
    }
    this.position += at
    this.length = this.#bounded(Math.max(this.length, format.headerBytes))
    return undefined
  }

  #collect(bytes: Uint8Array, start: number): SliceResult | undefined {
    const format = this.#format
    const { maxBytes, limitOffset, minOneBatch } = this.#request
    let end = start
    let nextOffset = this.#request.from
    let reaches: number | undefined
    while (bytes.length - end >= format.headerBytes) {
      const size = format.sizeOf(bytes, end)
      const batch = size > 0 ? tryDescribe(format, bytes, end) : undefined
      const follows =
        batch !== undefined && this.#follows(batch, nextOffset, end > start || this.#exact)
      if (!follows) {
        // What lies before is served; the next read meets it at its start.
        if (end > start) break
        throw this.#notDue(bytes, end)
      }
      const { lastOffset } = batch
      if (lastOffset >= limitOffset) {
        if (end === start) reaches = lastOffset
        break
      }
      if (end + size - start > maxBytes && !(end === start && minOneBatch)) break
      if (end + size > bytes.length) {
        if (end > start) break
        return this.#ask(start, size)
      }
      end += size
      nextOffset = lastOffset + 1
    }
    const headerMissing = end === start && bytes.length - start < format.headerBytes
    if (headerMissing) return this.#ask(start, format.headerBytes)
    const endPosition = this.position + end
    const whole = start === 0 && end === bytes.length
    const found = whole ? bytes : bytes.subarray(start, end)
    const extent = { readFrom: this.#readFrom, readTo: this.position + bytes.length }
    return { bytes: found, nextOffset, endPosition, ...extent, exhausted: false, reaches }
  }

  /** Whether a batch is the one that is due; the first after a search may begin before it. */
  #follows(batch: BatchSummary, due: number, inOrder: boolean): boolean {
    const { baseOffset, lastOffset } = batch
    if (lastOffset < due || (inOrder && baseOffset < due)) return false
    return baseOffset <= due || baseOffset <= this.#request.gapsBelow
  }

  #notDue(bytes: Uint8Array, at: number): StoreError {
    this.#sizeAt(bytes, at)
    const { baseOffset } = this.#batchAt(bytes, at)
    return this.#corrupt(at, `offset ${baseOffset} where ${this.#request.from} was due`)
  }

  /** Asks for `length` bytes from `start` of the last piece on. */
  #ask(start: number, length: number): SliceResult | undefined {
    this.position += start
    const wanted = Math.max(length, this.#request.maxBytes)
    this.length = this.#bounded(wanted)
    if (this.length < length) throw this.#corrupt(0, 'batch exceeds the segment')
    return undefined
  }

  #sizeAt(bytes: Uint8Array, at: number): number {
    const size = this.#format.sizeOf(bytes, at)
    if (size > 0) return size
    if (this.#promised !== undefined) throw new IndexMismatch()
    throw this.#corrupt(at, size === 0 ? 'zero-filled space' : 'no batch header')
  }

  #batchAt(bytes: Uint8Array, at: number): BatchSummary {
    const batch = tryDescribe(this.#format, bytes, at)
    if (batch !== undefined) return batch
    if (this.#promised !== undefined) throw new IndexMismatch()
    throw this.#corrupt(at, 'impossible batch header')
  }

  #corrupt(at: number, reason: string): StoreError {
    const position = this.position + at
    return corruptSegment(this.#segment, { position, nextOffset: this.#request.from, reason })
  }

  #bounded(length: number): number {
    return Math.max(0, Math.min(length, this.#endPosition - this.position))
  }
}

export function readSliceSync(builder: SliceBuilder, handle: FileHandle): SliceResult {
  for (;;) {
    if (builder.done) return builder.empty(true)
    const buffer = builder.buffer()
    let filled = 0
    while (filled < buffer.length) {
      const rest = filled === 0 ? buffer : buffer.subarray(filled)
      const count = handle.readSync(rest, builder.position + filled)
      if (count === 0) break
      filled += count
    }
    const result = builder.accept(filled === buffer.length ? buffer : buffer.subarray(0, filled))
    if (result !== undefined) return result
  }
}

export async function readSlice(builder: SliceBuilder, handle: FileHandle): Promise<SliceResult> {
  for (;;) {
    if (builder.done) return builder.empty(true)
    const buffer = builder.buffer()
    const filled = await readInto(handle, buffer, builder.position)
    const result = builder.accept(filled === buffer.length ? buffer : buffer.subarray(0, filled))
    if (result !== undefined) return result
  }
}
