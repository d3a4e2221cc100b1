/** Time, passed in so that tests and the simulator can move it. */
export interface Clock {
  /** Wall time in ms since 1970; may jump. Used for record ages only. */
  now(): number
  /** Monotonic ms from an arbitrary start. Used for durations. */
  monotonicMs(): number
  setTimer(delayMs: number, callback: () => void): { cancel(): void }
}

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
