import { type BatchFormat, type BatchSummary, tryDescribe } from './batch-format.js'
import type { FileHandle } from './fs/file-system.js'
import { OffsetIndex } from './offset-index.js'
import { PieceReader } from './piece-reader.js'
import type { SegmentIndexes } from './segment-indexes.js'
import type { LargestTimestamp, Segment } from './segment.js'
import { TimeIndex } from './time-index.js'

/** Read in pieces of this size: large enough that the disk, not the call, sets the pace. */
const defaultPieceBytes = 1024 ** 2
/** A walk without checksums mostly looks for one batch near its start. */
const firstStepBytes = 64 * 1024

export interface ScanRequest {
  readonly format: BatchFormat
  readonly handle: FileHandle
  /** A batch boundary. */
  readonly from: number
  /** Exclusive end, normally the size of the file. */
  readonly to: number
  /** Batches must not begin below this offset. */
  readonly expectedOffset: number
  /** Offsets below this may be missing between batches (compaction); another gap is a problem. */
  readonly gapsBelow: number
  /** Order is not judged: whoever sees the batches does. */
  readonly anyOrder?: boolean
  /** Verify checksums as well; else only headers and order. */
  readonly verify: boolean
  /**
   * Sees each good batch: where it is in the file, and its bytes, which begin at `at` of `bytes`
   * and are there only during the call. False ends the scan before it.
   */
  readonly onBatch?: (
    batch: BatchSummary,
    position: number,
    bytes: Uint8Array,
    at: number,
  ) => boolean
  /**
   * Called after each piece that was read, with its size; the next one is not read before it
   * resolves. What it throws ends all.
   */
  readonly onPiece?: (bytes: number) => Promise<void> | undefined
  /** Read so much at once; default 1 MiB. */
  readonly pieceBytes?: number | undefined
}

export interface ScanResult {
  /** End of the last good batch. */
  readonly position: number
  /** Offset after the last good batch; `expectedOffset` when there was none. */
  readonly nextOffset: number
  /** Why the scan ended before `to`; absent when `onBatch` ended it. */
  readonly problem?: string
  readonly stopped?: boolean
}

/** Walks batches in file order until the end or the first one that cannot be right. */
export async function scanBatches(request: ScanRequest): Promise<ScanResult> {
  const { handle, from, to, verify, onPiece } = request
  const pieceBytes = request.pieceBytes ?? defaultPieceBytes
  const reader = new PieceReader({
    handle,
    from,
    to,
    pieceBytes,
    firstPieceBytes: verify ? pieceBytes : Math.min(pieceBytes, firstStepBytes),
    ahead: onPiece === undefined,
  })
  try {
    return await scanPieces(request, reader)
  } finally {
    await reader.end()
  }
}

async function scanPieces(request: ScanRequest, reader: PieceReader): Promise<ScanResult> {
  const { format, to } = request
  const walk = new BatchWalk(request)
  let position = request.from
  let keep = 0
  let needed = format.headerBytes
  while (position < to) {
    const bytes = await reader.next(keep, needed)
    const wait = request.onPiece?.(reader.freshBytes)
    if (wait !== undefined) await wait
    const { bytes: walked, problem, stopped } = walk.over(bytes, position)
    position += walked
    const { nextOffset } = walk
    if (stopped === true) return { position, nextOffset, stopped }
    if (problem !== undefined) return { position, nextOffset, problem }
    if (position < to && reader.ended) {
      return { position, nextOffset, problem: 'batch is cut short' }
    }
    keep = bytes.length - walked
    needed = keep < format.headerBytes ? format.headerBytes : format.sizeOf(bytes, walked)
  }
  return { position, nextOffset: walk.nextOffset }
}

/** Judges consecutive batches piece by piece. */
class BatchWalk {
  nextOffset: number
  #latestEpoch = -1
  readonly #request: ScanRequest

  constructor(request: ScanRequest) {
    this.#request = request
    this.nextOffset = request.expectedOffset
  }

