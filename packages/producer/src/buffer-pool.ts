/** So much of the memory is kept while no batch is in it. */
const keptShare = 0.25

/**
 * Memory for whole batches, used again when the broker has them: fresh memory costs more than
 * writing the records into it. There are never more buffers than fit into `totalBytes`.
 */
export class BufferPool {
  readonly slotBytes: number
  readonly #maxSlots: number
  readonly #maxFree: number
  readonly #free: Buffer[] = []
  #taken = 0

  constructor(slotBytes: number, totalBytes: number) {
    this.slotBytes = slotBytes
    this.#maxSlots = Math.floor(totalBytes / slotBytes)
    this.#maxFree = Math.ceil(this.#maxSlots * keptShare)
  }

  /** Buffers that wait for use. */
  get freeSlots(): number {
    return this.#free.length
  }

  /** A buffer of `slotBytes`; undefined when all are taken. */
  take(): Buffer | undefined {
    if (this.#taken >= this.#maxSlots) return undefined
    this.#taken += 1
    // The last one that came back is most likely still in the processor's cache.
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.slotBytes)
  }

  /** Takes back a buffer that nobody reads or writes any more. */
  giveBack(slot: Buffer): void {
    this.#taken -= 1
    if (this.#free.length < this.#maxFree) this.#free.push(slot)
  }

  /** A buffer that was taken is somebody else's from now on. */
  forget(): void {
    this.#taken -= 1
  }
}
