import { join } from 'node:path'
import type { BatchSummary } from './batch-format.js'
import { CachedFile, type FileCache, type FileOwner } from './file-cache.js'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import { writeFully } from './fs/file-system.js'
import { IndexMismatch } from './index-entries.js'
import type { IndexNames, IndexSide } from './index-file.js'
import { offsetIndexEntryBytes } from './offset-index.js'
import { ReadPlaces } from './read-places.js'
import type { SegmentDamage } from './segment-damage.js'
import { type IndexFacts, IndexPair, type SegmentIndexes } from './segment-indexes.js'
import { type TimeIndex, timeIndexEntryBytes } from './time-index.js'
import { Warmth } from './warmth.js'

/** Largest timestamp of a segment and the last offset of the first batch that has it. */
export interface LargestTimestamp {
  readonly timestamp: number
  readonly offset: number
}

/** What is known of a sealed segment without touching its files. */
export interface SealedFacts {
  readonly baseOffset: number
  readonly sizeBytes: number
  /** Undefined: nobody has looked yet. */
  readonly largest: LargestTimestamp | undefined
}

/** What appending to a segment goes on from. */
export interface AppendFacts extends SealedFacts {
  /** Timestamp of the first batch. */
  readonly firstTimestamp: number | undefined
  readonly bytesSinceIndexEntry: number
  readonly indexes: IndexFacts
}

/** What recovery would have to scan for want of them counts less than their writes. */
const tailEntries = 64
/** int32: what index entries can express. */
export const maxRelativeOffset = 2 ** 31 - 1

/**
 * One base offset: the data file and its indexes. Knows bytes and index entries, nothing of
 * durability, order between segments or repair. Files are opened when they are needed.
 */
export class Segment implements FileOwner, IndexNames {
  readonly directory: string
  readonly baseOffset: number
  readonly data: CachedFile
  readonly #files: FileCache
  #sizeBytes: number | undefined
  readonly #indexes: IndexPair
  #bytesSinceIndexEntry = 0
  #largest: LargestTimestamp | undefined
  /** Timestamp of the first batch, which rolling by time counts from. */
  #firstTimestamp: number | undefined
  /** Wall clock at creation, for rolling by time while there is no timestamp. */
  readonly createdMs: number
  /** Reads serve nothing from there on. */
  damage: SegmentDamage | undefined
  /** No more appends: the next segment has begun. */
  #sealed = false
  /** Ends the name of the data file while the segment comes or goes. */
  #dataEnding = ''
  /** Ends the names of the index files while, or after, the segment leaves its log. */
  #retiredAs: string | undefined
  #warmth: Warmth | undefined
  #places: ReadPlaces | undefined

  constructor(
    files: FileCache,
    place: {
      readonly directory: string
      readonly baseOffset: number
      readonly createdMs: number
      readonly sizeBytes?: number | undefined
    },
  ) {
    this.#files = files
    this.directory = place.directory
    this.baseOffset = place.baseOffset
    this.createdMs = place.createdMs
    this.#sizeBytes = place.sizeBytes
    this.data = new CachedFile(this, 'update')
    this.#indexes = new IndexPair(files, this)
  }

  /** The active segment of a log that was closed cleanly: no file is looked at. */
  static resume(
    files: FileCache,
    place: { readonly directory: string; readonly createdMs: number },
    facts: AppendFacts,
  ): Segment {
    const { baseOffset, sizeBytes, indexes } = facts
    const segment = new Segment(files, { ...place, baseOffset, sizeBytes })
    segment.#largest = facts.largest
    segment.#firstTimestamp = facts.firstTimestamp
    segment.#bytesSinceIndexEntry = facts.bytesSinceIndexEntry
    segment.#indexes.resume(indexes)
    return segment
  }

  /** Undefined when something of it has not been looked at yet. */
  appendFacts(): AppendFacts | undefined {
    const indexes = this.#indexes.facts()
    if (indexes === undefined || this.damage !== undefined) return undefined
    const { baseOffset, sizeBytes, largest, firstTimestamp } = this
    const bytesSinceIndexEntry = this.#bytesSinceIndexEntry
    return { baseOffset, sizeBytes, largest, firstTimestamp, bytesSinceIndexEntry, indexes }
  }

