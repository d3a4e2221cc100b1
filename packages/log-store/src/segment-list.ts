import {
  packedRowBytes,
  packNumbers,
  type PackedSegments,
  unpackNumbers,
} from './packed-segments.js'
import type { LargestTimestamp, SealedFacts, Segment } from './segment.js'

// A log of many TB has tens of thousands of segments, of which few are in use. The sealed ones are
// rows of numbers; a `Segment` is made when somebody touches one, and goes when nobody holds it and
// its file was closed. Rows are shared by all snapshots, and only ever added at the end.

const column = { base: 0, bytes: 1, timestamp: 2, timestampOffset: 3, id: 4 } as const
const rowWidth = packedRowBytes / 8
const firstCapacity = 4
/** How many objects are looked through at the least before dead ones are forgotten. */
const firstSweep = 64

/** Rows of sealed segments, and the objects of those in use. */
class SegmentRows {
  count = 0
  #values = new Float64Array(0)
  /** By id: a segment that was replaced by another one of the same base offset stays itself. */
  readonly #objects: Map<number, WeakRef<Segment>>
  readonly #ids: { next: number; sweepAt: number }
  /** Rows [from, to) have known timestamps. */
  #known = { from: 0, to: 0 }
  /** Largest timestamp of the rows from `from` up to each; computed as far as was asked. */
  #running: { from: number; values: Float64Array; count: number } | undefined

  constructor(origin?: SegmentRows) {
    this.#objects = origin ? origin.#objects : new Map<number, WeakRef<Segment>>()
    this.#ids = origin ? origin.#ids : { next: 0, sweepAt: firstSweep }
  }

