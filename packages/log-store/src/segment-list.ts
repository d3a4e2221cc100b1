import type { Segment } from './segment.js'

/** Ordered, immutable list of segments: who holds one reads it undisturbed by roll and deletion. */
export class SegmentList {
  readonly all: readonly Segment[]

  constructor(segments: readonly Segment[]) {
    this.all = segments
  }

  get active(): Segment {
    return this.all[this.all.length - 1]!
  }

  get first(): Segment {
    return this.all[0]!
  }

  /** Index of the segment with the largest base offset <= `offset`, or -1. */
  floor(offset: number): number {
    let low = 0
    let high = this.all.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (this.all[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  /** Offset after the segment's last possible record: the next one's base, or `logEndOffset`. */
  endOffset(index: number, logEndOffset: number): number {
    return this.all[index + 1]?.baseOffset ?? logEndOffset
  }

  with(segment: Segment): SegmentList {
    return new SegmentList([...this.all, segment])
  }

  /** Without the first `count`. */
  dropFirst(count: number): SegmentList {
    return new SegmentList(this.all.slice(count))
  }

  /** Only the first `count`. */
  takeFirst(count: number): SegmentList {
    return new SegmentList(this.all.slice(0, count))
  }
}
