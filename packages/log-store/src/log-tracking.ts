import type { BatchSummary } from './batch-format.js'
import { ioError } from './errors.js'
import { despiteShortage } from './handle-shortage.js'
import type { LogHost } from './log-host.js'
import { type Captured, type GrowingLog, LogSnapshots } from './log-snapshots.js'
import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import type { SegmentList } from './segment-list.js'
import { TrackerFiles, type TrackerFileNames } from './tracker-files.js'
import { type Fed, TrackerFeed } from './tracker-feed.js'
import { isBase, type ReplayedLog, reportProblems, type Restored } from './tracker-replay.js'
import { type TrackedLog, TransactionIndexes } from './transaction-indexes.js'

/**
 * Keeps one log's tracker true to the log, and its files true to the tracker: a snapshot at the
 * base of each segment, in the middle of large ones and at the log end, and the transaction
 * indexes.
 */
export class LogTracking {
  readonly tracker: LogTracker
  readonly #host: LogHost
  readonly #name: string
  readonly #files: TrackerFiles
  readonly #snapshots: LogSnapshots
  readonly #indexes: TransactionIndexes
  /** Of appends that are not in the file yet. */
  #queued: AbortedTransaction[] | undefined
  /** Work on the files that is under way. */
  #running: Promise<void> | undefined
  #finished = false

