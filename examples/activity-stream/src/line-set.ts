/**
 * Line numbers of one source, a bit each: a log of ten million lines takes a megabyte and a
 * quarter.
 */
export class LineSet {
  #bits = new Uint8Array(1024)

  /** False when the line was there already. */
  add(line: number): boolean {
    const index = line >>> 3
    if (index >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(index + 1, this.#bits.length * 2))
      larger.set(this.#bits)
      this.#bits = larger
    }
    const bit = 1 << (line & 7)
    const known = (this.#bits[index]! & bit) !== 0
    this.#bits[index]! |= bit
    return !known
  }
}
