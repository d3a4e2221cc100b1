import { isOutOfHandles } from './errors.js'
import type { FileCache } from './file-cache.js'
import { type FileHandle, syncFile, writeFully } from './fs/file-system.js'
import { type IndexEntries, IndexMismatch } from './index-entries.js'
import { IndexFile, type IndexNames, type IndexSide } from './index-file.js'
import { decodeOffsetIndex, OffsetIndex, offsetIndexEntryBytes } from './offset-index.js'
import { decodeTimeIndex, TimeIndex, timeIndexEntryBytes } from './time-index.js'

/** Both indexes of a segment. */
export interface SegmentIndexes {
  readonly offsets: OffsetIndex
  readonly times: TimeIndex
}

/** How far both indexes go: what appending to them needs. */
export interface IndexFacts {
  readonly offsets: {
    readonly count: number
    readonly lastRelativeOffset: number
    readonly lastPosition: number
  }
  readonly times: {
    readonly count: number
    readonly lastTimestamp: number
    readonly lastRelativeOffset: number
  }
}

/** Entries of an active segment in memory before they go to its file. */
const spillEntries = 2048

const sides: readonly IndexSide[] = ['offsets', 'times']

/** The index files of one segment, and what of them is in memory. */
export class IndexPair {
  /** The files are not, or not durably, what they should be. */
  dirty = false
  offsets: OffsetIndex | undefined
  times: TimeIndex | undefined
  readonly #files: FileCache
  readonly #names: IndexNames
  #offsetFile: IndexFile | undefined
  #timeFile: IndexFile | undefined
  /** What the files hold must not be loaded. */
  #unusable = false

  constructor(files: FileCache, names: IndexNames) {
    this.#files = files
    this.#names = names
  }

  get both(): SegmentIndexes | undefined {
    const { offsets, times } = this
    return offsets === undefined || times === undefined ? undefined : { offsets, times }
  }

  /** Undefined unless both are loaded. */
  facts(): IndexFacts | undefined {
    const { offsets, times } = this
    if (offsets === undefined || times === undefined) return undefined
    return {
      offsets: {
        count: offsets.count,
        lastRelativeOffset: offsets.lastRelativeOffset,
        lastPosition: offsets.lastPosition,
      },
      times: {
        count: times.count,
        lastTimestamp: times.lastTimestamp,
        lastRelativeOffset: times.lastRelativeOffset,
      },
    }
  }

