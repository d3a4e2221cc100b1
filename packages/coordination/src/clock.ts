/** Time as the adapters need it. Virtual in tests. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number
  /** Milliseconds from an arbitrary origin; never goes back. */
  monotonicMs(): number
  /**
   * Calls `callback` once, `delayMs` from now, unless cancelled. A pending timer does not keep the
   * process alive.
   */
  setTimer(delayMs: number, callback: () => void): { cancel(): void }
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
