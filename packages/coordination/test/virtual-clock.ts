import type { Clock } from '@kfk/coordination'

/**
 * Time that passes only when told to. Timers fire in order of their times, then of their setting.
 */
export class VirtualClock implements Clock {
  private nowMs = 0
  private sequence = 0
  private timers: { atMs: number; sequence: number; callback: () => void }[] = []

  now(): number {
    return 1_700_000_000_000 + this.nowMs
  }

  monotonicMs(): number {
    return this.nowMs
  }

  setTimer(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { atMs: this.nowMs + delayMs, sequence: this.sequence++, callback }
    this.timers.push(timer)
    return { cancel: () => (this.timers = this.timers.filter((other) => other !== timer)) }
  }

  /** Number of timers that are set; 0 after a clean close. */
  get pending(): number {
    return this.timers.length
  }

  async pass(durationMs: number): Promise<void> {
    const endMs = this.nowMs + durationMs
    for (;;) {
      // What the callbacks before have started goes on before time does.
      await new Promise(setImmediate)
      const due = this.timers.filter((timer) => timer.atMs <= endMs)
      if (due.length === 0) break
      due.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence)
      const next = due[0]!
      this.timers = this.timers.filter((timer) => timer !== next)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.callback()
    }
    this.nowMs = endMs
  }
}
