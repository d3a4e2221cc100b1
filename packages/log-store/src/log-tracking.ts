import { AbortedTransactions } from './aborted-transactions.js'
import type { BatchSummary } from './batch-format.js'
import { ioError } from './errors.js'
import type { LogHost } from './log-host.js'
import type { AbortedTransaction, LogTracker, TrackerSnapshot } from './log-tracker.js'
import type { SegmentList } from './segment-list.js'
import { TrackerFiles, type TrackerFileNames } from './tracker-files.js'
import { replay, restoreTracker, type ReplayedLog } from './tracker-replay.js'
import { collectAborted } from './transaction-index.js'

/** A segment that has grown by this much gets a snapshot in its middle. */
const snapshotBytes = 16 * 1024 ** 2

/** A snapshot to be written when all that it speaks of is on the medium. */
interface Captured {
  readonly offset: number
  readonly make: () => TrackerSnapshot
}

/** What queries and changes need of the log. */
export interface TrackedLog extends ReplayedLog {
  readonly endOffset: number
}

/** What a checkpoint needs of it. */
export interface CheckpointedLog extends TrackedLog {
  readonly logEndOffset: number
  readonly recoveryPoint: number
}

/**
 * Keeps one log's tracker true to the log, and its files true to the tracker: a snapshot at the
 * base of each segment and at the log end, and the transaction indexes.
 */
export class LogTracking {
  readonly tracker: LogTracker
  readonly #host: LogHost
  readonly #name: string
  readonly #path: string
  readonly #files: TrackerFiles
  readonly #makeTracker: () => LogTracker
  /** Undefined: no segment has any. */
  #aborted: AbortedTransactions | undefined
  /** Of appends that are not in the file yet. */
  #queued: AbortedTransaction[] | undefined
  /** By base offset of the segment that ended there. */
  #captured: Map<number, Captured> | undefined
  /** To be written by the next checkpoint. */
  #pending: (Captured & { readonly base: number }) | undefined
  /** How much of which segment had been written at the last of these. */
  #growth = { base: -1, bytes: 0 }
  /** Work on the files that is under way. */
  #running: Promise<void> | undefined
  /** Offset of the newest snapshot on the disk. */
  #newest: number | undefined
  /** It is not at the base of a segment, so the next one takes its place. */
  #newestIsStray = false

  constructor(
    host: LogHost,
    options: {
      readonly name: string
      readonly path: string
      readonly tracker: LogTracker
      /** Another one, for looking at the past of the log. */
      readonly makeTracker: () => LogTracker
      readonly indexed?: readonly number[]
    },
  ) {
    this.#host = host
    this.#name = options.name
    this.#path = options.path
    this.#files = new TrackerFiles(host.fileSystem, options.path)
    this.#makeTracker = options.makeTracker
    this.tracker = options.tracker
    if (options.indexed?.length) this.#aborted = new AbortedTransactions(options.indexed)
  }

  /** Offset of the newest snapshot on the disk. */
  get newestSnapshot(): number | undefined {
    return this.#newest
  }

  /** Base offsets of the segments that have a transaction index. */
  get indexed(): readonly number[] {
    return this.#aborted?.bases ?? []
  }

  /**
   * Where recovery has to begin lest a transaction index be lost: the base offset of the first
   * sealed segment whose index could not be written.
   */
  unsavedFrom(activeBase: number): number {
    const first = this.#aborted?.dirty[0]
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
    this.#aborted ??= new AbortedTransactions()
    for (const entry of this.#queued) this.#aborted.append(activeBase, entry)
    this.#queued = undefined
  }

  /** What was applied since could not be written. */
  rollBack(): void {
    this.#queued = undefined
    this.tracker.rollBack()
  }

  /** The segment with base `sealedBase` has ended, and one at `newBase` begins. */
  rolled(sealedBase: number, newBase: number): void {
    this.#captured ??= new Map()
    this.#captured.set(sealedBase, { offset: newBase, make: this.tracker.capture() })
  }

  /**
   * Writes what belongs to a sealed segment, whose data are on the medium; durable after a sync of
   * the directory. A full disk is put up with: see `unsavedFrom`.
   */
  persist(sealedBase: number): Promise<void> {
    return this.#exclusively(async () => {
      const captured = this.#captured?.get(sealedBase)
      if (captured !== undefined) {
        this.#captured!.delete(sealedBase)
        if (this.#captured!.size === 0) this.#captured = undefined
        await this.#trySnapshot(captured)
      }
      for (const base of this.#aborted?.dirty ?? []) {
        if (base <= sealedBase) await this.#tryIndex(base)
      }
    })
  }

