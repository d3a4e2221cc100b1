import type { FrameMemory } from '@kfk/protocol'

/** Smaller frames share the slabs of Node's buffers, and larger ones are too rare to keep. */
const smallestBytes = 16 * 1024
const largestBytes = 4 * 1024 * 1024
/** What is kept for later at most, over all sizes, unless somebody says otherwise. */
const usualKeptBytesMax = 16 * 1024 * 1024
/** So much of that may be kept however much is in use: sizes change places. */
const alwaysKeptShare = 1 / 4

/** Buffers of one size that nobody uses. */
interface Shelf {
  readonly buffers: Buffer[]
  /** So few there were since the last trim: that many nobody has needed. */
  fewest: number
}

/** The requests that frames are held for. */
interface UsedMemory {
  readonly usedBytes: number
  readonly scarce: boolean
}

/** Memory on its way back. */
interface Returning {
  readonly bytes: Uint8Array
  readonly owner: FrameOwner
}

/** Whose memory is given back. */
export interface FrameOwner {
  returned(bytes: Uint8Array): void
}

/**
 * Memory for received frames that is used again, for all connections. New memory for each frame
 * costs a busy broker a fifth of its processor time: in garbage collections, and in pages that are
 * touched for the first time.
 */
export class FramePool implements FrameMemory {
  readonly #shelves = new Map<number, Shelf>()
  /** What has been taken. What is never given back is garbage like anything else. */
  readonly #lent = new WeakSet<ArrayBufferLike>()
  #keptBytes = 0
  /** To be taken back in this turn of the event loop, and in the one after it. */
  #due: Returning[] = []
  #returning: Returning[] = []
  #scheduled = false

  readonly #keptBytesMax: number
  readonly #used: UsedMemory | undefined

  /** `used`: what is held of the same bound, so that both together keep to it. */
  constructor(keptBytesMax = usualKeptBytesMax, used?: UsedMemory) {
    this.#keptBytesMax = keptBytesMax
    this.#used = used
  }

  get scarce(): boolean {
    return this.#used?.scarce === true
  }

  /** Bytes that are kept for later. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  take(byteCount: number): Buffer {
    if (byteCount > largestBytes) return Buffer.allocUnsafeSlow(byteCount)
    const size = sizeFor(byteCount)
    const shelf = this.#shelves.get(size)
    const kept = shelf?.buffers.pop()
    if (kept !== undefined) {
      this.#keptBytes -= size
      shelf!.fewest = Math.min(shelf!.fewest, shelf!.buffers.length)
    }
    const buffer = kept ?? Buffer.allocUnsafeSlow(size)
    this.#lent.add(buffer.buffer)
    return buffer
  }

  /** A copy of the bytes, in memory of the pool when they are many. */
  copyOf(bytes: Uint8Array): Buffer {
    if (bytes.length < smallestBytes) return Buffer.from(bytes)
    const copy = this.take(bytes.length).subarray(0, bytes.length)
    copy.set(bytes)
    return copy
  }

  /** Memory that this pool has not lent is let pass: it belongs to somebody else. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes
    if (!this.#lent.delete(buffer)) return
    const size = buffer.byteLength
    // What is given back here counts as used still.
    const spare = this.#keptBytesMax - (this.#used?.usedBytes ?? size) + size
    const most = Math.max(spare, this.#keptBytesMax * alwaysKeptShare)
    if (this.#keptBytes + size > most) return
    let shelf = this.#shelves.get(size)
    if (shelf === undefined) {
      shelf = { buffers: [], fewest: 0 }
      this.#shelves.set(size, shelf)
    }
    shelf.buffers.push(Buffer.from(buffer, 0, size))
    this.#keptBytes += size
  }

  /**
   * Takes memory back when all is written that a log has been asked to append of it up to now,
   * whether it was waited for (acks) or not. Logs write in the first `setImmediate` from the append
   * on; it takes two, one after the other, to be sure to come later. Then `owner` is told: others
   * may have the memory. False: it is too small for that, and nobody is told.
   */
  giveAfterWrites(bytes: Uint8Array, owner: FrameOwner): boolean {
    // A frame fills more than half of its memory.
    if (bytes.length < smallestBytes / 2) return false
    this.#returning.push({ bytes, owner })
    this.#schedule()
    return true
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#return)
  }

  /** Lets go of what has not been needed since the last call. */
  trim(): void {
    for (const [size, shelf] of this.#shelves) {
      const idle = Math.min(shelf.fewest, shelf.buffers.length)
      // The oldest: those given back last are in the cache of the processor.
      shelf.buffers.splice(0, idle)
      this.#keptBytes -= idle * size
      shelf.fewest = shelf.buffers.length
      if (shelf.buffers.length === 0) this.#shelves.delete(size)
    }
  }

  readonly #return = (): void => {
    const due = this.#due
    this.#due = this.#returning
    this.#returning = []
    this.#scheduled = false
    if (this.#due.length > 0) this.#schedule()
    for (let at = 0; at < due.length; at++) {
      const { bytes, owner } = due[at]!
      this.give(bytes)
      owner.returned(bytes)
    }
  }
}

/** Four sizes from one power of two to the next: at most a fifth of a buffer is not used. */
function sizeFor(byteCount: number): number {
  let step = smallestBytes / 4
  while (step * 8 < byteCount) step *= 2
  return Math.max(smallestBytes, Math.ceil(byteCount / step) * step)
}
