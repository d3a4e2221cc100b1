/**
 * Time as the clients see it. Passed in, so that tests and the simulator own it. `now` is wall time
 * in milliseconds (record timestamps); every duration is measured by `monotonicMs`.
 */
export interface Clock {
  now(): number
  monotonicMs(): number
  setTimer(delayMs: number, callback: () => void): { cancel(): void }
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}