  /**
   * From time to time: a snapshot in the middle of a segment that has grown by `snapshotBytes` since
   * the last one, so that not all of it is read again after a crash. It is taken now and written the
   * next time, if all before it is on the medium by then.
   */
  checkpoint(log: CheckpointedLog): Promise<void> {
    this.#expire()
    const { baseOffset, sizeBytes } = log.segments.active
    const pending = this.#pending
    if (pending !== undefined) {
      if (pending.offset > log.recoveryPoint) return Promise.resolve()
      this.#pending = undefined
      // Rolled since: there is a newer one.
      if (pending.base !== baseOffset) return Promise.resolve()
      return this.#exclusively(async () => {
        // The index goes first: recovery takes from it what lies before the snapshot.
        if (this.#aborted?.isDirty(baseOffset) === true) await this.#tryIndex(baseOffset)
        await this.#trySnapshot(pending, true)
      })
    }
    const from = this.#growth.base === baseOffset ? this.#growth.bytes : 0
    if (log.logEndOffset === log.endOffset && sizeBytes - from >= snapshotBytes) {
      this.#growth = { base: baseOffset, bytes: sizeBytes }
      this.#pending = { offset: log.endOffset, base: baseOffset, make: this.tracker.capture() }
    }
    return Promise.resolve()
  }

  /** The same for the whole log when it is closed. */
  async persistAll(log: TrackedLog): Promise<void> {
    for (const base of [...(this.#captured?.keys() ?? [])]) await this.persist(base)
    await this.#exclusively(async () => {
      for (const base of this.#aborted?.dirty ?? []) await this.#saveIndex(base)
      const { endOffset, segments } = log
      if (this.#newest === endOffset) return
      // Of a log that never had anything there is nothing to say.
      if (this.#newest === undefined && endOffset === segments.firstOffset) return
      const stray = segments.active.baseOffset !== endOffset
      await this.#saveSnapshot({ offset: endOffset, make: this.tracker.capture() }, stray)
    })
  }

  /** A log that was closed cleanly: takes over the newest snapshot, and what came behind it. */
  async open(log: TrackedLog, names: TrackerFileNames): Promise<void> {
    await this.#restore(log, names.snapshots, { trusted: log.endOffset })
    await this.#loadActive(log)
  }

  /**
   * A log that was not, and has been recovered: of what was written only that is trusted which
   * speaks of records below the recovery point.
   */
  async recover(log: TrackedLog, names: TrackerFileNames, recoveryPoint: number): Promise<void> {
    for (const base of this.indexed) if (!isBase(log, base)) this.#aborted!.forget(base)
    await this.#restore(log, names.snapshots, {
      trusted: Math.min(recoveryPoint, log.endOffset),
      rebuildIndexes: true,
    })
    for (const base of this.#aborted?.dirty ?? []) {
      if (base < log.segments.active.baseOffset) await this.#tryIndex(base)
    }
    await this.#loadActive(log)
  }

  /** The log has been cut and ends at `endOffset` now; appends must be refused meanwhile. */
  truncate(log: TrackedLog): Promise<void> {
    const { endOffset } = log
    const active = log.segments.active.baseOffset
    this.#pending = undefined
    for (const [base, { offset }] of [...(this.#captured ?? [])]) {
      if (offset > endOffset) this.#captured!.delete(base)
    }
    for (const base of this.indexed) if (base > active) this.#aborted!.forget(base)
    return this.#exclusively(async () => {
      if (this.indexed.includes(active)) {
        const entries = await this.#entriesOf(log, active, Number.MAX_SAFE_INTEGER)
        const kept = entries.filter((entry) => entry.lastOffset < endOffset)
        if (kept.length < entries.length) this.#aborted!.replace(active, kept)
      }
      const { snapshots } = await this.#files.list()
      // Without producers before the cut there are none after it.
      if (!this.tracker.isEmpty) await this.#restore(log, snapshots, { trusted: endOffset })
      else this.#noteNewest(log, (await this.#removeStrays(log, snapshots, endOffset)).at(-1))
    })
  }

  /** Segments that are not part of the log any more; their files are somebody else's to remove. */
  forget(baseOffsets: readonly number[]): void {
    for (const base of baseOffsets) this.#aborted?.forget(base)
  }

  /** A compaction has put a segment with these entries there, and their file. */
  replaced(baseOffset: number, hasIndex: boolean): void {
    this.#aborted?.forget(baseOffset)
    if (!hasIndex) return
    this.#aborted ??= new AbortedTransactions()
    this.#aborted.found(baseOffset)
  }

  /** See `Log.lastStableOffset`. */
  lastStableOffset(highWatermark: number, logStartOffset: number): number {
    const first = this.tracker.firstUnstableOffset(highWatermark)
    return first === undefined
      ? highWatermark
      : Math.min(highWatermark, Math.max(first, logStartOffset))
  }

  /**
   * Aborted transactions with records or markers from `from` to below `to`, in the order of their
   * markers. Undefined: they have to be read.
   */
  abortedNow(segments: SegmentList, from: number, to: number): AbortedTransaction[] | undefined {
    if (this.#aborted === undefined) return []
    const base = segments.baseAt(Math.max(0, segments.floor(from)))
    return this.#aborted.collect({ base, from, to })
  }

  /** The same, reading them where necessary. */
  async aborted(log: TrackedLog, from: number, to: number): Promise<AbortedTransaction[]> {
    const found: AbortedTransaction[] = []
    const { indexed } = this
    for (const [at, base] of indexed.entries()) {
      const behind = (indexed[at + 1] ?? Number.MAX_SAFE_INTEGER) <= from
      if (behind) continue
      if (collectAborted(await this.#entriesOf(log, base), { from, to }, found)) break
    }
    return found
  }

  async #entriesOf(
    log: TrackedLog,
    base: number,
    endOffset?: number,
  ): Promise<readonly AbortedTransaction[]> {
    const loaded = this.#aborted?.loaded(base)
    if (loaded !== undefined) return loaded
    const end = endOffset ?? log.segments.endOffset(log.segments.floor(base), log.endOffset)
    const read = await this.#files.readIndex({ baseOffset: base, endOffset: end })
    if (read === undefined && isBase(log, base)) return this.#rebuildIndex(log, base, end)
    this.#aborted?.keep(base, read ?? [])
    return this.#aborted?.loaded(base) ?? read ?? []
  }

  async #rebuildIndex(
    log: TrackedLog,
    baseOffset: number,
    endOffset: number,
  ): Promise<readonly AbortedTransaction[]> {
    const entries = await this.#findAborted(log, baseOffset, endOffset)
    const path = this.#files.indexPath(baseOffset)
    const reason = 'missing or impossible'
    this.#host.report({
      kind: 'index-rebuilt',
      message: `rebuilt ${path}: ${reason}`,
      details: { path, reason },
    })
    const wanted = this.#aborted?.has(baseOffset) && this.#aborted.loaded(baseOffset) === undefined
    if (wanted) this.#aborted!.replace(baseOffset, entries)
    return entries
  }

  /** The aborted transactions of a segment whose marker is below `endOffset`, from the data. */
  async #findAborted(
    log: TrackedLog,
    baseOffset: number,
    endOffset: number,
  ): Promise<AbortedTransaction[]> {
    const tracker = this.#makeTracker()
    const { snapshots } = await this.#files.list()
    await restoreTracker(this.#host, log, {
      ...{ tracker, files: this.#files, snapshots, to: baseOffset },
    })
    const entries: AbortedTransaction[] = []
    const range = { from: baseOffset, to: Math.min(endOffset, log.endOffset) }
    await replay(this.#host, log, range, (batch, bytes, at) => {
      const aborted = tracker.apply(bytes, at, batch)
      tracker.settle()
      if (aborted !== undefined) entries.push(aborted)
    })
    return entries
  }

  /** Appends add to what is in memory. */
  async #loadActive(log: TrackedLog): Promise<void> {
    const active = log.segments.active.baseOffset
    if (this.indexed.includes(active)) await this.#entriesOf(log, active)
  }

  async #restore(
    log: TrackedLog,
    snapshots: readonly number[],
    how: { readonly trusted: number; readonly rebuildIndexes?: boolean },
  ): Promise<void> {
    const usable = await this.#removeStrays(log, snapshots, how.trusted)
    const { segments, endOffset: to } = log
    const { count } = segments
    const lastTwo = [count - 2, count - 1].filter((at) => at >= 0).map((at) => segments.baseAt(at))
    const missing: Captured[] = []
    const restored = await restoreTracker(this.#host, log, {
      ...{ tracker: this.tracker, files: this.#files, snapshots: usable, to },
      onStart: (from) => (how.rebuildIndexes ? this.#dropIndexes(log, from) : Promise.resolve()),
      onSegment: (base) => {
        if (base === segments.firstOffset || !lastTwo.includes(base)) return
        if (usable.includes(base)) return
        missing.push({ offset: base, make: this.tracker.capture() })
      },
      onAborted: (aborted, base) => {
        if (how.rebuildIndexes) (this.#aborted ??= new AbortedTransactions()).append(base, aborted)
      },
    })
    this.#noteNewest(log, restored.snapshot)
    for (const offset of restored.damaged) await this.#files.removeSnapshot(offset)
    for (const captured of missing) {
      if (captured.offset > (this.#newest ?? -1)) await this.#trySnapshot(captured)
    }
    this.#expire()
    this.#reportRestored(restored, to)
  }

  /** A replay from `from` on is going to find the aborted transactions from there on again. */
  async #dropIndexes(log: TrackedLog, from: number): Promise<void> {
    for (const base of this.indexed) {
      const next = log.segments.endOffset(log.segments.floor(base), log.endOffset)
      if (base >= from) this.#aborted!.replace(base, [])
      else if (next > from) {
        const range = { baseOffset: base, endOffset: Number.MAX_SAFE_INTEGER }
        const entries =
          (await this.#files.readIndex(range)) ?? (await this.#findAborted(log, base, from))
        const before = entries.filter((entry) => entry.lastOffset < from)
        this.#aborted!.replace(base, before)
      }
    }
  }

  /**
   * As Kafka: snapshots beyond the end speak of something else, and of those that are not at the
   * base of a segment only the newest is worth keeping. Answers those that are left.
   */
  async #removeStrays(
    log: ReplayedLog,
    snapshots: readonly number[],
    trusted: number,
  ): Promise<number[]> {
    const usable = snapshots.filter((offset) => offset <= trusted)
    const kept = usable.filter((offset) => isBase(log, offset) || offset === usable.at(-1))
    if (kept.length === snapshots.length) return kept
    for (const offset of snapshots) {
      if (!kept.includes(offset)) await this.#files.removeSnapshot(offset)
    }
    // Lest one that speaks of records that were cut comes back when there are others in their place.
    await this.#host.fileSystem.syncDirectory(this.#path)
    return kept
  }

  #noteNewest(log: ReplayedLog, offset: number | undefined): void {
    this.#newest = offset
    this.#newestIsStray = offset !== undefined && !isBase(log, offset)
  }

  #reportRestored(
    restored: { snapshot: number | undefined; damaged: readonly number[]; replayedBytes: number },
    to: number,
  ): void {
    const { snapshot, damaged, replayedBytes } = restored
    if (replayedBytes === 0 && damaged.length === 0) return
    const from = snapshot === undefined ? 'no snapshot' : `the snapshot at ${snapshot}`
    this.#host.report({
      kind: 'tracker-restored',
      message: `producers of ${this.#name} up to ${to}: from ${from} and ${replayedBytes} bytes`,
      details: { log: this.#name, to, snapshot, damaged, replayedBytes },
    })
  }

  #trySnapshot(captured: Captured, stray = false): Promise<void> {
    const path = this.#files.snapshotPath(captured.offset)
    return this.#unlessFull(path, () => this.#saveSnapshot(captured, stray))
  }

  #tryIndex(base: number): Promise<void> {
    return this.#unlessFull(this.#files.indexPath(base), () => this.#saveIndex(base))
  }

  /** One piece of work on the files at a time. */
  #exclusively(work: () => Promise<void>): Promise<void> {
    const run = this.#running === undefined ? work() : this.#running.then(work)
    const settled = run.catch(() => undefined)
    this.#running = settled
    void settled.then(() => {
      if (this.#running === settled) this.#running = undefined
    })
    return run
  }

  async #saveSnapshot(captured: Captured, stray = false): Promise<void> {
    const { offset } = captured
    await this.#files.writeSnapshot(offset, captured.make())
    const before = this.#newest
    if (before !== undefined && before > offset) return
    this.#newest = offset
    const superseded = this.#newestIsStray && before !== undefined && before !== offset
    this.#newestIsStray = stray
    if (superseded) await this.#files.removeSnapshot(before)
  }

  async #saveIndex(base: number): Promise<void> {
    const entries = this.#aborted!.loaded(base) ?? []
    const { length } = entries
    await this.#files.writeIndex(base, entries)
    // Appends may have added to the active segment's meanwhile.
    if (this.#aborted!.loaded(base)?.length === length) this.#aborted!.saved(base)
  }

  #expire(): void {
    this.tracker.expire(this.#host.clock.now())
  }

  /** A full disk is no reason to stop: these files can be made again. */
  async #unlessFull(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const failure = ioError(error, { action: 'write', path })
      if (failure.code !== 'KFK_STORE_NO_SPACE' && !failure.retriable) throw error
      this.#host.report({
        kind: 'background-failure',
        message: failure.message,
        details: { path, error },
      })
    }
  }
}

/** Whether a segment begins at `offset`. */
function isBase({ segments }: ReplayedLog, offset: number): boolean {
  const at = segments.floor(offset)
  return at >= 0 && segments.baseAt(at) === offset
}
