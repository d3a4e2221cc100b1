import { Acknowledgements } from './acknowledgements.js'
import { type AppendedLog, AppendPath } from './append-path.js'
import type { CompactionReport } from './compaction.js'
import { EpochFile } from './epoch-file.js'
import type { EpochIndex } from './epoch-index.js'
import { explained, outOfRange, StoreError } from './errors.js'
import type { Syncable, SyncState } from './flush-scheduler.js'
import { HotTail } from './hot-tail.js'
import { LogEnds } from './log-ends.js'
import { LogFlush } from './log-flush.js'
import { Listeners } from './listeners.js'
import type { CompactionRequest } from './log-compaction.js'
import { describeLog, type LogDates, UnchangedLog } from './listed-log.js'
import type { LogHost } from './log-host.js'
import type { ListedLog } from './log-list.js'
import { LogReadPath, type LogView } from './log-read-path.js'
import { LogStructure, type StructuredLog } from './log-structure.js'
import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import type { LogState } from './log-state.js'
import type { LogTracking } from './log-tracking.js'
import type {
  AppendInfo,
  Log,
  LogDamage,
  LogSlice,
  LogStats,
  ReadRequest,
  Rollback,
  TimestampOffset,
} from './log.js'
import { gapsEverywhere, type OffsetGaps } from './offset-gaps.js'
import { resolveLogOptions, type LogOptions } from './options.js'
import { Quarantine } from './quarantine.js'
import { closeSegments } from './segment-files.js'
import type { SegmentList } from './segment-list.js'
import { TimestampSearch } from './timestamp-search.js'

