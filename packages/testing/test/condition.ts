/** Waits for something to become true, looked at whenever {@link Condition.changed} is called: no polling. */
export class Condition {
  readonly #waiting = new Set<() => void>()

  changed(): void {
    // Whoever calls may be in the middle of what the condition is about.
    setImmediate(() => {
      for (const look of [...this.#waiting]) look()
    })
  }

  is(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }
}