  constructor(
    host: LogHost,
    place: { readonly name: string; readonly path: string },
    options: { readonly tracker: LogTracker; readonly indexed: readonly number[] },
  ) {
    this.#host = host
    this.#name = place.name
    this.#files = new TrackerFiles(host.fileSystem, place.path)
    this.#snapshots = new LogSnapshots(this.#files)
    this.#indexes = new TransactionIndexes(host, {
      name: place.name,
      files: this.#files,
      indexed: options.indexed,
    })
    this.tracker = options.tracker
  }

  /** Offset of the newest snapshot on the disk. */
  get newestSnapshot(): number | undefined {
    return this.#snapshots.newest
  }

  /** Base offsets of the segments that have a transaction index. */
  get indexed(): readonly number[] {
    return this.#indexes.bases
  }

  /** The files say what memory says. */
  get isSaved(): boolean {
    return this.#indexes.dirty.length === 0
  }

  /**
   * Where recovery has to begin lest a transaction index be lost: the base offset of the first
   * sealed segment whose index could not be written.
   */
  unsavedFrom(activeBase: number): number {
    const first = this.#indexes.dirty[0]
    return first === undefined || first >= activeBase ? Number.MAX_SAFE_INTEGER : first
  }

  /** Batches that got their offsets; they are not in the file yet. */
  apply(bytes: Uint8Array, batches: readonly BatchSummary[]): void {
    let at = 0
    for (const batch of batches) {
      const aborted = this.tracker.apply(bytes, at, batch)
      if (aborted !== undefined) (this.#queued ??= []).push(aborted)
      at += batch.sizeInBytes
    }
  }

  /** All that was applied is in the file of this segment. */
  written(activeBase: number): void {
    this.tracker.settle()
    if (this.#queued === undefined) return
    for (const entry of this.#queued) this.#indexes.append(activeBase, entry)
    this.#queued = undefined
  }

  /** What was applied since could not be written. */
  rollBack(): void {
    this.#queued = undefined
    this.tracker.rollBack()
  }

  /** The segment with base `sealedBase` has ended, and one at `newBase` begins. */
  rolled(sealedBase: number, newBase: number): void {
    this.#snapshots.rolled(sealedBase, { offset: newBase, make: this.tracker.capture() })
  }

  /**
   * Writes what belongs to a sealed segment, whose data are on the medium; durable after a sync of
   * the directory. A full disk is put up with: see `unsavedFrom`.
   */
  persist(sealedBase: number): Promise<void> {
    return this.#exclusively(async () => {
      const captured = this.#snapshots.takeSealed(sealedBase)
      const saved = await this.#saveIndexes(sealedBase + 1)
      if (captured !== undefined && saved) await this.#trySnapshot(captured)
    })
  }

  /**
   * From time to time: a snapshot in the middle of a segment that has grown much since the last
   * one, so that not all of it is read again after a crash. Captured now, written the next time if
   * all before it is on the medium by then.
   */
  checkpoint(log: GrowingLog): Promise<void> | undefined {
    this.tracker.expire(this.#host.clock.now())
    const captured = this.#snapshots.takeGrown(log, () => this.tracker.capture())
    if (captured === undefined) return undefined
    const { baseOffset } = log.segments.active
    return this.#exclusively(async () => {
      if (await this.#saveIndexes(baseOffset + 1)) await this.#trySnapshot(captured, true)
    })
  }

  /** The same for the whole log when it is closed. */
  async persistAll(log: TrackedLog): Promise<void> {
    for (const base of this.#snapshots.sealed) await this.persist(base)
    this.#snapshots.dropBeyond(log.writtenOffset)
    await this.#exclusively(async () => {
      for (const base of this.#indexes.dirty) await this.#indexes.save(base)
      const { writtenOffset: endOffset, segments } = log
      const { newest } = this.#snapshots
      // Of a log that never had anything there is nothing to say.
      const never = newest === undefined && endOffset === segments.firstOffset
      if (never || newest === endOffset) return
      const stray = segments.active.baseOffset !== endOffset
      await this.#snapshots.save({ offset: endOffset, make: this.tracker.capture() }, stray)
    })
  }

  /** Nothing is written any more; resolves when nothing is under way. */
  async finish(): Promise<void> {
    this.#finished = true
    await this.#running
  }

  /** A log that was closed cleanly: takes over the newest snapshot, and what came behind it. */
  async open(log: TrackedLog, names: TrackerFileNames): Promise<void> {
    await this.#restore(log, names.snapshots, { trusted: log.writtenOffset })
    await this.#indexes.loadActive(log)
  }

  /** The same, when it is known which snapshot is the newest: nothing is listed. */
  async openAt(log: TrackedLog, newest: number | undefined): Promise<void> {
    if (newest !== undefined && newest === log.writtenOffset) {
      const found = await this.#files.readSnapshot(newest)
      if (found !== undefined && this.tracker.restore(found)) {
        this.#snapshots.noteNewest(log, newest)
        this.tracker.expire(this.#host.clock.now())
        await this.#indexes.loadActive(log)
        return
      }
    }
    const isNew = newest === undefined && log.segments.firstOffset === log.writtenOffset
    await this.open(log, isNew ? { snapshots: [], indexed: [] } : await this.#files.list())
  }

  /** For the recovery of a log that was not: it hands over what it reads. */
  feed(log: ReplayedLog, names: TrackerFileNames, recoveryPoint: number): TrackerFeed {
    const snapshots = this.#snapshots.usable(log, names.snapshots, recoveryPoint)
    const { tracker } = this
    return new TrackerFeed(this.#host, log, {
      ...{ tracker, files: this.#files, snapshots, to: recoveryPoint },
    })
  }

  /**
   * Such a log has been recovered: of what was written only that is trusted which speaks of records
   * below the recovery point.
   */
  async recover(
    log: TrackedLog,
    names: TrackerFileNames,
    from: { readonly recoveryPoint: number; readonly feed?: TrackerFeed | undefined },
  ): Promise<void> {
    const { recoveryPoint, feed } = from
    await this.#restore(log, names.snapshots, {
      trusted: Math.min(recoveryPoint, log.writtenOffset),
      rebuildIndexes: true,
      feed,
    })
    await this.#saveIndexes(log.segments.active.baseOffset)
    await this.#indexes.loadActive(log)
  }

  /**
   * The log has been cut and ends at its `writtenOffset` now; appends must be refused meanwhile.
   */
  truncate(log: TrackedLog): Promise<void> {
    this.#snapshots.dropBeyond(log.writtenOffset)
    return this.#exclusively(() => {
      // A try that ends half way may leave it empty.
      const { isEmpty } = this.tracker
      return despiteShortage(this.#host, () => this.#truncate(log, isEmpty))
    })
  }

  async #truncate(log: TrackedLog, isEmpty: boolean): Promise<void> {
    await this.#indexes.truncate(log)
    const { snapshots } = await this.#files.list()
    if (!isEmpty) await this.#restore(log, snapshots, { trusted: log.writtenOffset })
    else {
      // Without producers before the cut there are none after it.
      const kept = await this.#removeStrays(log, snapshots, log.writtenOffset)
      this.#snapshots.noteNewest(log, kept.at(-1))
    }
  }

  /** Segments that are not part of the log any more; their files are somebody else's to remove. */
  forget(baseOffsets: readonly number[]): void {
    for (const base of baseOffsets) this.#indexes.forget(base)
  }

  /** This segment has taken the place of others; see `TransactionIndexes.replaced`. */
  replaced(baseOffset: number, aborted: readonly AbortedTransaction[]): void {
    this.#indexes.replaced(baseOffset, aborted)
  }

  /** The files of the one that was replaced last have their own names. */
  named(): void {
    this.#indexes.named()
  }

  /** See `Log.lastStableOffset`. */
  lastStableOffset(highWatermark: number, logStartOffset: number): number {
    const first = this.tracker.firstUnstableOffset(highWatermark)
    if (first === undefined) return highWatermark
    return Math.min(highWatermark, Math.max(first, logStartOffset))
  }

  /** See `Log.abortedTransactionsNow`. */
  abortedNow(segments: SegmentList, from: number, to: number): AbortedTransaction[] | undefined {
    return this.#indexes.collectNow(segments, from, to)
  }

  /** See `Log.abortedTransactions`. */
  aborted(log: TrackedLog, from: number, to: number): Promise<AbortedTransaction[]> {
    return this.#indexes.collect(log, from, to)
  }

  async #restore(
    log: TrackedLog,
    found: readonly number[],
    how: {
      readonly trusted: number
      readonly rebuildIndexes?: boolean
      readonly feed?: TrackerFeed | undefined
    },
  ): Promise<void> {
    const snapshots = await this.#removeStrays(log, found, how.trusted)
    const handed = how.feed?.result()
    const isUsable = handed !== undefined && isAmong(snapshots, handed.restored.snapshot)
    const fed = isUsable ? handed : await this.#replay(log, snapshots)
    const { restored } = fed
    if (how.rebuildIndexes === true) {
      await this.#indexes.dropFrom(log, fed.from)
      for (const { entry, base } of fed.aborted) this.#indexes.append(base, entry)
    }
    this.#snapshots.noteNewest(log, restored.snapshot)
    for (const offset of restored.damaged) await this.#files.removeSnapshot(offset)
    for (const captured of fed.captured) {
      // The segment may have gone with the torn end of the log.
      if (!isBase(log, captured.offset)) continue
      if (await this.#saveIndexes(captured.offset)) await this.#trySnapshot(captured)
    }
    this.tracker.expire(this.#host.clock.now())
    this.#report(restored, log.writtenOffset)
  }

  async #replay(log: TrackedLog, snapshots: readonly number[]): Promise<Fed> {
    const { tracker } = this
    const { writtenOffset: to } = log
    const feed = new TrackerFeed(this.#host, log, { tracker, files: this.#files, snapshots, to })
    reportProblems(this.#host, await feed.begin(to))
    return feed.result()!
  }

  #removeStrays(log: TrackedLog, found: readonly number[], trusted: number): Promise<number[]> {
    const { fileSystem } = this.#host
    return this.#snapshots.removeStrays(log, found, {
      trusted,
      fileSystem,
      path: this.#files.directory,
    })
  }

  #report(restored: Restored, to: number): void {
    const { snapshot, damaged, replayedBytes } = restored
    if (replayedBytes === 0 && damaged.length === 0) return
    const name = this.#name
    const from = snapshot === undefined ? 'no snapshot' : `the snapshot at ${snapshot}`
    this.#host.report({
      kind: 'tracker-restored',
      message: `producers of ${name} up to ${to}: from ${from} and ${replayedBytes} bytes`,
      details: { log: name, to, snapshot, damaged, replayedBytes },
    })
  }

  async #trySnapshot(captured: Captured, stray = false): Promise<void> {
    const path = this.#files.snapshotPath(captured.offset)
    await this.#unlessFull(path, () => this.#snapshots.save(captured, stray))
  }

  /**
   * Of the segments that begin below `offset`; false when the disk is full. They go before a
   * snapshot at `offset`: recovery takes from them alone what lies before it.
   */
  async #saveIndexes(offset: number): Promise<boolean> {
    for (const base of this.#indexes.dirty) {
      if (base >= offset) break
      const path = this.#files.indexPath(base)
      if (!(await this.#unlessFull(path, () => this.#indexes.save(base)))) return false
    }
    return true
  }

  /** A full disk is no reason to stop: these files can be made again. */
  async #unlessFull(path: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      const failure = ioError(error, { action: 'write', path })
      if (failure.code !== 'KFK_STORE_NO_SPACE' && !failure.retriable) throw error
      this.#host.report({
        kind: 'background-failure',
        message: failure.message,
        details: { path, error },
      })
      return false
    }
  }

  /** One piece of work on the files at a time. */
  #exclusively(work: () => Promise<void>): Promise<void> {
    const unlessFinished = () => (this.#finished ? Promise.resolve() : work())
    const run = this.#running === undefined ? unlessFinished() : this.#running.then(unlessFinished)
    const settled = run.catch(() => undefined)
    this.#running = settled
    void settled.then(() => {
      if (this.#running === settled) this.#running = undefined
    })
    return run
  }
}

/** The snapshot that was used is one of those that stay; or none was. */
function isAmong(snapshots: readonly number[], used: number | undefined): boolean {
  return used === undefined || snapshots.includes(used)
}
