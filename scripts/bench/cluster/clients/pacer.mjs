// pacer.mjs TICK_US: one byte on standard output at each tick. Timers of an event loop wake up to a millisecond late, which
// would be measured as latency; a thread that waits for nothing else is woken within some tens of microseconds.
import fs from 'node:fs'

const tickMs = Number(process.argv[2]) / 1000
const never = new Int32Array(new SharedArrayBuffer(4))
const tick = Buffer.from('.')
const start = performance.now()
for (let count = 0; ;) {
  fs.writeSync(1, tick)
  // Ticks that were slept through are not made up for: the load knows from the clock what is due.
  count = Math.max(count + 1, Math.ceil((performance.now() - start) / tickMs))
  const leftMs = start + count * tickMs - performance.now()
  if (leftMs > 0) Atomics.wait(never, 0, 0, leftMs)
}
