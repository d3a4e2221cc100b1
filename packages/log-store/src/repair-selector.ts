import type { BatchSummary } from './batch-format.js'

/** Bytes of a file, the end exclusive. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** Bytes that cannot stay in a segment, and the offset that was due where they begin. */
export interface BadRange extends ByteRange {
  readonly offset: number
  readonly reason: string
}

/** Offsets that are missing between two batches, or before the first or behind the last one. */
export interface MissingOffsets {
  readonly from: number
  /** Inclusive. */
  readonly to: number
}

export interface RepairScan {
  /** Whole valid batches in order. */
  readonly kept: readonly ByteRange[]
  readonly bad: readonly BadRange[]
  readonly missing: readonly MissingOffsets[]
  /** Offset after the last batch that is kept. */
  readonly nextOffset: number
  /** Batches that are kept. */
  readonly batches: number
}

/** A batch with its checksum right; whether its offset is, too, depends on what is around it. */
interface Candidate {
  readonly batch: BatchSummary
  readonly position: number
  /** Nothing was damaged between it and the one before. */
  readonly adjacent: boolean
}

type Place = Pick<BatchSummary, 'baseOffset' | 'lastOffset' | 'leaderEpoch'>

interface SelectorRules {
  readonly baseOffset: number
  readonly limitOffset: number
  readonly gapsBelow: number
  readonly onBatch?: ((batch: BatchSummary, position: number) => void) | undefined
}

/**
 * Decides which of the batches that match their checksums stay. Offset and leader epoch lie outside
 * the checksum, so a batch may be sound in itself and yet stand in the wrong place: of two that
 * cannot both be right, the one that the next batch leaves the right room for stays; if it says
 * nothing, neither.
 */
export class BatchSelector {
  readonly #rules: SelectorRules
  readonly #kept: ByteRange[] = []
  readonly #bad: BadRange[] = []
  readonly #missing: MissingOffsets[] = []
  #nextOffset: number
  #epoch = -1
  #batches = 0
  /** Not decided yet: one, or two that exclude each other. */
  #pending: Candidate[] = []
  #adjacent = true

  constructor(rules: SelectorRules) {
    this.#rules = rules
    this.#nextOffset = rules.baseOffset
  }

