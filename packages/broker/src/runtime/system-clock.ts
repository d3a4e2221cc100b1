import type { Clock, TimerHandle } from './clock.js'

/**
 * Timers fire on multiples of this. A broker has one timer per waiting request and member, nearly
 * all of which are cancelled: they are list entries in a bucket, and one real timer serves them
 * all.
 */
const tickMs = 5

/** A timer that runs: one object each, its handle included. */
class Entry implements TimerHandle {
  callback: (() => void) | undefined
  /** Where it stands in its bucket. */
  at: number
  readonly #bucket: Bucket

  constructor(bucket: Bucket, callback: () => void) {
    this.#bucket = bucket
    this.callback = callback
    this.at = bucket.entries.push(this) - 1
  }

  /** Takes it out at once: a busy broker cancels far more timers than it lets fire. */
  cancel(): void {
    if (this.callback === undefined) return
    this.callback = undefined
    const { entries } = this.#bucket
    const last = entries.pop()
    if (last === undefined || last === this) return
    entries[this.at] = last
    last.at = this.at
  }
}

interface Bucket {
  readonly tick: number
  readonly entries: Entry[]
}

/** The real clock. Timers are coarse (up to 5 ms late), cheap to set, and free to cancel. */
export class SystemClock implements Clock {
  /** Buckets by tick, and the same as a binary min-heap. */
  readonly #buckets = new Map<number, Bucket>()
  readonly #heap: Bucket[] = []
  #timer: NodeJS.Timeout | undefined
  #armedTick = Infinity

  now(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    const deadline = performance.now() + Math.max(0, delayMs)
    const tick = Math.ceil(deadline / tickMs)
    let bucket = this.#buckets.get(tick)
    if (bucket === undefined) {
      bucket = { tick, entries: [] }
      this.#buckets.set(tick, bucket)
      push(this.#heap, bucket)
      if (tick < this.#armedTick) this.#arm()
    }
    return new Entry(bucket, callback)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const first = this.#heap[0]
    if (first === undefined) {
      this.#armedTick = Infinity
      return
    }
    this.#armedTick = first.tick
    // setTimeout takes at most 2^31 - 1 ms; a longer timer is simply armed again.
    const delay = Math.min(first.tick * tickMs - performance.now(), 2 ** 31 - 1)
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, Math.ceil(delay)))
    this.#timer.unref()
  }

  #fire(): void {
    // Two tenths of slack, because Node's timers may fire a fraction of a ms early.
    const now = Math.floor((performance.now() + 0.2) / tickMs)
    for (
      let first = this.#heap[0];
      first !== undefined && first.tick <= now;
      first = this.#heap[0]
    ) {
      pop(this.#heap)
      this.#buckets.delete(first.tick)
      // From the end: a callback may cancel its neighbours.
      for (let entry = first.entries.pop(); entry !== undefined; entry = first.entries.pop()) {
        const callback = entry.callback
        entry.callback = undefined
        callback?.()
      }
    }
    this.#arm()
  }
}

function push(heap: Bucket[], bucket: Bucket): void {
  let at = heap.length
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent]!
    if (above.tick <= bucket.tick) break
    heap[at] = above
    at = parent
  }
  heap[at] = bucket
}

function pop(heap: Bucket[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]!.tick < heap[child]!.tick) child++
    if (heap[child]!.tick >= last.tick) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
}
