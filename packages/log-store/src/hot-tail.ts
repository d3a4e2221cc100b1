import type { BatchSummary } from './batch-format.js'

// Recently appended bytes in memory, so that a reader at the tail needs no system call. Filling it
// costs a copy of every append, so a log only does it while somebody reads its tail: a read at the
// end
// grants credit for the next appended bytes.

const blockBytes = 128 * 1024
const smallestBlockBytes = 8 * 1024
/** Appends that are remembered after the last read at the tail. */
const creditBytes = 2 * 1024 ** 2

/** Some consecutive batches. Never reused, so a reader may keep views on it. */
class TailBlock {
  readonly bytes: Uint8Array
  usedBytes = 0
  readonly startOffset: number
  readonly lastOffsets: number[] = []
  readonly ends: number[] = []

  constructor(startOffset: number, capacity: number) {
    this.startOffset = startOffset
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  get endOffset(): number {
    return this.lastOffsets.length === 0 ? this.startOffset : this.lastOffsets.at(-1)! + 1
  }

  /** Index of the first batch whose last offset is >= `offset`. */
  find(offset: number): number {
    let low = 0
    let high = this.lastOffsets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.lastOffsets[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Bound on the memory of all tails of a directory. */
export class TailBudget {
  readonly #maxBytes: number
  #usedBytes = 0
  // Insertion order is order of use.
  readonly #tails = new Set<HotTail>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get enabled(): boolean {
    return this.#maxBytes > 0
  }

  /** So small that the newest block is never what has to go to make room for it. */
  get maxBlockBytes(): number {
    return this.#maxBytes / 4
  }

  touch(tail: HotTail): void {
    this.#tails.delete(tail)
    this.#tails.add(tail)
  }

  add(bytes: number): void {
    this.#usedBytes += bytes
    for (const tail of this.#tails) {
      while (this.#usedBytes > this.#maxBytes && tail.dropOldest()) continue
      if (this.#usedBytes <= this.#maxBytes) return
    }
  }

  remove(bytes: number): void {
    this.#usedBytes -= bytes
  }

  forget(tail: HotTail): void {
    this.#tails.delete(tail)
  }
}

/** Never added to. */
const noBlocks: TailBlock[] = []

/** The hot tail of one log. */
export class HotTail {
  readonly #budget: TailBudget
  #blocks = noBlocks
  #credit = 0

  constructor(budget: TailBudget) {
    this.#budget = budget
  }

  /** Somebody reads at the end of the log: remember what comes next. */
  grant(): void {
    if (!this.#budget.enabled) return
    this.#credit = creditBytes
    this.#budget.touch(this)
  }

  /**
   * Called after the write of `chunks`, which hold the batches of `spans`, from `startOffset` on.
   */
  append(chunks: readonly Uint8Array[], spans: readonly BatchSummary[], startOffset: number): void {
    if (this.#credit <= 0) {
      if (this.#blocks.length > 0) this.clear()
      return
    }
    let span = 0
    for (const chunk of chunks) {
      this.#credit -= chunk.length
      const first = span
      let bytes = 0
      while (bytes < chunk.length) bytes += spans[span++]!.sizeInBytes
      const firstOffset = first === 0 ? startOffset : spans[first - 1]!.lastOffset + 1
      if (chunk.length > this.#budget.maxBlockBytes) {
        this.#dropAll()
        continue
      }
      const block = this.#room(chunk.length, firstOffset)
      block.bytes.set(chunk, block.usedBytes)
      for (let at = first; at < span; at++) {
        block.usedBytes += spans[at]!.sizeInBytes
        block.lastOffsets.push(spans[at]!.lastOffset)
        block.ends.push(block.usedBytes)
      }
    }
  }

  /** Undefined when `from` is not in memory. Reads within one block. */
  read(request: {
    from: number
    maxBytes: number
    limitOffset: number
    minOneBatch: boolean
  }): { bytes: Uint8Array; nextOffset: number; more: boolean } | undefined {
    const { from, maxBytes, limitOffset } = request
    const at = this.#blockOf(from)
    if (at === -1) return undefined
    const block = this.#blocks[at]!
    const first = block.find(from)
    const start = first === 0 ? 0 : block.ends[first - 1]!
    let end = start
    let batch = first
    for (; batch < block.ends.length; batch++) {
      if (block.lastOffsets[batch]! >= limitOffset) break
      const fits = block.ends[batch]! - start <= maxBytes
      if (!fits && !(request.minOneBatch && batch === first)) break
      end = block.ends[batch]!
      if (!fits) {
        batch++
        break
      }
    }
    this.#credit = creditBytes
    this.#budget.touch(this)
    return {
      bytes: block.bytes.subarray(start, end),
      nextOffset: batch === first ? from : block.lastOffsets[batch - 1]! + 1,
      more: batch === block.ends.length && at + 1 < this.#blocks.length,
    }
  }

  dropOldest(): boolean {
    const block = this.#blocks.shift()
    if (block === undefined) return false
    if (this.#blocks.length === 0) this.#blocks = noBlocks
    this.#budget.remove(block.bytes.length)
    return true
  }

  /** What lies there is not what the file holds any more. */
  dropBelow(offset: number): void {
    while (this.#blocks.length > 0 && this.#blocks[0]!.startOffset < offset) this.dropOldest()
  }

  clear(): void {
    this.#dropAll()
    this.#credit = 0
    this.#budget.forget(this)
  }

  #dropAll(): void {
    while (this.dropOldest()) continue
  }

  #blockOf(offset: number): number {
    for (let at = this.#blocks.length - 1; at >= 0; at--) {
      const block = this.#blocks[at]!
      if (offset >= block.startOffset) return offset < block.endOffset ? at : -1
    }
    return -1
  }

  #room(bytes: number, startOffset: number): TailBlock {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.bytes.length - last.usedBytes >= bytes) return last
    const grown = last === undefined ? smallestBlockBytes : last.bytes.length * 2
    const capacity = Math.max(bytes, Math.min(blockBytes, grown, this.#budget.maxBlockBytes))
    const block = new TailBlock(startOffset, capacity)
    if (this.#blocks === noBlocks) this.#blocks = []
    this.#blocks.push(block)
    this.#budget.touch(this)
    this.#budget.add(capacity)
    return block
  }
}
