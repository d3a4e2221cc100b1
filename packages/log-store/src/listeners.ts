/** Callbacks that are told of each event, in the order in which they came. */
export class Listeners<Event> {
  // Replaced, never changed: a listener may go while the others are being told.
  #callbacks: readonly ((event: Event) => void)[] = []

  /** Returns the unsubscriber. */
  add(callback: (event: Event) => void): () => void {
    this.#callbacks = [...this.#callbacks, callback]
    return () => {
      this.#callbacks = this.#callbacks.filter((other) => other !== callback)
    }
  }

  tell(event: Event): void {
    for (const callback of this.#callbacks) callback(event)
  }
}
