import type { Clock } from './clock.js'
import { nextTurn } from './next-turn.js'

/** The event loop is left to others after so many ms of work. */
const sliceMs = 3
/** The clock is looked at after so many bytes: a small part of a slice. */
const glanceBytes = 64 * 1024
/** A throttled pass reads ahead of its rate by no more than this. */
const burstMs = 100

/**
 * Keeps background work from being felt: gives the event loop back after every few milliseconds,
 * holds a rate of bytes, and ends the work when it is aborted.
 */
export class CleaningPace {
  readonly #clock: Clock
  readonly #bytesPerSecond: number
  readonly #signal: AbortSignal
  #sliceStartMs: number
  #glanceIn = glanceBytes
  /** When the bytes so far are due at the wanted rate. */
  #dueMs: number
  #due = false

  constructor(clock: Clock, options: { bytesPerSecond: number; signal: AbortSignal }) {
    this.#clock = clock
    this.#bytesPerSecond = options.bytesPerSecond
    this.#signal = options.signal
    this.#sliceStartMs = clock.monotonicMs()
    this.#dueMs = this.#sliceStartMs
  }

  /** Notes work done in memory. True: call `rest` now. */
  worked(bytes: number): boolean {
    this.#glanceIn -= bytes
    if (this.#glanceIn > 0) return false
    this.#glanceIn = glanceBytes
    this.#due ||= this.#clock.monotonicMs() - this.#sliceStartMs >= sliceMs
    return this.#due
  }

  /** Lets others run. Throws the signal's reason when the work is to end. */
  async rest(): Promise<void> {
    await nextTurn()
    this.#signal.throwIfAborted()
    this.#due = false
    this.#sliceStartMs = this.#clock.monotonicMs()
  }

  /** Accounts for bytes read or written; waits when they came faster than the rate allows. */
  async transferred(bytes: number): Promise<void> {
    this.#signal.throwIfAborted()
    const now = this.#clock.monotonicMs()
    this.#dueMs = Math.max(this.#dueMs, now - burstMs) + (bytes / this.#bytesPerSecond) * 1000
    const aheadMs = this.#dueMs - now
    // Timers count whole milliseconds.
    if (aheadMs >= 1) await this.#sleep(aheadMs)
    this.#sliceStartMs = this.#clock.monotonicMs()
  }

  #sleep(ms: number): Promise<void> {
    const signal = this.#signal
    return new Promise((resolve, reject) => {
      const abort = () => {
        timer.cancel()
        reject(signal.reason as Error)
      }
      const timer = this.#clock.setTimer(Math.ceil(ms), () => {
        signal.removeEventListener('abort', abort)
        resolve()
      })
      signal.addEventListener('abort', abort, { once: true })
    })
  }
}
