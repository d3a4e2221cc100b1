/** Cancels a timer; calling it twice, or after the timer has fired, does nothing. */
export interface TimerHandle {
  cancel(): void
}

/**
 * Time as the broker sees it. Everything in the broker takes time from here, so that a simulator
 * can drive it.
 */
export interface Clock {
  /** Wall clock, in ms since 1970. Only for record timestamps and retention: it may jump. */
  now(): number
  /** Monotonic, in ms with a fraction; its origin means nothing. For every duration. */
  monotonicMs(): number
  /** Calls back once, not earlier than after `delayMs`. Never keeps the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): TimerHandle
}
