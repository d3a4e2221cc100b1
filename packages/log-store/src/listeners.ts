const nobody: readonly [] = []

/** Callbacks that are told of each event, in the order in which they came. */
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
    for (const callback of this.#callbacks) callback(event)
  }
}
