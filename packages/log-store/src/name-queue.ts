/** One piece of work at a time for each name, in the order asked for; names do not wait. */
export class NameQueue {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Something is under way for this name, or waits for its turn. */
  isBusy(name: string): boolean {
    return this.#last.has(name)
  }

  /** Runs `work` when all that was asked for before, for this name, has ended. */
  run<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const run = (this.#last.get(name) ?? Promise.resolve()).then(work)
    const last = run
      .catch(() => undefined)
      .finally(() => {
        if (this.#last.get(name) === last) this.#last.delete(name)
      })
    this.#last.set(name, last)
    return run
  }

  /** Resolves when nothing is under way or waits, whatever came of it. */
  async whenIdle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values())
  }
}
