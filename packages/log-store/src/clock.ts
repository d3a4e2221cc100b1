/** Time, passed in so that tests and the simulator can move it. */
export interface Clock {
  /** Wall time in ms since 1970; may jump. Used for record ages only. */
  now(): number
  /** Monotonic ms from an arbitrary start. Used for durations. */
  monotonicMs(): number
  /** `keepsAlive`: somebody's promise depends on it, so the process must not end before. */
  setTimer(
    delayMs: number,
    callback: () => void,
    options?: { readonly keepsAlive?: boolean },
  ): { cancel(): void }
}

/** Node takes a longer delay for one of a millisecond. */
const longestDelayMs = 2 ** 31 - 1

/** The machine's clock. Its timers may be of any length. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback, options) {
    let timer: NodeJS.Timeout
    const wait = (leftMs: number) => {
      const stepMs = Math.min(leftMs, longestDelayMs)
      const step = () => (leftMs > stepMs ? wait(leftMs - stepMs) : callback())
      timer = setTimeout(step, stepMs)
      if (options?.keepsAlive !== true) timer.unref()
    }
    wait(delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}
