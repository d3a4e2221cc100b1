import { Acknowledgements } from './acknowledgements.js'
import { admitBatches, AppendQueue } from './append-queue.js'
import { EpochFile } from './epoch-file.js'
import type { EpochIndex } from './epoch-index.js'
import { ioError, isOutOfSpace, outOfRange, StoreError } from './errors.js'
import type { Syncable, Writable } from './flush-scheduler.js'
import { HotTail } from './hot-tail.js'
import { LogFlush } from './log-flush.js'
import { Listeners } from './listeners.js'
import type { LogHost } from './log-host.js'
import { LogReadPath, type LogView } from './log-read-path.js'
import { countDeletable } from './log-retention.js'
import type {
  AppendInfo,
  Log,
  LogSlice,
  LogStats,
  ReadRequest,
  Rollback,
  TimestampOffset,
} from './log.js'
import { resolveLogOptions, type LogOptions } from './options.js'
import { mustRoll, type NextAppend } from './roll-policy.js'
import { closeSegments, createSegment, SegmentRemover } from './segment-files.js'
import { findLargestTimestamp, locateOffset } from './segment-repair.js'
import { SegmentList } from './segment-list.js'
import type { Segment } from './segment.js'
import { TimestampSearch } from './timestamp-search.js'

/** What opening found, or made. The active segment's indexes are loaded. */
export interface LogState {
  readonly name: string
  readonly path: string
  readonly options: LogOptions
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly recoveryPoint: number
  readonly epochs: EpochIndex
  /** The epoch checkpoint says the same as `epochs`. */
  readonly epochsSaved: boolean
}

/** The log over segments: order, offsets, roll, truncation. Durability is in `LogFlush`. */
export class SegmentedLog implements Log, LogView, Writable, Syncable {
  readonly name: string
  readonly path: string
  options: LogOptions
  segments: SegmentList
  logStartOffset: number
  logEndOffset: number
  writtenOffset: number
  truncations = 0
  readonly epochs: EpochIndex
  readonly #host: LogHost
  readonly #queue = new AppendQueue()
  readonly #acknowledgements: Acknowledgements
  readonly #flush: LogFlush
  readonly #tail: HotTail
  readonly #reads: LogReadPath
  readonly #search: TimestampSearch
  readonly #remover: SegmentRemover
  readonly #rollbacks = new Listeners<Rollback>()
  readonly #poisonings = new Listeners<StoreError>()
  /** Why appends are refused: closed, poisoned, or being truncated. */
  #refusal: StoreError | undefined
  #closed = false
  /** Deletions of old segments that are under way. */
  #discards = 0
  readonly #epochFile: EpochFile
  #writeFailure: StoreError | undefined
  #writes = 0
  #writtenBytes = 0

