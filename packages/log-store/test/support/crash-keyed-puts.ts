interface Put {
  readonly offset: number
  readonly key: string
  readonly tombstone: boolean
}

/** What was put under keys in one log, and which of it compaction may take away. */
export class KeyedPuts {
  #puts: Put[] = []
  /** Offsets of tombstones that a compaction has kept, to the time until which they stay. */
  readonly #horizons = new Map<number, number>()

  put(put: Put): void {
    this.#puts.push(put)
  }

  truncate(end: number): void {
    this.#puts = this.#puts.filter(({ offset }) => offset < end)
    for (const offset of [...this.#horizons.keys()]) {
      if (offset >= end) this.#horizons.delete(offset)
    }
  }

  /** Offsets that have a later one with the same key, and tombstones whose time is over. */
  needless(nowMs: number): number[] {
    const latest = this.#latest()
    return this.#puts
      .filter(({ key, offset }) => latest.get(key) !== offset || this.#isExpired(offset, nowMs))
      .map(({ offset }) => offset)
  }

  /** A compaction has gone through all below `end`: its tombstones stay until `horizonMs`. */
  compacted(end: number, horizonMs: number): void {
    for (const { offset, tombstone } of this.#puts) {
      if (!tombstone || offset >= end || this.#horizons.has(offset)) continue
      this.#horizons.set(offset, horizonMs)
    }
  }

  /** Tombstones below `end` that are the last of their keys and whose time is over. */
  expired(end: number, nowMs: number): number[] {
    return [...this.#latest().values()].filter(
      (offset) => offset < end && this.#isExpired(offset, nowMs),
    )
  }

  #latest(): Map<string, number> {
    return new Map(this.#puts.map(({ key, offset }) => [key, offset]))
  }

  #isExpired(offset: number, nowMs: number): boolean {
    return (this.#horizons.get(offset) ?? Infinity) <= nowMs
  }
}
