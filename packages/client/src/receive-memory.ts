import type { FrameMemory } from '@kfk/protocol'
import type { Clock } from './clock.js'
import { EarliestTimer } from './earliest-timer.js'

/** A broker that says how long its answer is, is believed up to here: that much is made at once. */
const believedBytes = 16 * 1024 * 1024
/** What is kept for later at most. */
const keptBytesMax = 32 * 1024 * 1024
/** Memory that nobody has needed for so long is let go. */
const idleMs = 10_000

/**
 * Memory for large answers. New memory for each is touched page by page for the first time, and
 * makes the garbage collector look at the whole heap for its sake: who is sure that nobody sees an
 * answer any more gives it back.
 */
export class ReceiveMemory implements FrameMemory {
  readonly #clock: Clock
  readonly #timer: EarliestTimer
  /** Not in use, those given back last at the end. */
  #kept: Buffer[] = []
  #keptBytes = 0
  /** So few were kept since the timer was set: nobody has needed that many. */
  #fewest = 0
  /** What has been taken. What is never given back is garbage like anything else. */
  readonly #lent = new WeakSet<ArrayBufferLike>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#timer = new EarliestTimer(clock, () => this.#trim())
  }

  /** Bytes that are kept for later. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  take(byteCount: number, frameBytes = byteCount): Buffer {
    const buffer =
      this.#find(frameBytes) ??
      Buffer.allocUnsafeSlow(frameBytes <= believedBytes ? roomFor(frameBytes) : byteCount)
    this.#lent.add(buffer.buffer)
    return buffer
  }

  /** Memory that was not taken here is let pass: it belongs to somebody else. */
  give({ buffer }: Uint8Array): void {
    const size = buffer.byteLength
    if (!this.#lent.delete(buffer) || this.#closed) return
    if (this.#keptBytes + size > keptBytesMax) return
    if (this.#kept.length === 0) this.#timer.at(this.#clock.monotonicMs() + idleMs)
    this.#kept.push(Buffer.from(buffer))
    this.#keptBytes += size
  }

  /** Keeps nothing from now on. */
  close(): void {
    this.#closed = true
    this.#timer.cancel()
    this.#drop(this.#kept.length)
  }

  /** Not much larger than what is wanted: an answer counts with all the memory that it is in. */
  #find(frameBytes: number): Buffer | undefined {
    const kept = this.#kept
    for (let at = kept.length - 1; at >= 0; at--) {
      const { length } = kept[at]!
      if (length < frameBytes || length > 2 * frameBytes) continue
      const [found] = kept.splice(at, 1)
      this.#keptBytes -= length
      this.#fewest = Math.min(this.#fewest, kept.length)
      return found
    }
    return undefined
  }

  #trim(): void {
    this.#drop(this.#fewest)
    this.#fewest = this.#kept.length
    if (this.#fewest > 0) this.#timer.at(this.#clock.monotonicMs() + idleMs)
  }

  #drop(count: number): void {
    for (const { length } of this.#kept.splice(0, count)) this.#keptBytes -= length
  }
}

/** A little more, so that the next answer of about that size fits as well. */
function roomFor(frameBytes: number): number {
  let step = 4096
  while (step * 8 < frameBytes) step *= 2
  return Math.ceil(frameBytes / step) * step
}