  /** Reserves room, so that nothing is copied while many rows come. */
  reserve(count: number): void {
    if (count * rowWidth <= this.#values.length) return
    const grown = new Float64Array(count * rowWidth)
    grown.set(this.#values.subarray(0, this.count * rowWidth))
    this.#values = grown
  }

  add(facts: SealedFacts, segment: Segment): void {
    if ((this.count + 1) * rowWidth > this.#values.length) {
      this.reserve(Math.max(firstCapacity, this.count * 2))
    }
    const id = this.#ids.next++
    const at = this.count * rowWidth
    this.#values[at + column.base] = facts.baseOffset
    this.#values[at + column.bytes] = facts.sizeBytes
    this.#values[at + column.timestamp] = facts.largest?.timestamp ?? NaN
    this.#values[at + column.timestampOffset] = facts.largest?.offset ?? NaN
    this.#values[at + column.id] = id
    this.count++
    this.#hold(id, segment)
  }

  /** Rows [start, end) for the file, as of a table that begins there. */
  pack(start: number, end: number): Uint8Array {
    const values = this.#values.slice(start * rowWidth, end * rowWidth)
    for (let row = 0; row < end - start; row++) values[row * rowWidth + column.id] = row
    return packNumbers(values)
  }

  static unpack(bytes: Uint8Array): SegmentRows {
    const rows = new SegmentRows()
    rows.#values = unpackNumbers(bytes)
    rows.count = bytes.length / packedRowBytes
    rows.#ids.next = rows.count
    return rows
  }

  /** Rows of another table with the same objects. */
  copy(from: SegmentRows, start: number, end: number): void {
    this.reserve(this.count + end - start)
    const part = from.#values.subarray(start * rowWidth, end * rowWidth)
    this.#values.set(part, this.count * rowWidth)
    this.count += end - start
  }

  base(row: number): number {
    return this.#values[row * rowWidth + column.base]!
  }

  bytes(row: number): number {
    return this.#values[row * rowWidth + column.bytes]!
  }

  largest(row: number): LargestTimestamp | undefined {
    const at = row * rowWidth
    const timestamp = this.#values[at + column.timestamp]!
    if (Number.isNaN(timestamp)) return undefined
    return { timestamp, offset: this.#values[at + column.timestampOffset]! }
  }

  /** A fact that was found late; what was known stays. */
  setLargest(row: number, largest: LargestTimestamp): void {
    const at = row * rowWidth
    if (!Number.isNaN(this.#values[at + column.timestamp]!)) return
    this.#values[at + column.timestamp] = largest.timestamp
    this.#values[at + column.timestampOffset] = largest.offset
  }

  /** First row of [start, end) whose largest timestamp is not known; `end` when all are. */
  firstUnknown(start: number, end: number): number {
    if (start < this.#known.from || start > this.#known.to) this.#known = { from: start, to: start }
    let row = this.#known.to
    while (row < end && !Number.isNaN(this.#values[row * rowWidth + column.timestamp]!)) row++
    this.#known.to = Math.max(this.#known.to, row)
    return Math.min(row, end)
  }

  /** Last row of [start, end) with base <= `offset`, or `start - 1`. */
  floor(offset: number, start: number, end: number): number {
    let low = start
    let high = end - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (this.#values[middle * rowWidth]! <= offset) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  /**
   * First row of [from, end) with a timestamp >= `timestampMs`, or `end`; those of [start, end)
   * must be known.
   */
  firstReaching(timestampMs: number, range: { start: number; from: number; end: number }): number {
    const { start, from, end } = range
    const running = this.#runningFrom(start, end)
    if (from > start && running[from - 1 - start]! >= timestampMs) {
      // One before reaches it, so the running maximum says nothing of those behind.
      let row = from
      while (row < end && !(this.#values[row * rowWidth + column.timestamp]! >= timestampMs)) row++
      return row
    }
    let low = from
    let high = end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (running[middle - start]! < timestampMs) low = middle + 1
      else high = middle
    }
    return low
  }

  object(row: number): Segment | undefined {
    return this.#objects.get(this.#values[row * rowWidth + column.id]!)?.deref()
  }

  /** No segment of this table, or of one that it was made from, has an object. */
  get untouched(): boolean {
    return this.#objects.size === 0
  }

  hold(row: number, segment: Segment): Segment {
    this.#hold(this.#values[row * rowWidth + column.id]!, segment)
    return segment
  }

  #hold(id: number, segment: Segment): void {
    this.#objects.set(id, new WeakRef(segment))
    if (this.#objects.size < this.#ids.sweepAt) return
    for (const [known, reference] of this.#objects) {
      if (reference.deref() === undefined) this.#objects.delete(known)
    }
    this.#ids.sweepAt = Math.max(firstSweep, this.#objects.size * 2)
  }

  #runningFrom(start: number, end: number): Float64Array {
    let running = this.#running
    if (running?.from !== start) running = { from: start, values: new Float64Array(0), count: 0 }
    const wanted = end - start
    if (running.values.length < wanted) {
      const grown = new Float64Array(Math.max(wanted, running.values.length * 2))
      grown.set(running.values.subarray(0, running.count))
      running.values = grown
    }
    for (; running.count < wanted; running.count++) {
      const before = running.count === 0 ? -1 : running.values[running.count - 1]!
      const own = this.#values[(start + running.count) * rowWidth + column.timestamp]!
      running.values[running.count] = Math.max(before, own)
    }
    this.#running = running
    return running.values
  }
}

/** The sealed part of a snapshot: rows [start, end) of a table. */
interface SealedPart {
  readonly rows: SegmentRows
  readonly start: number
  readonly end: number
  readonly sizeBytes: number
}

/**
 * Ordered, immutable list of segments, the last of which is the active one: who holds a list reads
 * it undisturbed by roll, deletion and replacement. The same segment is the same object in all
 * lists, as long as anybody holds it.
 */
export class SegmentList {
  readonly active: Segment
  readonly #sealed: SealedPart | undefined

  private constructor(active: Segment, sealed: SealedPart | undefined) {
    this.active = active
    this.#sealed = sealed === undefined || sealed.end === sealed.start ? undefined : sealed
  }

  /** At least one, in order; the last one is active. Sizes of the others are looked up. */
  static of(segments: readonly Segment[]): SegmentList {
    const active = segments[segments.length - 1]!
    return SegmentList.#build(active, segments.slice(0, -1))
  }

  /** From what `packSealed` answered; no object but the active one is made. */
  static unpack({ bytes, sizeBytes }: PackedSegments, active: Segment): SegmentList {
    const rows = SegmentRows.unpack(bytes)
    return new SegmentList(active, { rows, start: 0, end: rows.count, sizeBytes })
  }

  /** All but the active one, for the list of logs. */
  packSealed(): PackedSegments {
    const sealed = this.#sealed
    if (sealed === undefined) return { sizeBytes: 0, bytes: new Uint8Array(0) }
    const { rows, start, end, sizeBytes } = sealed
    return { sizeBytes, bytes: rows.pack(start, end) }
  }

  /** How many segments. */
  get count(): number {
    return this.sealedCount + 1
  }

  /** All but the active one. */
  get sealedCount(): number {
    return this.#sealed === undefined ? 0 : this.#sealed.end - this.#sealed.start
  }

  /** Bytes of all batches. */
  get sizeBytes(): number {
    return (this.#sealed?.sizeBytes ?? 0) + this.active.sizeBytes
  }

  /** Base offset of the first segment. */
  get firstOffset(): number {
    return this.baseAt(0)
  }

  get first(): Segment {
    return this.at(0)
  }

  baseAt(index: number): number {
    const sealed = this.#sealed
    if (sealed === undefined || index >= sealed.end - sealed.start) return this.active.baseOffset
    return sealed.rows.base(sealed.start + index)
  }

  sizeAt(index: number): number {
    const sealed = this.#sealed
    if (sealed === undefined || index >= sealed.end - sealed.start) return this.active.sizeBytes
    return sealed.rows.bytes(sealed.start + index)
  }

  /** Largest timestamp; undefined when nobody has looked for it yet (`noteLargest`). */
  largestAt(index: number): LargestTimestamp | undefined {
    const sealed = this.#sealed
    if (sealed === undefined || index >= sealed.end - sealed.start) return this.active.largest
    return sealed.rows.largest(sealed.start + index)
  }

  noteLargest(index: number, largest: LargestTimestamp): void {
    const sealed = this.#sealed
    if (sealed === undefined || index >= sealed.end - sealed.start) return
    sealed.rows.setLargest(sealed.start + index, largest)
  }

  /** First segment from `index` on, not the active one, whose largest timestamp is not known. */
  firstUnknownLargest(index: number): number | undefined {
    const sealed = this.#sealed
    if (sealed === undefined) return undefined
    const row = sealed.rows.firstUnknown(sealed.start + index, sealed.end)
    return row < sealed.end ? row - sealed.start : undefined
  }

  /**
   * First segment of [index, limit) with a timestamp >= `timestampMs`; `limit` when there is none.
   * Their largest timestamps must be known.
   */
  firstReaching(timestampMs: number, index: number, limit = this.count): number {
    const sealed = this.#sealed
    const sealedEnd = Math.min(limit, this.sealedCount)
    if (sealed !== undefined && index < sealedEnd) {
      const { rows, start } = sealed
      const range = { start, from: start + index, end: start + sealedEnd }
      const row = rows.firstReaching(timestampMs, range)
      if (row < range.end) return row - start
    }
    if (limit < this.count || index >= this.count) return limit
    return (this.active.largest?.timestamp ?? -1) >= timestampMs ? this.sealedCount : this.count
  }

  /** The segment's object, made now if nobody has one. */
  at(index: number): Segment {
    const sealed = this.#sealed
    if (sealed === undefined || index >= sealed.end - sealed.start) return this.active
    const row = sealed.start + index
    const known = sealed.rows.object(row)
    if (known !== undefined) return known
    const { rows } = sealed
    const facts = { baseOffset: rows.base(row), sizeBytes: rows.bytes(row) }
    return rows.hold(row, this.active.sealedSibling({ ...facts, largest: rows.largest(row) }))
  }

  /** The objects of [from, to). */
  slice(from: number, to = this.count): Segment[] {
    const segments: Segment[] = []
    for (let index = from; index < Math.min(to, this.count); index++) segments.push(this.at(index))
    return segments
  }

  /** All objects. Makes those that nobody has: not for logs that may be large. */
  get all(): readonly Segment[] {
    return this.slice(0)
  }

  /** The objects that exist, the active one last. */
  touched(): Segment[] {
    const segments: Segment[] = []
    const sealed = this.#sealed
    if (sealed === undefined || sealed.rows.untouched) return [this.active]
    for (let row = sealed.start; row < sealed.end; row++) {
      const segment = sealed.rows.object(row)
      if (segment !== undefined) segments.push(segment)
    }
    segments.push(this.active)
    return segments
  }

  /** Index of the segment with the largest base offset <= `offset`, or -1. */
  floor(offset: number): number {
    if (offset >= this.active.baseOffset) return this.sealedCount
    const sealed = this.#sealed
    if (sealed === undefined) return -1
    return sealed.rows.floor(offset, sealed.start, sealed.end) - sealed.start
  }

  /** Offset after the segment's last possible record: the next one's base, or `logEndOffset`. */
  endOffset(index: number, logEndOffset: number): number {
    return index < this.sealedCount ? this.baseAt(index + 1) : logEndOffset
  }

  /** A roll: `segment` is active now; the one before it must not change any more. */
  with(segment: Segment): SegmentList {
    const sealed = this.#sealed
    let rows = sealed?.rows
    let start = sealed?.start ?? 0
    // Rows behind this snapshot belong to another one. When most before it are gone, leave them.
    if (
      rows === undefined ||
      rows.count !== sealed!.end ||
      start > rows.count / 2 + firstCapacity
    ) {
      const copied = new SegmentRows(rows)
      if (rows !== undefined) copied.copy(rows, start, sealed!.end)
      rows = copied
      start = 0
    }
    rows.add(this.active, this.active)
    const sizeBytes = (sealed?.sizeBytes ?? 0) + this.active.sizeBytes
    return new SegmentList(segment, { rows, start, end: rows.count, sizeBytes })
  }

  /** Without the first `count`, never without the active one. */
  dropFirst(count: number): SegmentList {
    const sealed = this.#sealed
    if (sealed === undefined || count <= 0) return this
    const start = Math.min(sealed.start + count, sealed.end)
    let { sizeBytes } = sealed
    for (let row = sealed.start; row < start; row++) sizeBytes -= sealed.rows.bytes(row)
    return new SegmentList(this.active, { ...sealed, start, sizeBytes })
  }

  /** Only the first `count`, at least one: the last of them becomes the active one. */
  takeFirst(count: number): SegmentList {
    const sealed = this.#sealed
    if (sealed === undefined || count > this.sealedCount) return this
    const end = sealed.start + count - 1
    let { sizeBytes } = sealed
    for (let row = end; row < sealed.end; row++) sizeBytes -= sealed.rows.bytes(row)
    return new SegmentList(this.at(count - 1), { ...sealed, end, sizeBytes })
  }

  /** With `segments` in place of the sealed ones of [from, to). */
  replace(from: number, to: number, segments: readonly Segment[]): SegmentList {
    const { rows, start, end } = this.#sealed!
    const changed = new SegmentRows(rows)
    changed.reserve(this.sealedCount + segments.length - (to - from))
    changed.copy(rows, start, start + from)
    for (const segment of segments) changed.add(segment, segment)
    changed.copy(rows, start + to, end)
    let sizeBytes = 0
    for (let row = 0; row < changed.count; row++) sizeBytes += changed.bytes(row)
    return new SegmentList(this.active, { rows: changed, start: 0, end: changed.count, sizeBytes })
  }

  static #build(active: Segment, sealed: readonly Segment[]): SegmentList {
    const rows = new SegmentRows()
    rows.reserve(sealed.length)
    let sizeBytes = 0
    for (const segment of sealed) {
      rows.add(segment, segment)
      sizeBytes += segment.sizeBytes
    }
    return new SegmentList(active, { rows, start: 0, end: rows.count, sizeBytes })
  }
}
