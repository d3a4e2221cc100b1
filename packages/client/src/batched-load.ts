/**
 * Single flight with merging: names asked for in the same turn, or while a load is under way, go
 * out together in the next load. So there is never more than one load on the wire, and a caller
 * never gets an answer older than its question.
 */
export class BatchedLoad<Result> {
  readonly #load: (names: readonly string[]) => Promise<Result>
  readonly #wanted = new Set<string>()
  #running: Promise<unknown> = Promise.resolve()
  #next: Promise<Result> | undefined

  constructor(load: (names: readonly string[]) => Promise<Result>) {
    this.#load = load
  }

  /** Resolves with the result of the load that carried these names. */
  request(names: readonly string[]): Promise<Result> {
    for (const name of names) this.#wanted.add(name)
    if (this.#next === undefined) {
      const start = (): Promise<Result> => {
        const batch = [...this.#wanted]
        this.#wanted.clear()
        this.#next = undefined
        return this.#load(batch)
      }
      this.#next = this.#running.then(start, start)
      this.#running = this.#next
      // Each caller handles its own rejection; the chain itself must not count as unhandled.
      this.#next.catch(() => {})
    }
    return this.#next
  }
}
