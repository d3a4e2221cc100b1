import type { CommitWaiter } from '../context.js'

/**
 * Who waits for which offset of one partition to be committed. Offsets come nearly in order, so
 * that a release looks at the released only.
 */
export class CommitQueue {
  /** Ascending by offset; all before `#head` are released. */
  #waiters: (CommitWaiter | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#waiters.length - this.#head
  }

  add(waiter: CommitWaiter): void {
    const waiters = this.#waiters
    const { offset } = waiter
    let at = waiters.length
    // A duplicate waits for an older offset than those that are behind it.
    while (at > this.#head && waiters[at - 1]!.offset > offset) at--
    if (at === waiters.length) waiters.push(waiter)
    else waiters.splice(at, 0, waiter)
  }

  /** Tells all that wait for at most `offset`, in order of their offsets. */
  release(offset: number): void {
    for (;;) {
      const waiter = this.#waiters[this.#head]
      if (waiter === undefined || waiter.offset > offset) break
      this.#waiters[this.#head++] = undefined
      waiter.committed()
    }
    if (this.#head === this.#waiters.length) {
      this.#waiters.length = 0
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > this.#waiters.length) {
      this.#waiters = this.#waiters.slice(this.#head)
      this.#head = 0
    }
  }

  /** Tells the failure to all that wait for more than `offset`: it will not come. */
  fail(offset: number, failure: Error): void {
    const doomed: CommitWaiter[] = []
    while (this.#waiters.length > this.#head && this.#waiters.at(-1)!.offset > offset) {
      doomed.unshift(this.#waiters.pop()!)
    }
    for (const waiter of doomed) waiter.committed(failure)
  }
}
