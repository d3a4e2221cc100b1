import type { Clock } from './clock.js'

/**
 * One timer for many deadlines: it runs at the earliest one asked for. The callback looks for what
 * is due and asks for the next deadline; deadlines that no longer matter cost nothing but a
 * callback that finds nothing.
 */
export class EarliestTimer {
  readonly #clock: Clock
  readonly #onDue: () => void
  #timer: { cancel(): void } | undefined
  #atMs = Infinity

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  /** Runs the callback not later than at this monotonic time. */
  at(monotonicMs: number): void {
    if (monotonicMs >= this.#atMs) return
    this.#timer?.cancel()
    this.#atMs = monotonicMs
    const delayMs = Math.max(0, monotonicMs - this.#clock.monotonicMs())
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#atMs = Infinity
      this.#timer = undefined
      this.#onDue()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#atMs = Infinity
  }
}