  /** The data file was closed to make room: other memory may go, too. */
  evicted(): void {
    if (!this.#sealed) this.#indexes.spill()
    // Whether the object of a sealed one lives on is a matter of who holds it: it must make no
    // difference.
    this.#warmth = undefined
    this.#places = undefined
  }

  /** The data file was closed. */
  closed(): void {
    this.#indexes.release(this.#sealed)
  }

  /** Another segment of the same directory, which is not the last one. */
  sealedSibling(facts: SealedFacts): Segment {
    const { baseOffset, sizeBytes, largest } = facts
    const { directory } = this
    const sibling = new Segment(this.#files, { directory, baseOffset, createdMs: 0, sizeBytes })
    sibling.#sealed = true
    sibling.#largest = largest
    return sibling
  }

  /** Parts of the file that are likely in the page cache. */
  get warmth(): Warmth {
    return (this.#warmth ??= new Warmth())
  }

  /** Where the batch with `offset` begins, if a reader has come up to there lately. */
  placeOf(offset: number): number | undefined {
    return this.#places?.positionOf(offset)
  }

  /** A reader will go on at `offset`, which is at `position`. */
  notePlace(offset: number, position: number): void {
    this.#places ??= new ReadPlaces()
    this.#places.note(offset, position)
  }

  get sealed(): boolean {
    return this.#sealed
  }

  /** Told at opening, for a segment that is not the last. */
  markSealed(): void {
    this.#sealed = true
  }

  /**
   * Another segment takes its place, and its names: it is read to the end by who still reads it,
   * but writes nothing any more. `suffix` ends its files' names from now on.
   */
  retire(suffix: string): void {
    this.#retiredAs = suffix
    this.releaseIndexes()
  }

  /** Another one has its place: see `retire`. */
  get retired(): boolean {
    return this.#retiredAs !== undefined
  }

  /** The indexes are in their files, and are looked for there when they are needed again. */
  releaseIndexes(): void {
    this.#indexes.release(true)
  }

  /** Somebody else wrote the index files as memory has them, and made them durable. */
  noteIndexesSaved(): void {
    this.#indexes.dirty = false
  }

  /** Truncation made it the last one again. */
  unseal(): void {
    this.#sealed = false
  }

  get path(): string {
    return this.#pathOf(segmentSuffixes.log) + this.#dataEnding
  }

  indexPath(side: IndexSide): string {
    const suffix = side === 'offsets' ? segmentSuffixes.offsetIndex : segmentSuffixes.timeIndex
    return this.#pathOf(suffix) + (this.#retiredAs ?? '')
  }

  /** Somebody has put the data file under its name with this ending. */
  renamed(ending: string): void {
    this.#dataEnding = ending
  }

  /** Bytes of batches in the data file. */
  get sizeBytes(): number {
    this.#sizeBytes ??= this.#files.use(this.data).size()
    return this.#sizeBytes
  }

  /** Bytes before the damage, if there is any. */
  get readableBytes(): number {
    return this.damage === undefined ? this.sizeBytes : this.damage.position
  }

  /** A search by offset can go on at once. */
  get offsetsLoaded(): boolean {
    return this.#indexes.offsets !== undefined
  }

  /** Undefined until `loadIndexes` or `setIndexes`. */
  get indexes(): SegmentIndexes | undefined {
    return this.#indexes.both
  }

  /** The index files are not, or not durably, what they should be. */
  get indexesDirty(): boolean {
    return this.#indexes.dirty
  }

  get firstTimestamp(): number | undefined {
    return this.#firstTimestamp
  }

  setFirstTimestamp(timestampMs: number): void {
    this.#firstTimestamp = timestampMs
  }

  /** Creates the data file, empty. Throws the system's error; the name is not durable yet. */
  create(): void {
    const handle = this.#files.create(this.data)
    if (handle.size() > 0) handle.truncateSync(0)
    this.#sizeBytes = 0
    this.#indexes.create()
  }

  /**
   * Writes whole batches at the end of the data file; nothing is known of them until `noteBatches`.
   */
  write(chunks: readonly Uint8Array[]): number {
    const position = this.sizeBytes
    const written = writeFully(this.#files.use(this.data), chunks, position)
    this.#sizeBytes = position + written
    return written
  }

  /** Takes back a write that failed half way. */
  cutBack(sizeBytes: number): void {
    this.#files.use(this.data).truncateSync(sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  /** Index entries for batches that lie from `position` on, by Kafka's rule (LogSegment.append). */
  noteBatches(
    batches: readonly BatchSummary[],
    position: number,
    indexIntervalBytes: number,
  ): void {
    const indexes = this.#indexes
    let at = position
    for (const batch of batches) {
      this.#noteTimestamp(batch)
      if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
        indexes.offsets!.append(batch.lastOffset - this.baseOffset, at)
        this.#appendTimeEntry(indexes.times!)
        this.#bytesSinceIndexEntry = 0
        indexes.dirty = true
      }
      this.#bytesSinceIndexEntry += batch.sizeInBytes
      at += batch.sizeInBytes
    }
    indexes.limitMemory()
  }

  /** Index entries can express `offset`, which may be that of a batch here. */
  reaches(offset: number): boolean {
    return offset - this.baseOffset <= maxRelativeOffset
  }

  /** No entry fits into an index any more once `coming` batches have added one each. */
  indexIsFull(segmentIndexBytes: number, coming: number): boolean {
    const times = this.#indexes.times?.count ?? 0
    const offsets = this.#indexes.offsets?.count ?? 0
    // One time slot stays free for the entry that sealing adds.
    return (
      (times + coming + 2) * timeIndexEntryBytes > segmentIndexBytes ||
      (offsets + coming + 1) * offsetIndexEntryBytes > segmentIndexBytes
    )
  }

  /** Largest timestamp of all batches; undefined until found or noted. */
  get largest(): LargestTimestamp | undefined {
    return this.#largest
  }

  setLargest(largest: LargestTimestamp): void {
    this.#largest = largest
  }

  /** Takes it unless an append has noted one meanwhile; answers which holds. */
  settleLargest(largest: LargestTimestamp): LargestTimestamp {
    this.#largest ??= largest
    return this.#largest
  }

  /** What the last time index entry says; undefined as `loadIndexes` is false. */
  lastIndexedTimestamp(): LargestTimestamp | undefined {
    const times = this.#indexes.loadTimes()
    if (times === undefined) return undefined
    if (times.count === 0) return { timestamp: -1, offset: this.baseOffset }
    return { timestamp: times.lastTimestamp, offset: this.baseOffset + times.lastRelativeOffset }
  }

  /** No more appends. */
  seal(): void {
    this.#sealed = true
    this.endTimeIndex()
  }

  /** Adds the last time entry, so that the file ends with the segment's largest timestamp. */
  endTimeIndex(): void {
    const { times } = this.#indexes
    if (times === undefined || this.#largest === undefined) return
    const before = times.count
    this.#appendTimeEntry(times)
    if (times.count !== before) this.#indexes.dirty = true
  }

  /**
   * Position to scan from for `offset`: that of the index entry at or below it, else 0. The batch
   * there must end at `lastOffset`. Throws IndexMismatch, the system's error.
   */
  floorPosition(offset: number): { position: number; lastOffset: number | undefined } {
    if (!this.loadOffsets()) throw new IndexMismatch()
    const offsets = this.#indexes.offsets!
    const entry = offsets.floor(offset - this.baseOffset)
    if (entry === -1) return { position: 0, lastOffset: undefined }
    const position = offsets.positionAt(entry)
    const lastOffset = this.baseOffset + offsets.relativeOffsetAt(entry)
    const possible = position >= 0 && position < this.sizeBytes && lastOffset <= offset
    const { damage } = this
    // What lies before damage is not found behind it, where nothing is read that would show it.
    const behind = damage !== undefined && offset < damage.offset && position >= damage.position
    if (!possible || behind) throw new IndexMismatch()
    return { position, lastOffset }
  }

  /**
   * Makes both indexes ready; entries stay in the files. False: missing, shortened or impossible;
   * then they must be rebuilt. What they point at is compared with the data at every lookup.
   */
  loadIndexes(): boolean {
    return this.#indexes.load(this.sizeBytes)
  }

  /** The offset index alone. */
  loadOffsets(): boolean {
    return this.#indexes.loadOffsets(this.sizeBytes)
  }

  /**
   * The time index; undefined as `loadIndexes` is false. Opening its file may close the data file
   * and drop `indexes`: what is answered here stays good.
   */
  timeIndex(): TimeIndex | undefined {
    return this.#indexes.loadTimes()
  }

  /** What is in memory turned out wrong. */
  forgetIndexes(): void {
    this.#indexes.forget()
  }

  setIndexes(indexes: SegmentIndexes, bytesSinceIndexEntry: number): void {
    this.#indexes.set(indexes)
    this.#bytesSinceIndexEntry = bytesSinceIndexEntry
  }

  /**
   * Writes and syncs the index files if memory is ahead of them. Durable after a sync of the
   * directory.
   */
  async persistIndexes(): Promise<void> {
    if (this.#retiredAs === undefined) await this.#indexes.persist()
  }

  /**
   * Gives new entries to the page cache when it is worth it: after a crash of the process recovery
   * finds its place by them.
   */
  saveIndexTail(): void {
    this.#indexes.spill(tailEntries)
  }

  /** They will be rebuilt when needed. */
  removeIndexFiles(): Promise<void> {
    return this.#indexes.removeFiles()
  }

  /** Recovery cut the file; the indexes cover the rest already. */
  noteCut(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes
  }

  /**
   * Cuts data and indexes at a batch boundary, in memory: nothing behind it is read from here on,
   * whether the file is cut or not. The indexes must be loaded.
   */
  truncate(position: number, endOffset: number): void {
    this.#sizeBytes = position
    this.#warmth?.cut(position)
    this.#places = undefined
    this.#indexes.truncate(position, endOffset - this.baseOffset)
    this.#largest = undefined
    this.#bytesSinceIndexEntry = 0
    if (position === 0) this.#firstTimestamp = undefined
    if (position <= (this.damage?.position ?? 0)) this.damage = undefined
  }

  /** Cuts the file, which `truncate` does not. Not durable. */
  cutFile(position: number): void {
    this.#files.use(this.data).truncateSync(position)
  }

  #pathOf(suffix: string): string {
    return join(this.directory, segmentFileName(this.baseOffset, suffix))
  }

  #noteTimestamp(batch: BatchSummary): void {
    this.#firstTimestamp ??= batch.maxTimestamp
    if (batch.maxTimestamp > (this.#largest?.timestamp ?? -1)) {
      this.#largest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset }
    }
  }

  #appendTimeEntry(times: TimeIndex): void {
    if (this.#largest === undefined) return
    times.maybeAppend(this.#largest.timestamp, this.#largest.offset - this.baseOffset)
  }
}