/** The log over segments: order, offsets, roll, truncation. Durability is in `LogFlush`. */
export class SegmentedLog implements Log, LogView, AppendedLog, StructuredLog, Syncable {
  readonly name: string
  readonly path: string
  options: LogOptions
  segments: SegmentList
  logStartOffset: number
  logEndOffset: number
  writtenOffset: number
  truncations = 0
  awaitsWrite = false
  syncState: SyncState = 'idle'
  readonly epochs: EpochIndex
  readonly offsetGaps: OffsetGaps
  readonly tracking: LogTracking | undefined
  readonly #host: LogHost
  readonly #appends: AppendPath
  readonly #acknowledgements: Acknowledgements
  readonly #flush: LogFlush
  readonly #tail: HotTail
  readonly #reads: LogReadPath
  /** Made by the first search. */
  #timestamps: TimestampSearch | undefined
  readonly #structure: LogStructure
  /** Made when one of them is moved. */
  #movedEnds: LogEnds | undefined
  #poisonings: Listeners<StoreError> | undefined
  /** Why appends are refused: closed, poisoned, or being truncated. */
  refusal: StoreError | undefined
  #closed = false
  readonly #epochFile: EpochFile
  #quarantine: Quarantine | undefined
  /** Undefined: it has been changed, or was not opened from the list. */
  #unchanged: UnchangedLog | undefined

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
    this.offsetGaps = state.offsetGaps
    this.tracking = state.tracking
    this.#epochFile = new EpochFile(host.fileSystem, state.path, {
      epochs: state.epochs,
      current: state.epochsSaved,
    })
    if (state.dates !== undefined) this.#unchanged = new UnchangedLog(this, state.dates)
    this.#flush = new LogFlush(host, this, state.recoveryPoint)
    this.#acknowledgements = new Acknowledgements(this.#acknowledgeable())
    this.#tail = new HotTail(host.tails)
    this.#reads = new LogReadPath(host, this, this.#tail)
    const parts = {
      flush: this.#flush,
      acknowledgements: this.#acknowledgements,
      tail: this.#tail,
      reads: this.#reads,
    }
    this.#structure = new LogStructure(host, this, parts)
    this.#appends = new AppendPath(host, this, parts)
    if (state.damaged !== undefined && state.damaged.length > 0) {
      this.#quarantine = new Quarantine(host, this, state.damaged)
    }
  }

  get recoveryPoint(): number {
    return this.#flush.recoveryPoint
  }

  get checkpointPoint(): number {
    const unsaved = this.tracking?.unsavedFrom(this.segments.active.baseOffset)
    const { checkpointPoint } = this.#flush
    return Math.min(checkpointPoint, unsaved ?? checkpointPoint)
  }

  get settledPoint(): number | undefined {
    return this.#epochFile.isSaved ? this.checkpointPoint : undefined
  }

  get tracker(): LogTracker | undefined {
    return this.tracking?.tracker
  }

  get acknowledgedOffset(): number {
    return this.#acknowledgements.offset
  }

  get latestEpoch(): number | undefined {
    return this.epochs.latestEpoch
  }

  /** Base offset of the first segment that a crash now could bring back. */
  get firstOffset(): number {
    return this.#structure.discarding ? -1 : this.segments.firstOffset
  }

  get indexIntervalBytes(): number {
    return this.options.indexIntervalBytes
  }

  /** Offsets below it may be missing between batches. */
  get gapsBelow(): number {
    return this.options.cleanupPolicy === 'delete' ? this.offsetGaps.bound : gapsEverywhere
  }

  get quarantine(): Quarantine {
    return (this.#quarantine ??= new Quarantine(this.#host, this))
  }

  get needsSync(): boolean {
    return this.#flush.needsSync
  }

  append(batches: Uint8Array, options: { readonly leaderEpoch: number }): AppendInfo {
    this.#requireWritable()
    return this.#appends.enqueue(batches, options.leaderEpoch)
  }

  appendReplicated(batches: Uint8Array): AppendInfo {
    this.#requireWritable()
    return this.#appends.enqueue(batches, undefined)
  }

  flushNow(): void {
    this.#appends.writeQueued()
  }

  whenAcknowledged(offset: number, signal?: AbortSignal): Promise<void> {
    const acknowledged = this.#acknowledgements.wait(offset, signal, this.#groupOf(offset))
    this.#flush.noteWaiting()
    return acknowledged
  }

  whenWritten(offset: number, signal?: AbortSignal): Promise<void> {
    return this.#appends.whenWritten(offset, signal, this.#groupOf(offset))
  }

  whenDurable(offset: number, signal?: AbortSignal): Promise<void> {
    return this.#flush.whenDurable(offset, signal, this.#groupOf(offset))
  }

  onAcknowledged(listener: (acknowledgedOffset: number) => void): () => void {
    return this.#acknowledgements.listen(listener)
  }

  onRollback(listener: (rollback: Rollback) => void): () => void {
    return this.#appends.rollbacks.add(listener)
  }

  onTruncated(listener: (endOffset: number) => void): () => void {
    return this.#structure.truncated.add(listener)
  }

  onPoisoned(listener: (error: StoreError) => void): () => void {
    this.#poisonings ??= new Listeners()
    return this.#poisonings.add(listener)
  }

  readNow(request: ReadRequest): LogSlice | undefined {
    this.requireOpen()
    return this.#reads.readNow(request)
  }

  async read(request: ReadRequest): Promise<LogSlice> {
    this.requireOpen()
    return this.#reads.read(request)
  }

  async verify(offset: number, signal?: AbortSignal): Promise<LogDamage | undefined> {
    this.requireOpen()
    return this.quarantine.verify(offset, signal)
  }

  async offsetForTimestamp(
    timestampMs: number,
    maxOffset?: number,
  ): Promise<TimestampOffset | undefined> {
    this.requireOpen()
    const limit = Math.min(maxOffset ?? this.writtenOffset, this.writtenOffset)
    return this.#explained('search', () => this.#search.first(timestampMs, limit))
  }

  async maxTimestampOffset(): Promise<TimestampOffset | undefined> {
    this.requireOpen()
    return this.#explained('search', () => this.#search.largest())
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

  lastStableOffset(highWatermark = this.acknowledgedOffset): number {
    return this.tracking?.lastStableOffset(highWatermark, this.logStartOffset) ?? highWatermark
  }

  abortedTransactionsNow(from: number, to: number): readonly AbortedTransaction[] | undefined {
    this.requireOpen()
    this.#requireStarted(from)
    return this.tracking === undefined ? [] : this.tracking.abortedNow(this.segments, from, to)
  }

  async abortedTransactions(from: number, to: number): Promise<readonly AbortedTransaction[]> {
    this.requireOpen()
    const aborted = (await this.tracking?.aborted(this, from, to)) ?? []
    this.#requireStarted(from)
    return aborted
  }

  async advanceLogStart(offset: number): Promise<void> {
    this.requireOpen()
    return this.#ends.advanceStart(offset)
  }

  roll(): void {
    this.#requireWritable()
    this.#appends.roll()
  }

  configure(options: Partial<LogOptions>): void {
    const { flushMs } = this.options
    this.options = resolveLogOptions(this.options, options)
    if (this.options.flushMs < flushMs) this.#flush.hurry()
    this.#flush.wake()
    this.acknowledge()
  }

  async flush(): Promise<void> {
    this.requireOpen()
    this.flushNow()
    await this.#flush.through(this.writtenOffset)
  }

  stats(): LogStats {
    const { segments } = this
    const { hotReads, warmReads, coldReads } = this.#reads
    return {
      segments: segments.count,
      sizeInBytes: segments.sizeBytes,
      queuedBytes: this.#appends.queuedBytes,
      writes: this.#appends.writes,
      writtenBytes: this.#appends.writtenBytes,
      syncs: this.#flush.syncs,
      hotReads,
      warmReads,
      coldReads,
    }
  }

  startSync(done: () => void): void {
    this.#flush.startSync(done)
  }

  /** Deletes what is too old or too much, for the directory. `nowMs` undefined: leave age out. */
  async applyRetention(nowMs: number | undefined): Promise<{ segments: number; bytes: number }> {
    if (this.refusal !== undefined || this.#closed) return { segments: 0, bytes: 0 }
    return this.#explained('apply retention to', () =>
      this.#structure.exclusively(async () => {
        // It may have been closed while others had their turn.
        if (this.#closed) return { segments: 0, bytes: 0 }
        return this.#structure.applyRetention(nowMs)
      }),
    )
  }

  /** Keeps the latest record of each key, for the directory's cleaner. */
  async compact(request: CompactionRequest): Promise<CompactionReport> {
    this.#requireWritable()
    return this.#structure.compact(request)
  }

  async truncateTo(offset: number): Promise<number> {
    this.requireOpen()
    return this.#ends.truncateTo(offset)
  }

  saveIndexTail(): void {
    if (!this.#closed) this.segments.active.saveIndexTail()
  }

  /** Durable when it resolves, unless the log `isGone`. */
  saveEpochs(): Promise<void> {
    // A good moment to let go of what says nothing any more.
    this.#datesOfUnchanged()
    return this.#epochFile.save()
  }

  /** The disk failed. Reads go on; appends and acknowledgements do not. */
  poison(error: StoreError): void {
    if (this.refusal?.retriable === false) return
    this.refusal = error
    this.#appends.drop(error)
    this.logEndOffset = this.writtenOffset
    this.#flush.fail(error)
    this.#acknowledgements.fail(error)
    this.#poisonings?.tell(error)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.flushNow()
    this.#closed = true
    await this.#structure.endCompaction('the log is being closed')
    try {
      await this.#structure.exclusively(async () => {
        const poisoned = this.refusal?.retriable === false
        if (!poisoned && this.#datesOfUnchanged() === undefined) await this.#persistAll()
      })
    } finally {
      await this.#end(`log ${this.name} is closed`)
    }
  }

  /** For the list of the directory, once it is closed. Undefined: it has no place there. */
  async describe(): Promise<ListedLog | undefined> {
    if (this.#quarantine !== undefined && !this.#quarantine.isEmpty) return undefined
    return describeLog(this.#host.fileSystem, this, this.#datesOfUnchanged())
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** It is being deleted: its directory may have another name soon. */
  get isGone(): boolean {
    return this.#epochFile.ended
  }

  /** Closes without caring for what is not on the medium: the log is about to be deleted. */
  async abandon(): Promise<void> {
    this.#closed = true
    const saved = this.#epochFile.end()
    await this.#structure.endCompaction('the log is being deleted')
    await this.#end(`log ${this.name} was deleted`)
    await saved
  }

  async #end(reason: string): Promise<void> {
    const error = new StoreError('KFK_STORE_CLOSED', reason)
    // What passes, such as a cut under way, must not be all that is left to say.
    if (this.refusal?.retriable !== false) this.refusal = error
    this.#appends.drop(error)
    this.#flush.fail(error)
    this.#acknowledgements.fail(error)
    this.#tail.clear()
    await this.#flush.whenIdle()
    await this.#structure.finish()
    await this.#quarantine?.whenSaved()
    await this.tracking?.finish()
    closeSegments(this.#host.files, this.segments.touched())
  }

  /** Resolves when no read or sync holds a file of this log any more. */
  async whenReadersAreGone(): Promise<void> {
    for (const { data } of this.segments.touched()) {
      await new Promise<void>((resolve) => this.#host.files.whenUnpinned(data, resolve))
    }
  }

  async #persistAll(): Promise<void> {
    await this.#flush.all()
    const { active } = this.segments
    // As Kafka does at close: the index then ends with the segment's largest timestamp.
    active.endTimeIndex()
    for (const segment of this.segments.touched()) await segment.persistIndexes()
    await this.tracking?.persistAll(this)
    await this.saveEpochs()
    await this.#host.fileSystem.syncDirectory(this.path)
  }

  /** Undefined: it has been changed since it was opened. */
  #datesOfUnchanged(): LogDates | undefined {
    const same = !this.#flush.wasCutBack && this.#unchanged?.holds(this) === true
    if (!same) this.#unchanged = undefined
    return this.#unchanged
  }

  #explained<Result>(action: string, work: () => Promise<Result>): Promise<Result> {
    return explained({ action, path: this.path }, work)
  }

  /** What is queued goes out in one write; undefined: it is written, or not appended yet. */
  #groupOf(offset: number): number | undefined {
    const queued = offset > this.writtenOffset && offset <= this.logEndOffset
    return queued ? this.writtenOffset : undefined
  }

  #acknowledgeable(): number {
    return this.options.flushMessages === 1 ? this.recoveryPoint : this.writtenOffset
  }

  /** Moves on what may be acknowledged; answers how many had waited for it. */
  acknowledge(): number {
    return this.#acknowledgements.advance(this.#acknowledgeable())
  }

  get lowestAwaited(): number {
    return this.#acknowledgements.lowestAwaited
  }

  tellDelay(error: StoreError): void {
    this.#acknowledgements.tellDelay(this.writtenOffset, error)
  }

  get #ends(): LogEnds {
    const parts = { flush: this.#flush, structure: this.#structure }
    return (this.#movedEnds ??= new LogEnds(this.#host, this, parts))
  }

  get #search(): TimestampSearch {
    return (this.#timestamps ??= new TimestampSearch(this.#host, this, this.#reads))
  }

  requireOpen(): void {
    if (this.#closed) throw new StoreError('KFK_STORE_CLOSED', `log ${this.name} is closed`)
  }

  /** The indexes of what was deleted are gone: they would say that nothing was aborted there. */
  #requireStarted(from: number): void {
    const { logStartOffset, logEndOffset } = this
    if (from < logStartOffset) throw outOfRange(from, logStartOffset, logEndOffset)
  }

  #requireWritable(): void {
    this.requireOpen()
    if (this.refusal === undefined) return
    this.#movedEnds?.retry()
    throw this.refusal
  }
}
