// Open-loop load: when each record is due is planned before the first is sent, and its latency counts from then. A stall
// of what is measured delays no plan, so every record that it held up is seen (no coordinated omission).

/** Time on the clock that all processes of the machine share, in microseconds. */
export function nowUs() {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}

/**
 * Records come in bursts, one a tick, because no timer wakes a process a million times a second: at most 1,000 ticks a
 * second, and as many records at each as the rate asks for.
 */
export function planLoad({ ratePerSecond, seconds }) {
  const ticksPerSecond = Math.min(ratePerSecond, 1000)
  const perTick = Math.round(ratePerSecond / ticksPerSecond)
  const tickUs = 1e6 / ticksPerSecond
  const ticks = Math.floor(seconds * ticksPerSecond)
  const records = ticks * perTick
  return {
    tickUs,
    perTick,
    records,
    /** Microseconds after the start at which the record of this number is due. */
    dueUs: (number) => Math.floor(number / perTick) * tickUs,
    /** How many records are due so long after the start. */
    dueBy: (elapsedUs) =>
      elapsedUs < 0 ? 0 : Math.min(records, (Math.floor(elapsedUs / tickUs) + 1) * perTick),
  }
}
