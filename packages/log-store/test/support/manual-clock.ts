import type { Clock } from '../../src/index'

/** Time that moves when told to. */
export class ManualClock implements Clock {
  wallMs = 1_700_000_000_000
  #monotonicMs = 0
  #timers: { atMs: number; callback: () => void }[] = []

  now(): number {
    return this.wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  setTimer(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { atMs: this.#monotonicMs + delayMs, callback }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  /** For the next start: the same time, and no timer of before. */
  sameTime(): ManualClock {
    const clock = new ManualClock()
    clock.wallMs = this.wallMs
    return clock
  }

  advance(ms: number): void {
    this.wallMs += ms
    this.#monotonicMs += ms
    for (const timer of this.#timers.filter(({ atMs }) => atMs <= this.#monotonicMs)) {
      this.#timers = this.#timers.filter((other) => other !== timer)
      timer.callback()
    }
  }
}