  /** Takes the whole batches of a piece that begins at file position `position`. */
  over(
    bytes: Uint8Array,
    position: number,
  ): { bytes: number; problem?: string; stopped?: boolean } {
    const { format, to, verify, onBatch } = this.#request
    let at = 0
    let matchUntil = 0
    while (bytes.length - at >= format.headerBytes) {
      const size = format.sizeOf(bytes, at)
      if (size === 0) return { bytes: at, problem: 'zero-filled space' }
      if (size < 0) return { bytes: at, problem: 'no batch header' }
      if (position + at + size > to) return { bytes: at, problem: 'batch is cut short' }
      if (bytes.length - at < size) break
      const batch = tryDescribe(format, bytes, at)
      if (batch === undefined) return { bytes: at, problem: 'impossible batch header' }
      if (verify && at >= matchUntil) matchUntil = format.checksumsMatchUntil?.(bytes, at) ?? 0
      const problem =
        this.#judge(batch) ?? (verify ? format.check(bytes, at, at < matchUntil) : undefined)
      if (problem !== undefined) return { bytes: at, problem }
      if (onBatch?.(batch, position + at, bytes, at) === false) return { bytes: at, stopped: true }
      this.nextOffset = batch.lastOffset + 1
      this.#latestEpoch = batch.leaderEpoch
      at += size
    }
    return { bytes: at }
  }

  #judge(batch: BatchSummary): string | undefined {
    if (this.#request.anyOrder === true) return undefined
    const due = this.nextOffset
    const { baseOffset, lastOffset, leaderEpoch } = batch
    if (baseOffset < due || (baseOffset > due && baseOffset > this.#request.gapsBelow)) {
      return `offset ${baseOffset} where ${due} was due`
    }
    if (lastOffset < baseOffset) return 'last offset below the first'
    if (!Number.isSafeInteger(lastOffset)) return 'offset beyond 2^53'
    if (leaderEpoch < this.#latestEpoch) {
      return `leader epoch ${leaderEpoch} after ${this.#latestEpoch}`
    }
    return undefined
  }
}

/** Builds both indexes from batches as an append would, by Kafka's rule. */
export class IndexBuilder {
  readonly indexes: SegmentIndexes
  largest: LargestTimestamp | undefined
  firstTimestamp: number | undefined
  bytesSinceEntry = 0
  readonly baseOffset: number
  readonly #indexIntervalBytes: number
  readonly #resumed: boolean

  /** `known`: what is indexed already; the first batch is then told by `noteOnly`. */
  constructor(
    baseOffset: number,
    indexIntervalBytes: number,
    known?: { readonly indexes: SegmentIndexes; readonly largest: LargestTimestamp },
  ) {
    this.baseOffset = baseOffset
    this.#indexIntervalBytes = indexIntervalBytes
    this.indexes = known?.indexes ?? { offsets: new OffsetIndex(), times: new TimeIndex() }
    if (known !== undefined && known.largest.timestamp >= 0) this.largest = known.largest
    this.#resumed = known !== undefined
  }

  /** A batch that has its entry. */
  noteOnly(batch: BatchSummary): true {
    this.bytesSinceEntry = batch.sizeInBytes
    return true
  }

  add(batch: BatchSummary, position: number): true {
    if (!this.#resumed) this.firstTimestamp ??= batch.maxTimestamp
    if (batch.maxTimestamp > (this.largest?.timestamp ?? -1)) {
      this.largest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset }
    }
    if (this.bytesSinceEntry > this.#indexIntervalBytes) {
      this.indexes.offsets.append(batch.lastOffset - this.baseOffset, position)
      this.#addTimeEntry()
      this.bytesSinceEntry = 0
    }
    this.bytesSinceEntry += batch.sizeInBytes
    return true
  }

  /** Hands the result to the segment. `sealed` adds the closing time entry. */
  install(segment: Segment, sealed: boolean): void {
    if (sealed) this.#addTimeEntry()
    segment.setIndexes(this.indexes, this.bytesSinceEntry)
    segment.setLargest(this.largest ?? { timestamp: -1, offset: segment.baseOffset })
    if (this.firstTimestamp !== undefined) segment.setFirstTimestamp(this.firstTimestamp)
  }

  #addTimeEntry(): void {
    if (this.largest === undefined) return
    this.indexes.times.maybeAppend(this.largest.timestamp, this.largest.offset - this.baseOffset)
  }
}
