import type { Clock, Purgatory } from '../context.js'

type Operation = Parameters<Purgatory['watch']>[0]

interface Waiting {
  readonly operation: Operation
  done: boolean
  cancelTimer: () => void
}

/** So many keys that nobody waits for are kept: most are waited for again at once. */
const idleKeysMax = 4096

/**
 * Requests that wait for something that the broker will do (a Fetch for data). Named after Kafka's,
 * with the same contract: an operation ends exactly once, by `tryComplete` or by `expire`.
 */
export class KeyedPurgatory implements Purgatory {
  readonly #clock: Clock
  /** Most keys have one that waits at the most; it needs no set around it. */
  readonly #watchers = new Map<string, Waiting | Set<Waiting> | undefined>()
  #idleKeys = 0
  #size = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Operations that wait. */
  get size(): number {
    return this.#size
  }

  /** Keys that are kept, waited for or not. */
  get keys(): number {
    return this.#watchers.size
  }

  watch(operation: Operation): { cancel(): void } {
    const waiting: Waiting = { operation, done: false, cancelTimer: () => undefined }
    for (const key of operation.keys) this.#add(key, waiting)
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
    if (watchers instanceof Set) for (const waiting of [...watchers]) this.#try(waiting)
    else this.#try(watchers)
  }

  /** Ends every operation by `expire`: the broker stops. */
  expireAll(): void {
    const all = new Set<Waiting>()
    for (const watchers of this.#watchers.values()) {
      if (watchers instanceof Set) for (const waiting of watchers) all.add(waiting)
      else if (watchers !== undefined) all.add(watchers)
    }
    for (const waiting of all) if (this.#finish(waiting)) waiting.operation.expire()
  }

  #add(key: string, waiting: Waiting): void {
    const watchers = this.#watchers.get(key)
    if (watchers instanceof Set) watchers.add(waiting)
    else if (watchers !== undefined) this.#watchers.set(key, new Set([watchers, waiting]))
    else {
      const before = this.#watchers.size
      this.#watchers.set(key, waiting)
      if (this.#watchers.size === before) this.#idleKeys--
    }
  }

  #try(waiting: Waiting): void {
    if (!waiting.done && waiting.operation.tryComplete()) this.#finish(waiting)
  }

  #finish(waiting: Waiting): boolean {
    if (waiting.done) return false
    waiting.done = true
    this.#size--
    waiting.cancelTimer()
    for (const key of waiting.operation.keys) this.#remove(key, waiting)
    if (this.#idleKeys > idleKeysMax) this.#forgetIdle()
    return true
  }

  #remove(key: string, waiting: Waiting): void {
    const watchers = this.#watchers.get(key)
    if (watchers instanceof Set) {
      watchers.delete(waiting)
      if (watchers.size > 0) return
    } else if (watchers !== waiting) return
    // Left in its place: to delete thousands and to add them again makes the map anew each time.
    this.#watchers.set(key, undefined)
    this.#idleKeys++
  }

  #forgetIdle(): void {
    for (const [key, watchers] of this.#watchers) {
      if (watchers === undefined) this.#watchers.delete(key)
    }
    this.#idleKeys = 0
  }
}
