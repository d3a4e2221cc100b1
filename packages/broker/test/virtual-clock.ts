import type { Clock, TimerHandle } from '../src/context.js'

/** Time that moves when the test says so. */
export class VirtualClock implements Clock {
  #now = 0
  #timers: { at: number; callback: () => void }[] = []

  now(): number {
    return 1_700_000_000_000 + this.#now
  }

  monotonicMs(): number {
    return this.#now
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    const timer = { at: this.#now + delayMs, callback }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Fires what is due within the next `ms`, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((other) => other !== due)
      this.#now = due.at
      due.callback()
    }
    this.#now = end
  }
}