  constructor(host: LogHost, state: LogState) {
    this.#host = host
    this.name = state.name
    this.path = state.path
    this.options = state.options
    this.segments = state.segments
    this.logStartOffset = state.logStartOffset
    this.logEndOffset = state.logEndOffset
    this.writtenOffset = state.logEndOffset
    this.epochs = state.epochs
    this.#epochFile = new EpochFile(host.fileSystem, state.path, {
      epochs: state.epochs,
      current: state.epochsSaved,
    })
    this.#flush = new LogFlush(host, this, state.recoveryPoint)
    this.#acknowledgements = new Acknowledgements(this.#acknowledgeable())
    this.#tail = new HotTail(host.tails)
    this.#reads = new LogReadPath(host, this, this.#tail)
    this.#search = new TimestampSearch(host, this, this.#reads)
    this.#remover = new SegmentRemover(host, state.path)
  }

  get recoveryPoint(): number {
    return this.#flush.recoveryPoint
  }

  get acknowledgedOffset(): number {
    return this.#acknowledgements.offset
  }

  get latestEpoch(): number | undefined {
    return this.epochs.latestEpoch
  }

  /** Base offset of the first segment that a crash now could bring back. */
  get firstOffset(): number {
    return this.#discards > 0 ? -1 : this.segments.first.baseOffset
  }

  get indexIntervalBytes(): number {
    return this.options.indexIntervalBytes
  }

  get needsSync(): boolean {
    return this.#flush.needsSync
  }

  append(batches: Uint8Array, options: { readonly leaderEpoch: number }): AppendInfo {
    return this.#enqueue(batches, options.leaderEpoch)
  }

  appendReplicated(batches: Uint8Array): AppendInfo {
    return this.#enqueue(batches, undefined)
  }

  flushNow(): void {
    const queue = this.#queue
    if (queue.isEmpty) return
    const segment = this.segments.active
    const { chunks, batches, records } = queue
    let position = -1
    try {
      position = segment.sizeBytes
      this.#writtenBytes += segment.write(chunks)
    } catch (error) {
      this.#writeFailed(error, { segment, position })
      return
    }
    this.#writes++
    segment.touchedMs = this.#host.clock.monotonicMs()
    const startOffset = this.writtenOffset
    queue.clear()
    segment.noteBatches(batches, position, this.options.indexIntervalBytes)
    this.#tail.append(chunks, batches, startOffset)
    this.writtenOffset = batches[batches.length - 1]!.lastOffset + 1
    this.#flush.noteWritten(records)
    this.#acknowledge()
  }

  whenAcknowledged(offset: number, signal?: AbortSignal): Promise<void> {
    return this.#acknowledgements.wait(offset, signal)
  }

  onAcknowledged(listener: (acknowledgedOffset: number) => void): () => void {
    return this.#acknowledgements.listen(listener)
  }

  onRollback(listener: (rollback: Rollback) => void): () => void {
    return this.#rollbacks.add(listener)
  }

  onPoisoned(listener: (error: StoreError) => void): () => void {
    return this.#poisonings.add(listener)
  }

  readNow(request: ReadRequest): LogSlice | undefined {
    this.#requireOpen()
    return this.#reads.readNow(request)
  }

  async read(request: ReadRequest): Promise<LogSlice> {
    this.#requireOpen()
    return this.#reads.read(request)
  }

  async offsetForTimestamp(
    timestampMs: number,
    maxOffset?: number,
  ): Promise<TimestampOffset | undefined> {
    this.#requireOpen()
    const limit = Math.min(maxOffset ?? this.writtenOffset, this.writtenOffset)
    return this.#search.first(timestampMs, limit)
  }

  async maxTimestampOffset(): Promise<TimestampOffset | undefined> {
    this.#requireOpen()
    return this.#search.largest()
  }

  epochEnd(epoch: number): { leaderEpoch: number; endOffset: number } {
    return this.epochs.endOf(epoch, this.logEndOffset)
  }

  epochAt(offset: number): number | undefined {
    return this.epochs.at(offset)
  }

  assignEpoch(leaderEpoch: number): void {
    this.#requireWritable()
    this.epochs.assign(leaderEpoch, this.logEndOffset)
  }

  async advanceLogStart(offset: number): Promise<void> {
    this.#requireOpen()
    if (!(offset <= this.writtenOffset)) {
      throw outOfRange(offset, this.logStartOffset, this.writtenOffset)
    }
    if (offset <= this.logStartOffset) return
    this.logStartOffset = offset
    this.epochs.truncateFromStart(offset)
    await this.#host.checkpoint()
    await this.deleteSegments(this.segments.floor(offset))
  }

  roll(): void {
    this.#requireWritable()
    this.flushNow()
    if (this.segments.active.sizeBytes > 0) this.#roll()
  }

  configure(options: Partial<LogOptions>): void {
    this.options = resolveLogOptions(this.options, options)
    this.#flush.wake()
    this.#acknowledge()
  }

  async flush(): Promise<void> {
    this.#requireOpen()
    this.flushNow()
    await this.#flush.through(this.writtenOffset)
  }

  stats(): LogStats {
    const { all } = this.segments
    const { hotReads, fileReads, coldReads } = this.#reads
    return {
      segments: all.length,
      sizeInBytes: all.reduce((sum, segment) => sum + segment.sizeBytes, 0),
      queuedBytes: this.#queue.bytes,
      writes: this.#writes,
      writtenBytes: this.#writtenBytes,
      syncs: this.#flush.syncs,
      hotReads,
      fileReads,
      coldReads,
    }
  }

  startSync(done: () => void): void {
    this.#flush.startSync(() => {
      this.#acknowledge()
      done()
    })
  }

  /** Deletes the oldest `count` segments, never the active one. Returns the bytes to be freed. */
  async deleteSegments(count: number): Promise<number> {
    const gone = this.segments.all.slice(
      0,
      Math.max(0, Math.min(count, this.segments.all.length - 1)),
    )
    if (gone.length === 0) return 0
    let bytes = 0
    for (const segment of gone) bytes += segment.sizeBytes
    this.segments = this.segments.dropFirst(gone.length)
    this.logStartOffset = Math.max(this.logStartOffset, this.segments.first.baseOffset)
    this.epochs.truncateFromStart(this.logStartOffset)
    this.#discards++
    try {
      // A crash may undo only some renames; the checkpointed log start hides the hole. A disk too
      // full for the checkpoint is no reason to keep what fills it.
      await this.#host.checkpoint().catch(() => undefined)
      await this.#remover.discard(gone, this.options.fileDeleteDelayMs)
    } finally {
      this.#discards--
    }
    return bytes
  }

  /** Deletes what is too old or too much, for the directory. `nowMs` undefined: leave age out. */
  async applyRetention(nowMs: number | undefined): Promise<{ segments: number; bytes: number }> {
    if (this.#refusal !== undefined || this.#closed) return { segments: 0, bytes: 0 }
    const count = await countDeletable(this.#host, this, nowMs)
    // Kafka does the same when everything has expired: a fresh segment takes over, so that the
    // active
    // one is never deleted.
    if (count === this.segments.all.length && this.segments.active.sizeBytes > 0) this.roll()
    const segments = Math.min(count, this.segments.all.length - 1)
    return { segments, bytes: await this.deleteSegments(segments) }
  }

  async truncateTo(offset: number): Promise<void> {
    this.#requireWritable()
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `cannot truncate to ${offset}`)
    }
    if (offset >= this.logEndOffset) return
    this.flushNow()
    this.#refusal = new StoreError('KFK_STORE_IO', `log ${this.name} is being truncated`, {
      retriable: true,
    })
    try {
      await this.#flush.through(this.writtenOffset)
      await this.#truncate(offset)
    } finally {
      if (this.#refusal.retriable) this.#refusal = undefined
    }
    await this.flush()
    await this.#host.checkpoint()
  }

  /** Durable when it resolves. */
  saveEpochs(): Promise<void> {
    return this.#epochFile.save()
  }

  /** The disk failed. Reads go on; appends and acknowledgements do not. */
  poison(error: StoreError): void {
    if (this.#refusal?.retriable === false) return
    this.#refusal = error
    this.#queue.clear()
    this.logEndOffset = this.writtenOffset
    this.#flush.fail(error)
    this.#acknowledgements.fail(error)
    this.#poisonings.tell(error)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.flushNow()
    this.#closed = true
    try {
      if (this.#refusal?.retriable !== false) await this.#persistAll()
    } finally {
      await this.#end(`log ${this.name} is closed`)
    }
  }

  /** Closes without caring for what is not on the medium: the log is about to be deleted. */
  abandon(): Promise<void> {
    this.#closed = true
    return this.#end(`log ${this.name} was deleted`)
  }

  async #end(reason: string): Promise<void> {
    const error = new StoreError('KFK_STORE_CLOSED', reason)
    this.#refusal ??= error
    this.#queue.clear()
    this.#flush.fail(error)
    this.#acknowledgements.fail(error)
    this.#tail.clear()
    await this.#remover.finish()
    closeSegments(this.#host.files, this.segments.all)
  }

  /** Resolves when no read or sync holds a file of this log any more. */
  async whenReadersAreGone(): Promise<void> {
    for (const { data } of this.segments.all) {
      await new Promise<void>((resolve) => this.#host.files.whenUnpinned(data, resolve))
    }
  }

  async #persistAll(): Promise<void> {
    this.#flush.request()
    await this.#flush.through(this.writtenOffset)
    const { active } = this.segments
    // As Kafka does at close: the index then ends with the segment's largest timestamp.
    active.seal()
    for (const segment of this.segments.all) await segment.persistIndexes()
    await this.saveEpochs()
    await this.#host.fileSystem.syncDirectory(this.path)
  }

  #enqueue(bytes: Uint8Array, leaderEpoch: number | undefined): AppendInfo {
    this.#requireWritable()
    const batches = admitBatches(this.#host.format, bytes, {
      nextOffset: this.logEndOffset,
      limits: this.options,
      leaderEpoch,
    })
    const { lastOffset } = batches[batches.length - 1]!
    let maxTimestamp = -1
    for (const batch of batches) maxTimestamp = Math.max(maxTimestamp, batch.maxTimestamp)
    this.#makeRoom({ sizeInBytes: bytes.length, lastOffset, maxTimestamp })
    for (const batch of batches) this.epochs.assign(batch.leaderEpoch, batch.baseOffset)
    if (this.#queue.isEmpty) this.#host.writes.request(this)
    this.#queue.add(bytes, batches)
    this.logEndOffset = lastOffset + 1
    return {
      baseOffset: batches[0]!.baseOffset,
      lastOffset,
      maxTimestamp,
      sizeInBytes: bytes.length,
    }
  }

  #makeRoom(next: NextAppend): void {
    const queue = this.#queue
    if (queue.bytes + next.sizeInBytes > this.options.maxQueuedBytes) this.#drain()
    const full = mustRoll(this.segments.active, next, {
      options: this.options,
      nowMs: this.#host.clock.now(),
      queuedBytes: queue.bytes,
      queuedTimestamp: queue.batches[0]?.maxTimestamp ?? -1,
    })
    if (!full) return
    this.#drain()
    this.#roll()
  }

  /** Writes the queue now; throws if it cannot, for what comes next has no offsets then. */
  #drain(): void {
    const expected = this.logEndOffset
    this.flushNow()
    const failure = this.#refusal ?? this.#writeFailure
    if (failure !== undefined && this.writtenOffset !== expected) throw failure
  }

  #roll(): void {
    const old = this.segments.active
    const segment = createSegment(this.#host, this.path, this.logEndOffset)
    old.seal()
    this.segments = this.segments.with(segment)
    this.#flush.noteRolled(old)
  }

  #writeFailed(error: unknown, at: { segment: Segment; position: number }): void {
    const failure = ioError(error, { action: 'append to', path: at.segment.path })
    this.#writeFailure = failure
    if (!failure.retriable) {
      this.#host.poison(failure)
      return
    }
    try {
      // Without a position the file could not even be opened, and nothing was written.
      if (at.position >= 0 && isOutOfSpace(error)) at.segment.cutBack(at.position)
    } catch (cutError) {
      this.#host.poison(ioError(cutError, { action: 'cut', path: at.segment.path }))
      return
    }
    this.#queue.clear()
    this.logEndOffset = this.writtenOffset
    this.epochs.truncateFromEnd(this.writtenOffset)
    this.#acknowledgements.rollBack(this.writtenOffset, failure)
    this.#rollbacks.tell({ endOffset: this.writtenOffset, error: failure })
  }

  async #truncate(offset: number): Promise<void> {
    const { segments } = this
    const keep = segments.floor(offset) + 1
    const target = segments.all[keep - 1]
    const gone = segments.all.slice(keep)
    const cut =
      target === undefined
        ? { offset, position: 0 }
        : await locateOffset(this.#host, target, { offset, reads: this.#reads })
    // Before the cut, so that a crash cannot leave a recovery point beyond the end.
    this.#flush.moveBack(cut.offset, gone)
    await this.#host.checkpoint()
    this.truncations++
    this.writtenOffset = cut.offset
    this.logEndOffset = cut.offset
    this.logStartOffset = Math.min(this.logStartOffset, cut.offset)
    this.#acknowledgements.reset(this.#acknowledgeable())
    this.#tail.clear()
    this.#reads.forgetPlaces()
    this.epochs.truncateFromEnd(cut.offset)
    const active = target ?? createSegment(this.#host, this.path, offset)
    this.segments = new SegmentList([...segments.all.slice(0, keep), ...(target ? [] : [active])])
    active.unseal()
    if (target !== undefined) target.truncate(cut.position, cut.offset)
    // Newest first: a crash in between leaves no gap.
    await this.#remover.discard([...gone].reverse(), this.options.fileDeleteDelayMs)
    await findLargestTimestamp(this.#host, active, this.options.indexIntervalBytes)
  }

  #acknowledgeable(): number {
    return this.options.flushMessages === 1 ? this.recoveryPoint : this.writtenOffset
  }

  #acknowledge(): void {
    this.#acknowledgements.advance(this.#acknowledgeable())
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreError('KFK_STORE_CLOSED', `log ${this.name} is closed`)
  }

  #requireWritable(): void {
    this.#requireOpen()
    if (this.#refusal !== undefined) throw this.#refusal
  }
}
