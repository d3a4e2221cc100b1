import { StoreError } from './errors.js'

// File `leader-epoch-checkpoint`, as Kafka writes it: text lines `0` (version), the number of
// entries,
// then `<epoch> <start offset>` per entry, both increasing.

export interface EpochEntry {
  readonly epoch: number
  readonly startOffset: number
}

/** Which leader epoch wrote from which offset on. */
export class EpochIndex {
  #entries: EpochEntry[]
  #changes = 0

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = [...entries]
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  /** Grows with every change, so that a writer knows whether the file is current. */
  get changes(): number {
    return this.#changes
  }

  get latestEpoch(): number | undefined {
    return this.#entries.at(-1)?.epoch
  }

  /** Epoch that wrote `offset`; undefined when that is not known. */
  at(offset: number): number | undefined {
    const last = this.#entries.at(-1)
    // As a rule it is asked of the end.
    if (last === undefined || last.startOffset <= offset) return last?.epoch
    return this.#entries.findLast(({ startOffset }) => startOffset <= offset)?.epoch
  }

  /**
   * Notes that `epoch` starts at `startOffset`; true when it is news. Later entries it contradicts
   * go.
   */
  assign(epoch: number, startOffset: number): boolean {
    // Not `at(-1)`, which is a call: this runs for every append.
    const last = this.#entries[this.#entries.length - 1]
    if (epoch < 0 || (last !== undefined && epoch <= last.epoch)) return false
    // An epoch that wrote nothing has the same start as the next one, which replaces it.
    while (this.#entries.length > 0 && this.#entries.at(-1)!.startOffset >= startOffset) {
      this.#entries.pop()
    }
    this.#entries.push({ epoch, startOffset })
    this.#changes++
    return true
  }

  /**
   * A batch of `epoch` was appended at `offset`, the end of the log. Later epochs that were to
   * start there have written nothing, and never will (Kafka truncates such entries, too).
   */
  wrote(epoch: number, offset: number): void {
    const last = this.#entries[this.#entries.length - 1]
    if (last !== undefined && epoch < last.epoch) this.truncateFromEnd(offset)
    this.assign(epoch, offset)
  }

  /**
   * A batch of `epoch` was found at `offset`. When something else is known of there, that is what a
   * crash has left of a log that was cut: it goes, with all behind it, which the batches tell anew.
   */
  found(epoch: number, offset: number): void {
    if (epoch < 0 || this.at(offset) === epoch) return
    const before = this.#entries.findLast(({ startOffset }) => startOffset < offset)
    if (before === undefined || before.epoch <= epoch) this.truncateFromEnd(offset)
    this.assign(epoch, offset)
  }

  /** Forgets epochs that start at `endOffset` or later. */
  truncateFromEnd(endOffset: number): void {
    this.#replace(this.#entries.filter((entry) => entry.startOffset < endOffset))
  }

  /** Forgets what lies wholly below `startOffset`; the epoch that spans it starts there now. */
  truncateFromStart(startOffset: number): void {
    const kept = this.#entries.filter((entry) => entry.startOffset > startOffset)
    const spanning = this.#entries.findLast((entry) => entry.startOffset <= startOffset)
    this.#replace(spanning === undefined ? kept : [{ epoch: spanning.epoch, startOffset }, ...kept])
  }

  clear(): void {
    this.#replace([])
  }

  /** KIP-101: the largest known epoch <= `epoch`, and where it ends. */
  endOf(epoch: number, logEndOffset: number): { leaderEpoch: number; endOffset: number } {
    const latest = this.latestEpoch
    if (latest !== undefined && epoch === latest)
      return { leaderEpoch: epoch, endOffset: logEndOffset }
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch)
    // Nothing known, or the question is about an epoch that has not come yet.
    if (latest === undefined || next === -1) return { leaderEpoch: -1, endOffset: -1 }
    const endOffset = this.#entries[next]!.startOffset
    return { leaderEpoch: next === 0 ? epoch : this.#entries[next - 1]!.epoch, endOffset }
  }

  #replace(entries: EpochEntry[]): void {
    const same =
      entries.length === this.#entries.length &&
      entries.every((entry, at) => {
        const old = this.#entries[at]!
        return old.epoch === entry.epoch && old.startOffset === entry.startOffset
      })
    if (same) return
    this.#entries = entries
    this.#changes++
  }
}

export function encodeEpochs(entries: readonly EpochEntry[]): Uint8Array {
  const lines = entries.map((entry) => `${entry.epoch} ${entry.startOffset}\n`)
  return Buffer.from(`0\n${entries.length}\n${lines.join('')}`)
}

/** Throws KFK_STORE_CORRUPT. */
export function decodeEpochs(bytes: Uint8Array, path: string): EpochEntry[] {
  const lines = Buffer.from(bytes).toString('latin1').split('\n')
  const corrupt = () => new StoreError('KFK_STORE_CORRUPT', `${path} is not an epoch checkpoint`)
  if (lines[0] !== '0' || Number(lines[1]) !== lines.length - 3 || lines.at(-1) !== '')
    throw corrupt()
  const entries: EpochEntry[] = []
  for (const line of lines.slice(2, -1)) {
    const match = /^(\d{1,10}) (\d{1,16})$/.exec(line)
    if (match === null) throw corrupt()
    const entry = { epoch: Number(match[1]), startOffset: Number(match[2]) }
    const last = entries.at(-1)
    const ordered =
      last === undefined || (entry.epoch > last.epoch && entry.startOffset > last.startOffset)
    if (!ordered) throw corrupt()
    entries.push(entry)
  }
  return entries
}