  take(batch: BatchSummary, position: number): true {
    const candidate = { batch, position, adjacent: this.#adjacent }
    this.#adjacent = true
    if (this.#pending.length === 2) this.#choose(batch)
    const [before] = this.#pending
    const within = batch.lastOffset < this.#rules.limitOffset
    if (before !== undefined && within && this.#follows(candidate, before)) {
      this.#settle(before)
      this.#pending = [candidate]
    } else if (within && this.#fitsKept(batch)) this.#pending.push(candidate)
    else this.#reject(candidate)
    return true
  }

  damaged(range: ByteRange, reason: string): void {
    this.#adjacent = false
    this.#addBad({ ...range, offset: this.#dueAfterPending(), reason })
  }

  finish(): RepairScan {
    // Nothing comes after: the one that leaves no gap stays. An offset that leaps although no byte
    // is missing before it, or behind it up to a known end, is not believed.
    const { gapsBelow, limitOffset } = this.#rules
    const pair = this.#pending.length === 2
    const endsHere =
      this.#adjacent && limitOffset < Number.MAX_SAFE_INTEGER && limitOffset > gapsBelow
    const believed = this.#pending.filter(
      ({ batch, adjacent }) =>
        (batch.baseOffset === this.#nextOffset && (adjacent || !endsHere)) ||
        batch.lastOffset + 1 === limitOffset ||
        batch.baseOffset <= gapsBelow ||
        !(adjacent || pair || endsHere),
    )
    const chosen = pair && endsHere ? this.#rightBefore(endAt(limitOffset)) : undefined
    const exact = believed.find(({ batch }) => batch.baseOffset === this.#nextOffset)
    this.#settle(chosen ?? exact ?? believed[0])
    this.#pending = []
    this.#bad.sort((a, b) => a.from - b.from)
    return {
      kept: this.#kept,
      bad: this.#bad,
      missing: this.#missing,
      nextOffset: this.#nextOffset,
      batches: this.#batches,
    }
  }

  #fitsKept(batch: BatchSummary): boolean {
    return fits(batch, { nextOffset: this.#nextOffset, epoch: this.#epoch })
  }

  /**
   * Whether both may be right. Behind damage nothing says where the first one belongs; a leap from
   * it to the next although no byte is missing makes one of them wrong.
   */
  #follows({ batch, adjacent }: Candidate, before: Candidate): boolean {
    const end = endOf(before.batch)
    if (!fits(batch, end)) return false
    const { baseOffset } = batch
    const leaps = baseOffset > end.nextOffset && baseOffset > this.#rules.gapsBelow
    return before.adjacent || !adjacent || !leaps
  }

  #choose(next: BatchSummary): void {
    this.#settle(this.#rightBefore(next))
    this.#pending = []
  }

  /** Of two that exclude each other: the one that `next` leaves the right room for, if any. */
  #rightBefore(next: Place): Candidate | undefined {
    const [first, second] = this.#pending as [Candidate, Candidate]
    const fitting = ({ batch }: Candidate) => fits(next, endOf(batch))
    const room = (from: number) => next.baseOffset - from
    const span = second.batch.lastOffset - second.batch.baseOffset + 1
    if (fitting(second) && room(second.batch.lastOffset + 1) === 0) return second
    if (fitting(first) && room(first.batch.lastOffset + 1) === span) return first
    return undefined
  }

  /** Keeps one of the pending, if any; the others go. */
  #settle(chosen: Candidate | undefined): void {
    for (const other of this.#pending) if (other !== chosen) this.#reject(other)
    if (chosen === undefined) return
    const { batch, position } = chosen
    if (batch.baseOffset > this.#nextOffset) {
      this.#missing.push({ from: this.#nextOffset, to: batch.baseOffset - 1 })
    }
    this.#nextOffset = batch.lastOffset + 1
    this.#epoch = batch.leaderEpoch
    this.#batches++
    const last = this.#kept.at(-1)
    const to = position + batch.sizeInBytes
    if (last?.to === position) this.#kept[this.#kept.length - 1] = { from: last.from, to }
    else this.#kept.push({ from: position, to })
    this.#rules.onBatch?.(batch, position)
  }

  #reject({ batch, position }: Candidate): void {
    const { baseOffset, lastOffset, leaderEpoch, sizeInBytes } = batch
    const reason = `offsets ${baseOffset}..${lastOffset} of epoch ${leaderEpoch} do not belong there`
    const range = { from: position, to: position + sizeInBytes }
    this.#adjacent = false
    this.#addBad({ ...range, offset: this.#nextOffset, reason })
  }

  #addBad(range: BadRange): void {
    if (range.to > range.from) this.#bad.push(range)
  }

  #dueAfterPending(): number {
    const last = this.#pending.at(-1)
    return last === undefined ? this.#nextOffset : last.batch.lastOffset + 1
  }
}

function endOf(batch: BatchSummary): { nextOffset: number; epoch: number } {
  return { nextOffset: batch.lastOffset + 1, epoch: batch.leaderEpoch }
}

/** What follows the last batch of a segment whose end is known. */
function endAt(baseOffset: number): Place {
  return { baseOffset, lastOffset: baseOffset, leaderEpoch: Number.MAX_SAFE_INTEGER }
}

function fits(batch: Place, after: { nextOffset: number; epoch: number }): boolean {
  const { baseOffset, lastOffset, leaderEpoch } = batch
  if (lastOffset < baseOffset || !Number.isSafeInteger(lastOffset)) return false
  return baseOffset >= after.nextOffset && leaderEpoch >= after.epoch
}
