import type { Clock, Purgatory } from '../context.js'

type Operation = Parameters<Purgatory['watch']>[0]

interface Waiting {
  readonly operation: Operation
  done: boolean
  cancelTimer: () => void
}

/**
 * Requests that wait for something that the broker will do (a Fetch for data). Named after Kafka's,
 * with the same contract: an operation ends exactly once, by `tryComplete` or by `expire`.
 */
export class KeyedPurgatory implements Purgatory {
  readonly #clock: Clock
  readonly #watchers = new Map<string, Set<Waiting>>()
  #size = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Operations that wait. */
  get size(): number {
    return this.#size
  }

  watch(operation: Operation): { cancel(): void } {
    const waiting: Waiting = { operation, done: false, cancelTimer: () => undefined }
    for (const key of operation.keys) {
      const watchers = this.#watchers.get(key)
      if (watchers === undefined) this.#watchers.set(key, new Set([waiting]))
      else watchers.add(waiting)
    }
    this.#size++
    const timer = this.#clock.setTimer(operation.timeoutMs, () => {
      if (this.#finish(waiting)) operation.expire()
    })
    waiting.cancelTimer = () => timer.cancel()
    return { cancel: () => void this.#finish(waiting) }
  }

  notify(key: string): void {
    const watchers = this.#watchers.get(key)
    if (watchers === undefined) return
    for (const waiting of [...watchers]) {
      if (!waiting.done && waiting.operation.tryComplete()) this.#finish(waiting)
    }
  }

  /** Ends every operation by `expire`: the broker stops. */
  expireAll(): void {
    const all = new Set([...this.#watchers.values()].flatMap((watchers) => [...watchers]))
    for (const waiting of all) if (this.#finish(waiting)) waiting.operation.expire()
  }

  #finish(waiting: Waiting): boolean {
    if (waiting.done) return false
    waiting.done = true
    this.#size--
    waiting.cancelTimer()
    for (const key of waiting.operation.keys) {
      const watchers = this.#watchers.get(key)
      if (watchers === undefined) continue
      watchers.delete(waiting)
      if (watchers.size === 0) this.#watchers.delete(key)
    }
    return true
  }
}