  /** Takes the word of somebody who knew the files: they are not looked at. */
  resume({ offsets, times }: IndexFacts): void {
    const { count } = offsets
    const last = { relativeOffset: offsets.lastRelativeOffset, position: offsets.lastPosition }
    const lastTime = { timestamp: times.lastTimestamp, relativeOffset: times.lastRelativeOffset }
    this.offsets = new OffsetIndex(
      count === 0 ? undefined : { source: this.#source('offsets'), count, last },
    )
    this.times = new TimeIndex(
      times.count === 0
        ? undefined
        : { source: this.#source('times'), count: times.count, last: lastTime },
    )
  }

  /** Empty ones, for a new segment. */
  create(): void {
    this.set({ offsets: new OffsetIndex(), times: new TimeIndex() })
  }

  set(indexes: SegmentIndexes): void {
    this.offsets = indexes.offsets
    this.times = indexes.times
    this.#unusable = false
    this.dirty = true
  }

  /** False: missing, shortened or impossible. */
  load(sizeBytes: number): boolean {
    return this.loadOffsets(sizeBytes) && this.loadTimes() !== undefined
  }

  loadOffsets(sizeBytes: number): boolean {
    if (this.offsets !== undefined) return true
    const source = this.#source('offsets')
    const size = this.#sizeOf(source, offsetIndexEntryBytes)
    if (size === undefined) return false
    const count = size / offsetIndexEntryBytes
    let index: OffsetIndex | undefined = new OffsetIndex({ source, count })
    const padded = index.lastRelativeOffset === 0 && index.lastPosition === 0
    if (padded) index = decodeOffsetIndex(source.read(0, size), sizeBytes)
    if (index === undefined || index.lastPosition >= sizeBytes) return false
    this.offsets = index
    return true
  }

  loadTimes(): TimeIndex | undefined {
    if (this.times !== undefined) return this.times
    const source = this.#source('times')
    const size = this.#sizeOf(source, timeIndexEntryBytes)
    if (size === undefined) return undefined
    let index: TimeIndex | undefined = new TimeIndex({ source, count: size / timeIndexEntryBytes })
    const padded = index.count > 1 && index.lastTimestamp === 0 && index.lastRelativeOffset === 0
    if (padded) index = decodeTimeIndex(source.read(0, size))
    if (index === undefined || !Number.isSafeInteger(index.lastTimestamp)) return undefined
    this.times = index
    return index
  }

  #sizeOf(source: IndexFile, entryBytes: number): number | undefined {
    const size = this.#unusable ? undefined : source.size()
    return size === undefined || size % entryBytes !== 0 ? undefined : size
  }

  /** Drops what points at `position`, or `relativeOffset`, or beyond. Both must be loaded. */
  truncate(position: number, relativeOffset: number): void {
    this.dirty = true
    try {
      this.offsets!.truncateToPosition(position)
      this.times!.truncateToOffset(relativeOffset)
    } catch (error) {
      // Without a handle for them, too, they are rebuilt: the data are being cut already.
      if (!(error instanceof IndexMismatch) && !isOutOfHandles(error)) throw error
      this.#unusable = true
      this.offsets = undefined
      this.times = undefined
    }
  }

  /** What is in memory turned out wrong. */
  forget(): void {
    this.offsets = undefined
    this.times = undefined
    this.dirty = false
  }

  /** Closes the files and lets go of memory; of what is not in the files only if `everything`. */
  release(everything: boolean): void {
    this.#offsetFile?.close()
    this.#timeFile?.close()
    this.offsets?.forgetKept()
    this.times?.forgetKept()
    if (!everything || this.dirty) return
    this.offsets = undefined
    this.times = undefined
  }

  /** Gives many new entries to the page cache, so that memory stays small. */
  limitMemory(): void {
    if ((this.offsets?.pending ?? 0) >= spillEntries) this.spill(spillEntries)
  }

  /** Gives new entries to the page cache; those that cannot be written stay in memory. */
  spill(atLeast = 1): void {
    try {
      for (const side of sides) {
        const entries = this[side]
        if (entries === undefined || entries.pending < atLeast) continue
        const handle = this.#files.fileSystem.open(this.#names.indexPath(side), 'write')
        try {
          this.#write(handle, entries)
        } finally {
          handle.close()
        }
        entries.noteStored(entries.count, this.#source(side))
      }
    } catch {
      // Nothing depends on it yet: whoever makes the files durable writes the rest, and tells.
    }
  }

  /** Makes the files what memory says, and durable, after a sync of the directory. */
  async persist(): Promise<void> {
    const { both } = this
    if (!this.dirty || both === undefined) return
    this.dirty = false
    try {
      const counts = { offsets: both.offsets.count, times: both.times.count }
      for (const side of sides) await this.#persist(side, both[side])
      // Not before: what is in memory alone must not be lost with a file that has to go.
      for (const side of sides) {
        const count = Math.min(counts[side], both[side].count)
        if (count > both[side].stored) both[side].noteStored(count, this.#source(side))
      }
    } catch (error) {
      this.dirty = true
      throw error
    }
  }

  /** What is in memory alone stays; of the rest it is forgotten, too. */
  async removeFiles(): Promise<void> {
    if (sides.some((side) => (this[side]?.stored ?? 0) > 0)) this.forget()
    this.#offsetFile?.close()
    this.#timeFile?.close()
    for (const side of sides) await this.#files.fileSystem.remove(this.#names.indexPath(side))
  }

  async #persist(side: IndexSide, entries: IndexEntries): Promise<void> {
    const handle = this.#files.fileSystem.open(this.#names.indexPath(side), 'write')
    try {
      this.#write(handle, entries)
      handle.truncateSync(entries.count * entries.width)
      await syncFile(handle)
    } finally {
      handle.close()
    }
  }

  #write(handle: FileHandle, entries: IndexEntries): void {
    const { stored, width } = entries
    writeFully(handle, [entries.bytes(stored)], stored * width)
  }

  #source(side: IndexSide): IndexFile {
    if (side === 'offsets') {
      return (this.#offsetFile ??= new IndexFile(this.#files, this.#names, side))
    }
    return (this.#timeFile ??= new IndexFile(this.#files, this.#names, side))
  }
}
