import type { StoreError } from './errors.js'

interface Waiter {
  offset: number
  /** How many hold its promise. */
  count: number
  readonly resolve: () => void
  readonly reject: (reason: StoreError) => void
}

/** The promise of those who wait for what will be written together. */
interface Group {
  readonly key: number
  readonly waiter: Waiter
  readonly promise: Promise<void>
}

/** Above this many released entries the queue is moved to the front of its array again. */
const compactAbove = 1024

/** Promises that wait until a log has come to an offset. Knows nothing of where the log is now. */
export class OffsetWaiters {
  // Ascending by offset from `#head` on; those who append ask in order, so they go to the end.
  // Entries before `#head` are released. Nothing is moved or allocated to release one.
  #queue: (Waiter | undefined)[] = []
  #head = 0
  #group: Group | undefined
  #failure: StoreError | undefined

  /** Smallest offset that somebody waits for; Number.MAX_SAFE_INTEGER when nobody does. */
  get lowest(): number {
    return this.#queue[this.#head]?.offset ?? Number.MAX_SAFE_INTEGER
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /**
   * Resolves when `release` is told of `offset` or more. Rejects with the signal's reason. `group`:
   * the record is not written yet, and will be together with all others of this group; they are
   * released together, so that one promise does for all.
   */
  wait(offset: number, signal?: AbortSignal, group?: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (signal === undefined) {
      if (group !== undefined) return this.#waitTogether(offset, group)
      return new Promise((resolve, reject) => {
        this.#insert({ offset, count: 1, resolve, reject })
      })
    }
    if (signal.aborted) return Promise.reject(signal.reason as Error)
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#remove(waiter)
        reject(signal.reason as Error)
      }
      const waiter: Waiter = {
        offset,
        count: 1,
        resolve() {
          signal.removeEventListener('abort', abort)
          resolve()
        },
        reject(reason) {
          signal.removeEventListener('abort', abort)
          reject(reason)
        },
      }
      signal.addEventListener('abort', abort)
      this.#insert(waiter)
    })
  }

  /** The log has come to `offset`. Answers how many had waited for that. */
  release(offset: number): number {
    const queue = this.#queue
    let head = this.#head
    let released = 0
    while (head < queue.length && queue[head]!.offset <= offset) {
      const waiter = queue[head]!
      waiter.resolve()
      released += waiter.count
      queue[head++] = undefined
    }
    if (released === 0) return 0
    this.#head = head
    if (head === queue.length) {
      queue.length = 0
      this.#head = 0
      this.#group = undefined
    } else if (head > compactAbove && head * 2 > queue.length) {
      queue.splice(0, head)
      this.#head = 0
    }
    return released
  }

  /** Rejects those who wait for more than `endOffset`, and at most `upTo`. */
  rollBack(endOffset: number, error: StoreError, upTo = Number.MAX_SAFE_INTEGER): void {
    this.#group = undefined
    const first = this.#firstAbove(endOffset)
    const gone = this.#queue.splice(first, this.#firstAbove(upTo) - first)
    for (const waiter of gone) waiter!.reject(error)
  }

  /** Rejects all who wait and whoever comes. */
  fail(error: StoreError): void {
    this.#failure ??= error
    this.rollBack(-1, error)
  }

  #waitTogether(offset: number, key: number): Promise<void> {
    const group = this.#group
    // Only the last entry may move on to a higher offset.
    if (group?.key === key && group.waiter === this.#queue[this.#queue.length - 1]) {
      group.waiter.count++
      if (offset > group.waiter.offset) group.waiter.offset = offset
      return group.promise
    }
    const promise = this.wait(offset)
    const waiter = this.#queue.at(-1)
    if (waiter?.offset === offset) this.#group = { key, waiter, promise }
    return promise
  }

  #insert(waiter: Waiter): void {
    const last = this.#queue.at(-1)
    if (last === undefined || last.offset <= waiter.offset) this.#queue.push(waiter)
    else this.#queue.splice(this.#firstAbove(waiter.offset), 0, waiter)
  }

  #remove(waiter: Waiter): void {
    const at = this.#queue.indexOf(waiter, this.#firstAbove(waiter.offset - 1))
    if (at !== -1) this.#queue.splice(at, 1)
  }

  /** Index of the first entry that waits for more than `offset`. */
  #firstAbove(offset: number): number {
    let low = this.#head
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#queue[middle]!.offset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
