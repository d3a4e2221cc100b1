import type { Clock, TimerHandle } from '../runtime/clock.js'

/** Something that wants to be woken. It is in the queue at most once per scheduled time. */
export interface Sleeper {
  /**
   * When the queue will wake it, monotonic ms; Infinity: it is not in the queue. Written by the
   * queue only.
   */
  wakesAt: number
}

interface Slot<S> {
  readonly at: number
  readonly sleeper: S
}

/**
 * Wakes sleepers at their deadlines with one timer for all of them: a binary heap. A deadline that
 * moves later costs nothing, because the sleeper is woken early and then says when next; that is
 * what sessions do at every heartbeat.
 */
export class DeadlineQueue<S extends Sleeper> {
  readonly #heap: Slot<S>[] = []
  #timer: TimerHandle | undefined
  #timerAt = Infinity
  #closed = false

  constructor(
    readonly clock: Clock,
    /**
     * Called when the time has come, or before. It schedules the sleeper again if there is a next
     * time.
     */
    readonly wake: (sleeper: S, now: number) => void,
  ) {}

  /** Wakes `sleeper` not later than at `at`, as far as the clock allows. */
  schedule(sleeper: S, at: number): void {
    if (at >= sleeper.wakesAt || this.#closed) return
    sleeper.wakesAt = at
    this.#push({ at, sleeper })
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#heap.length = 0
  }

  #arm(): void {
    const next = this.#heap[0]?.at ?? Infinity
    if (next >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = next
    // Timers of the platform count whole ms and may be 32 bits wide.
    const delayMs = Math.min(Math.max(Math.ceil(next - this.clock.monotonicMs()), 0), 2 ** 31 - 1)
    this.#timer = this.clock.setTimer(delayMs, () => this.#fire())
  }

  #fire(): void {
    this.#timerAt = Infinity
    const now = this.clock.monotonicMs()
    while (!this.#closed && this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const { at, sleeper } = this.#pop()
      // An entry that an earlier time has replaced.
      if (sleeper.wakesAt !== at) continue
      sleeper.wakesAt = Infinity
      this.wake(sleeper, now)
    }
    if (!this.#closed) this.#arm()
  }

  #push(slot: Slot<S>): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(slot)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (heap[parent]!.at <= slot.at) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = slot
  }

  #pop(): Slot<S> {
    const heap = this.#heap
    const top = heap[0]!
    const last = heap.pop()!
    const size = heap.length
    if (size === 0) return top
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= size) break
      if (child + 1 < size && heap[child + 1]!.at < heap[child]!.at) child++
      if (heap[child]!.at >= last.at) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return top
  }
}
