const nobody: readonly [] = []

/**
 * Calls back into code that is not ours. What it throws is a bug that must surface, as an exception
 * that nobody has caught, but not in the middle of what is being told of.
 */
export function tellOne<Event>(callback: (event: Event) => void, event: Event): void {
  try {
    callback(event)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/**
 * Callbacks that are told of each event, in the order in which they came; one that throws keeps
 * neither the others from being told nor the teller from going on.
 */
export class Listeners<Event> {
  // Replaced, never changed: a listener may go while the others are being told.
  #callbacks: readonly ((event: Event) => void)[] = nobody

  /** Returns the unsubscriber. */
  add(callback: (event: Event) => void): () => void {
    this.#callbacks = [...this.#callbacks, callback]
    return () => {
      const left = this.#callbacks.filter((other) => other !== callback)
      this.#callbacks = left.length === 0 ? nobody : left
    }
  }

  tell(event: Event): void {
    for (const callback of this.#callbacks) tellOne(callback, event)
  }
}
