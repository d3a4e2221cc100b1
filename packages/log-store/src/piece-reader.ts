import type { FileHandle } from './fs/file-system.js'

/** Room before a piece for what is left of the one before it; grows when that is more. */
const leastHeadroomBytes = 64 * 1024

/** One of the two buffers that take turns: headroom, then a piece of the file. */
interface Slot {
  bytes: Uint8Array
  headroom: number
  /** Of the piece. */
  length: number
}

export interface PieceRequest {
  readonly handle: FileHandle
  readonly from: number
  /** Exclusive. */
  readonly to: number
  readonly pieceBytes: number
  /** So much for the first piece, which may be all that is wanted. */
  readonly firstPieceBytes: number
  /** Read the next piece while the caller looks at this one. */
  readonly ahead: boolean
}

/**
 * Reads a range of a file from its start to its end in the thread pool, in two buffers that are
 * used again and again: fresh memory for every piece would cost more than the reading.
 */
export class PieceReader {
  /** Bytes of the last answer that had not been there before. */
  freshBytes = 0
  readonly #request: PieceRequest
  #position: number
  #slots: (Slot | undefined)[] = [undefined, undefined]
  #turn = 0
  #headroom = leastHeadroomBytes
  #current: Uint8Array = new Uint8Array(0)
  #ahead: Promise<Slot> | undefined
  #pieces = 0
  #short = false

  constructor(request: PieceRequest) {
    this.#request = request
    this.#position = request.from
  }

  /** There is nothing after the last answer. */
  get ended(): boolean {
    return this.#ahead === undefined && (this.#short || this.#position >= this.#request.to)
  }

  /**
   * The last `keep` bytes of the last answer and what follows, `atLeast` bytes if there are so
   * many. Good until the next call.
   */
  async next(keep: number, atLeast: number): Promise<Uint8Array> {
    const slot = await (this.#ahead ?? this.#read())
    this.#ahead = undefined
    this.#pieces++
    this.freshBytes = slot.length
    const kept = this.#current.subarray(this.#current.length - keep)
    const missing = Math.min(atLeast - keep - slot.length, this.#request.to - this.#position)
    if (keep > slot.headroom || (missing > 0 && !this.#short)) {
      await this.#join(kept, slot, Math.max(0, missing))
    } else {
      slot.bytes.set(kept, slot.headroom - keep)
      this.#current = slot.bytes.subarray(slot.headroom - keep, slot.headroom + slot.length)
    }
    // The other buffer is free now. Who asks for a second piece is likely to want a third.
    const more = !this.#short && this.#position < this.#request.to
    if (this.#request.ahead && this.#pieces > 1 && more) {
      this.#ahead = this.#read()
      // Whoever awaits it later hears of it; until then it is not unhandled.
      this.#ahead.catch(() => undefined)
    }
    return this.#current
  }

  /** Resolves when nothing is being read any more. */
  async end(): Promise<void> {
    await this.#ahead?.catch(() => undefined)
    this.#ahead = undefined
  }

  async #read(): Promise<Slot> {
    const { to, pieceBytes, firstPieceBytes } = this.#request
    const wanted = this.#position === this.#request.from ? firstPieceBytes : pieceBytes
    const length = Math.min(wanted, to - this.#position)
    const slot = this.#slot(length)
    slot.length = await this.#fill(slot.bytes, slot.headroom, length)
    return slot
  }

  #slot(length: number): Slot {
    this.#turn = 1 - this.#turn
    const slot = this.#slots[this.#turn]
    const headroom = this.#position === this.#request.from ? 0 : this.#headroom
    if (slot !== undefined && slot.headroom >= headroom) {
      if (slot.bytes.length - slot.headroom >= length) return slot
    }
    const made = { bytes: Buffer.allocUnsafe(headroom + length), headroom, length }
    this.#slots[this.#turn] = made
    return made
  }

  /** Too much is kept, or the batch is larger than a piece: memory of its own. */
  async #join(kept: Uint8Array, slot: Slot, missing: number): Promise<void> {
    const joined = Buffer.allocUnsafe(kept.length + slot.length + missing)
    joined.set(kept)
    joined.set(slot.bytes.subarray(slot.headroom, slot.headroom + slot.length), kept.length)
    const filled = kept.length + slot.length
    const count = await this.#fill(joined, filled, missing)
    this.freshBytes += count
    this.#headroom = Math.max(this.#headroom, Math.min(2 * kept.length, this.#request.pieceBytes))
    this.#current = joined.subarray(0, filled + count)
  }

  /** Reads on to `at` of `bytes`; less than `length` is the end of the file. */
  async #fill(bytes: Uint8Array, at: number, length: number): Promise<number> {
    let filled = 0
    while (filled < length) {
      const into = bytes.subarray(at + filled, at + length)
      const count = await this.#request.handle.read(into, this.#position)
      if (count === 0) break
      filled += count
      this.#position += count
    }
    if (filled < length) this.#short = true
    return filled
  }
}
