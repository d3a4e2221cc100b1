/** As many sequential readers of one segment find their place without the index. */
const mostPlaces = 16

/** Where sequential readers of a segment will go on. */
export class ReadPlaces {
  readonly #offsets: number[] = []
  readonly #positions: number[] = []
  #next = 0

  /** Where the batch with `offset` begins, if a reader has come up to there. */
  positionOf(offset: number): number | undefined {
    const { length } = this.#offsets
    // The newest first: a reader alone finds its own at once.
    for (let back = 1; back <= length; back++) {
      const at = (this.#next + mostPlaces - back) % mostPlaces
      if (this.#offsets[at] === offset) return this.#positions[at]
    }
    return undefined
  }

  note(offset: number, position: number): void {
    this.#offsets[this.#next] = offset
    this.#positions[this.#next] = position
    this.#next = (this.#next + 1) % mostPlaces
  }
}
