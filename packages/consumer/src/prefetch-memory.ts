/**
 * What the records fetched ahead keep in memory. Batches are views on the answer that they came in,
 * so one small batch that waits keeps the whole answer: answers are counted, by their full size,
 * until the last of their batches is gone.
 */
export class PrefetchMemory {
  readonly #giveBack: (memory: Uint8Array) => void
  #heldBytes = 0

  /** `giveBack` is told of answers that nobody sees any more. */
  constructor(giveBack: (memory: Uint8Array) => void = () => undefined) {
    this.#giveBack = giveBack
  }

  /** Of all answers that have batches waiting or in the application's hands. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** `memory` is all of it, or a part. Counts nothing yet: see {@link AnswerMemory.hold}. */
  answer(memory: Uint8Array): AnswerMemory {
    return new AnswerMemory(memory.buffer.byteLength, (change, isShown) => {
      this.#heldBytes += change
      if (change < 0 && !isShown) this.#giveBack(memory)
    })
  }
}

/** The memory of one fetch answer, shared by the partitions in it. */
export class AnswerMemory {
  readonly bytes: number
  readonly #onChange: (change: number, isShown: boolean) => void
  #liveBytes = 0
  #isShown = false

  constructor(bytes: number, onChange: (change: number, isShown: boolean) => void) {
    this.bytes = bytes
    this.#onChange = onChange
  }

  /** Copying what is left out of it would free more than it takes. */
  get mostlyFree(): boolean {
    return this.#liveBytes * 2 < this.bytes
  }

  /** The application gets what it may keep: this memory is never used for anything else. */
  show(): void {
    this.#isShown = true
  }

  hold(bytes: number): void {
    if (this.#liveBytes === 0) this.#onChange(this.bytes, this.#isShown)
    this.#liveBytes += bytes
  }

  release(bytes: number): void {
    this.#liveBytes -= bytes
    if (this.#liveBytes === 0) this.#onChange(-this.bytes, this.#isShown)
  }
}
