import { type BatchFormat, type BatchSummary, tryDescribe } from './batch-format.js'
import type { CleaningPace } from './cleaning-pace.js'
import type { FileHandle } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import { PieceReader } from './piece-reader.js'
import { corruptSegment } from './segment-repair.js'
import type { Segment } from './segment.js'

/** Read in pieces of this size. */
const pieceBytes = 1024 ** 2

/**
 * The batches of one segment in file order, with their bytes: `nextPiece` reads, `next` steps from
 * batch to batch without waiting. Throws KFK_STORE_CORRUPT at the first batch that cannot be right,
 * so that damage is never copied as if it were sound.
 */
export class SegmentBatches {
  /** The piece that was read last; the current batch lies whole in it. */
  bytes: Uint8Array = new Uint8Array(0)
  /** Position of the current batch in `bytes`. */
  at = 0
  batch!: BatchSummary
  readonly #segment: Segment
  readonly #format: BatchFormat
  readonly #pace: CleaningPace
  readonly #reader: PieceReader
  readonly #end: number
  /** The checksums of batches that begin within have been verified before. */
  readonly #verified: { from: number; to: number }
  /** File position of `bytes`. */
  #piecePosition = 0
  #nextAt = 0
  #dueOffset: number
  #latestEpoch = -1
  /** The checksums of batches that begin below match. */
  #matchUntil = 0

  constructor(
    host: LogHost,
    segment: Segment,
    options: {
      handle: FileHandle
      pace: CleaningPace
      /** The checksums of batches that begin at these offsets need not be verified. */
      verified: { from: number; to: number }
    },
  ) {
    this.#segment = segment
    this.#format = host.format
    this.#pace = options.pace
    this.#end = segment.sizeBytes
    this.#reader = new PieceReader({
      handle: options.handle,
      from: 0,
      to: segment.sizeBytes,
      pieceBytes,
      firstPieceBytes: pieceBytes,
      ahead: true,
    })
    this.#verified = options.verified
    this.#dueOffset = segment.baseOffset
  }

  /** Reads on. False at the end of the segment. */
  async nextPiece(): Promise<boolean> {
    const position = this.#piecePosition + this.#nextAt
    if (position >= this.#end) return false
    // The batch that did not fit whole begins the next piece.
    const started = this.bytes.length - this.#nextAt
    const { headerBytes } = this.#format
    const batchBytes =
      started >= headerBytes ? this.#format.sizeOf(this.bytes, this.#nextAt) : headerBytes
    this.bytes = await this.#reader.next(started, batchBytes)
    this.#piecePosition = position
    this.#nextAt = 0
    this.#matchUntil = 0
    const isShort = this.#reader.ended && position + this.bytes.length < this.#end
    if (isShort) throw this.#corrupt('the file is shorter than it was')
    await this.#pace.transferred(this.#reader.freshBytes)
    return true
  }

  /** Resolves when nothing is being read any more. */
  end(): Promise<void> {
    return this.#reader.end()
  }

  /** Steps to the next whole batch of the piece; false when another piece is needed. */
  next(): boolean {
    const format = this.#format
    const at = this.#nextAt
    const left = this.bytes.length - at
    const atEnd = this.#piecePosition + this.bytes.length >= this.#end
    if (left === 0) return false
    if (left < format.headerBytes) {
      if (!atEnd) return false
      throw this.#corrupt('batch is cut short')
    }
    const size = format.sizeOf(this.bytes, at)
    if (size <= 0) throw this.#corrupt(size === 0 ? 'zero-filled space' : 'no batch header')
    if (size > left) {
      if (!atEnd && this.#piecePosition + at + size <= this.#end) return false
      throw this.#corrupt('batch is cut short')
    }
    this.at = at
    this.#judge(at)
    this.#nextAt = at + size
    return true
  }

  #judge(at: number): void {
    const format = this.#format
    const batch = tryDescribe(format, this.bytes, at)
    if (batch === undefined) throw this.#corrupt('impossible batch header')
    const { baseOffset, lastOffset, leaderEpoch } = batch
    if (baseOffset < this.#dueOffset || lastOffset < baseOffset) {
      throw this.#corrupt(`offset ${baseOffset} where ${this.#dueOffset} or more was due`)
    }
    if (leaderEpoch < this.#latestEpoch) {
      throw this.#corrupt(`leader epoch ${leaderEpoch} after ${this.#latestEpoch}`)
    }
    if (baseOffset < this.#verified.from || baseOffset >= this.#verified.to) {
      if (at >= this.#matchUntil) {
        this.#matchUntil = format.checksumsMatchUntil?.(this.bytes, at) ?? 0
      }
      const problem = format.check(this.bytes, at, at < this.#matchUntil)
      if (problem !== undefined) throw this.#corrupt(problem)
    }
    this.batch = batch
    this.#dueOffset = lastOffset + 1
    this.#latestEpoch = leaderEpoch
  }

  #corrupt(problem: string): Error {
    const position = this.#piecePosition + this.#nextAt
    return corruptSegment(this.#segment, { position, problem })
  }
}
