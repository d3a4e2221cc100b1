/**
 * What the records fetched ahead keep in memory. Batches are views on the answer that they came in,
 * so one small batch that waits keeps the whole answer: answers are counted, by their full size,
 * until the last of their batches is gone.
 */
export class PrefetchMemory {
  #heldBytes = 0

  /** Of all answers that have batches waiting or in the application's hands. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Counts nothing yet: see {@link AnswerMemory.hold}. */
  answer(bytes: number): AnswerMemory {
    return new AnswerMemory(bytes, (change) => (this.#heldBytes += change))
  }
}

/** The memory of one fetch answer, shared by the partitions in it. */
export class AnswerMemory {
  readonly bytes: number
  readonly #onChange: (change: number) => void
  #liveBytes = 0

  constructor(bytes: number, onChange: (change: number) => void) {
    this.bytes = bytes
    this.#onChange = onChange
  }

  /** Copying what is left out of it would free more than it takes. */
  get mostlyFree(): boolean {
    return this.#liveBytes * 2 < this.bytes
  }

  hold(bytes: number): void {
    if (this.#liveBytes === 0) this.#onChange(this.bytes)
    this.#liveBytes += bytes
  }

  release(bytes: number): void {
    this.#liveBytes -= bytes
    if (this.#liveBytes === 0) this.#onChange(-this.bytes)
  }
}
