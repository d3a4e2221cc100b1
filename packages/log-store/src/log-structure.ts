import type { Acknowledgements } from './acknowledgements.js'
import type { EpochIndex } from './epoch-index.js'
import { ioError } from './errors.js'
import { Listeners } from './listeners.js'
import { despiteShortage } from './handle-shortage.js'
import type { HotTail } from './hot-tail.js'
import type { LogFlush } from './log-flush.js'
import type { CompactionReport } from './compaction.js'
import { type CompactionRequest, LogCompaction } from './log-compaction.js'
import type { LogHost } from './log-host.js'
import type { LogReadPath } from './log-read-path.js'
import type { LogTracking } from './log-tracking.js'
import { countDeletable } from './log-retention.js'
import type { OffsetGaps } from './offset-gaps.js'
import type { LogOptions } from './options.js'
import type { TrackedLog } from './transaction-indexes.js'
import type { Quarantine } from './quarantine.js'
import { poisonUnlessItPasses } from './poisoning.js'
import { createSegment, SegmentRemover } from './segment-files.js'
import { SegmentList } from './segment-list.js'
import { ensureIndexes, findLargestTimestamp, locateOffset } from './segment-repair.js'
import type { Segment } from './segment.js'

/** What changing the set of segments needs of its log. */
export interface StructuredLog extends TrackedLog {
  readonly name: string
  readonly path: string
  readonly options: LogOptions
  readonly epochs: EpochIndex
  readonly offsetGaps: OffsetGaps
  readonly acknowledgedOffset: number
  readonly tracking: LogTracking | undefined
  readonly indexIntervalBytes: number
  readonly gapsBelow: number
  readonly quarantine: Quarantine
  segments: SegmentList
  logStartOffset: number
  logEndOffset: number
  writtenOffset: number
  truncations: number
  roll(): void
}

const none: readonly [] = []

interface StructureParts {
  readonly flush: LogFlush
  readonly acknowledgements: Acknowledgements
  readonly tail: HotTail
  readonly reads: LogReadPath
}

/** Where a log is cut, and what becomes of its segments. */
interface Cut {
  readonly offset: number
  readonly position: number
  readonly keptEnd: number
  /** The segment that is cut; undefined when nothing of the log is kept. */
  readonly target: Segment | undefined
  readonly gone: readonly Segment[]
  /** Segments that stay. */
  readonly keep: number
}

/**
 * Which segments a log has: deletion, truncation, replacement. One change at a time, in the order
 * asked for; appends and reads go on meanwhile.
 */
export class LogStructure {
  readonly #host: LogHost
  readonly #log: StructuredLog
  readonly #parts: StructureParts
  /** Made when segments go. */
  #remover: SegmentRemover | undefined
  #truncated: Listeners<number> | undefined
  /** Old segments, none of the log's any more, whose files may still have their names. */
  #doomed: readonly Segment[] = none
  /** Undefined: nothing is under way. */
  #last: Promise<unknown> | undefined
  /** Made for logs that are compacted. */
  #compaction: LogCompaction | undefined

  constructor(host: LogHost, log: StructuredLog, parts: StructureParts) {
    this.#host = host
    this.#log = log
    this.#parts = parts
  }

  /** Told the new end of the log when it is cut. */
  get truncated(): Listeners<number> {
    return (this.#truncated ??= new Listeners())
  }

  get #removals(): SegmentRemover {
    return (this.#remover ??= new SegmentRemover(this.#host, this.#log.path))
  }

  /** Old segments are being deleted: a crash now could bring some of them back. */
  get discarding(): boolean {
    return this.#doomed.length > 0
  }

  /** Runs `work` when all changes that were asked for before have ended. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const run = (this.#last ?? Promise.resolve()).then(work)
    const last = run
      .catch(() => undefined)
      .finally(() => {
        if (this.#last === last) this.#last = undefined
      })
    this.#last = last
    return run
  }

  /** Removes superseded records; see `Cleaner`. */
  compact(request: CompactionRequest): Promise<CompactionReport> {
    this.#compaction ??= new LogCompaction(this.#host, this.#log, {
      remover: this.#removals,
      tail: this.#parts.tail,
      exclusively: (work) => this.exclusively(work),
    })
    return this.#compaction.run(request)
  }

  /** Ends a compaction under way: the log is about to be closed or cut. */
  async endCompaction(reason: string): Promise<void> {
    await this.#compaction?.end(reason)
  }

  /** Deletes the segments that lie below the log start. To be called exclusively. */
  async dropBelowStart(): Promise<void> {
    await this.#deleteFirst(this.#log.segments.floor(this.#log.logStartOffset))
  }

  /** The disk is full: deletes the same at once, without the usual delay. Exclusively, too. */
  async makeRoomBelowStart(): Promise<void> {
    await this.dropBelowStart()
    await this.#remover?.hurry()
  }

  /**
   * Deletes what is too old or too much. To be called exclusively. `nowMs` undefined: leave age
   * out.
   */
  async applyRetention(nowMs: number | undefined): Promise<{ segments: number; bytes: number }> {
    const log = this.#log
    const { segments } = log
    const count = await countDeletable(this.#host, log, nowMs)
    // Kafka does the same when everything has expired: a fresh segment takes over, so that the
    // active one is never deleted.
    const everything = count === segments.count && log.segments === segments
    if (everything && segments.active.sizeBytes > 0) log.roll()
    const deleted = Math.min(count, log.segments.sealedCount)
    const endOffset = log.segments.endOffset(deleted - 1, log.writtenOffset)
    // Otherwise a crash could leave a log that ends before it begins.
    if (deleted > 0) await this.#parts.flush.through(endOffset)
    return { segments: deleted, bytes: await this.#deleteFirst(deleted) }
  }

  /**
   * Cuts everything from `offset` on. To be called exclusively; appends must be refused meanwhile,
   * and all that was written must be on the medium; the cut itself is not.
   */
  async truncate(offset: number): Promise<void> {
    const { segments } = this.#log
    const keep = segments.floor(offset) + 1
    const gone = segments.slice(keep)
    if (keep === 0) {
      // What is left of them would be taken for what follows the cut.
      await this.#discardDoomed()
      const cut = { offset, position: 0, keptEnd: offset }
      await this.#truncate({ ...cut, target: undefined, gone, keep })
      return
    }
    const target = segments.at(keep - 1)
    const { files } = this.#host
    // Readers of other segments may have its file closed, and its indexes go with that.
    files.pin(target.data)
    try {
      const { reads } = this.#parts
      const cut = await locateOffset(this.#host, target, { offset, reads })
      await this.#truncate({ ...cut, target, gone, keep })
    } finally {
      files.unpin(target.data)
    }
  }

  async #truncate(cut: Cut): Promise<void> {
    const log = this.#log
    const { flush } = this.#parts
    flush.hold(Math.min(cut.offset, cut.keptEnd))
    try {
      // Before the cut, so that a crash cannot leave a recovery point beyond the end.
      await this.#host.checkpoint()
      await this.#host.lowerCleanedOffset(log.name, cut.offset)
      await flush.whenIdle()
      const { target } = cut
      while (target !== undefined && target.indexes === undefined) {
        await ensureIndexes(this.#host, target, log.options.indexIntervalBytes)
      }
      // Up to here a failure has changed nothing; from here on it leaves half a cut.
      const active = await this.#firstStep(cut)
      await this.#orPoison('cut', () => this.#cut(cut, active))
    } finally {
      flush.release()
    }
  }

  /**
   * What a cut changes on the disk before it changes anything else. Without room or handles for it
   * nothing has happened. Answers the segment that the log ends with.
   */
  async #firstStep(cut: Cut): Promise<Segment> {
    const { target, gone, position } = cut
    const newest = gone.at(-1)
    if (target !== undefined && newest === undefined) this.#cutFile(target, position)
    const active = target ?? createSegment(this.#host, this.#log.path, cut.offset)
    // Those that go are gone before the file is cut, so that a crash in between leaves no hole.
    if (newest === undefined) return active
    try {
      await this.#removals.begin(newest)
    } catch (error) {
      const failure = ioError(error, { action: 'delete', path: newest.path })
      const told = poisonUnlessItPasses(this.#host, failure)
      if (target === undefined && told.retriable) {
        await this.#orPoison('take back a segment of', () => this.#removals.takeBack(active))
      }
      throw told
    }
    return active
  }

  #cutFile(target: Segment, position: number): void {
    try {
      target.cutFile(position)
    } catch (error) {
      const failure = ioError(error, { action: 'cut', path: target.path })
      throw poisonUnlessItPasses(this.#host, failure)
    }
  }

  async #cut(cut: Cut, active: Segment): Promise<void> {
    const log = this.#log
    const { segments } = log
    const { acknowledgements, flush, tail } = this.#parts
    const { target, gone, keep } = cut
    log.truncations++
    flush.cut(gone)
    log.writtenOffset = cut.offset
    log.logEndOffset = cut.offset
    log.logStartOffset = Math.min(log.logStartOffset, cut.offset)
    const durable = log.options.flushMessages === 1
    acknowledgements.reset(durable ? flush.recoveryPoint : cut.offset)
    tail.clear()
    log.epochs.truncateFromEnd(cut.offset)
    this.#truncated?.tell(cut.offset)
    log.segments = target === undefined ? SegmentList.of([active]) : segments.takeFirst(keep)
    active.unseal()
    target?.truncate(cut.position, cut.offset)
    await this.#discardEnd(gone)
    if (target !== undefined) {
      if (gone.length > 0) target.cutFile(cut.position)
      if (cut.keptEnd < cut.offset) await this.#beginAt(cut.offset, target)
    }
    await log.tracking?.truncate(log)
    const { indexIntervalBytes } = log.options
    await despiteShortage(this.#host, () =>
      findLargestTimestamp(this.#host, log.segments.active, indexIntervalBytes),
    )
  }

  /** What leaves memory and disk apart when it fails half way ends the appends. */
  async #orPoison(action: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw this.#host.poison(ioError(error, { action, path: this.#log.path }))
    }
  }

  /** Newest first. */
  async #discardEnd(gone: readonly Segment[]): Promise<void> {
    const { gapsBelow } = this.#log
    let together: Segment[] = []
    for (const segment of [...gone].reverse()) {
      together.push(segment)
      // Where offsets may be missing a hole would not be noticed.
      if (segment.baseOffset > gapsBelow) continue
      await this.discard(together)
      together = []
    }
    if (together.length > 0) await this.discard(together)
  }

  /** What was compacted away ended the log: a segment of its own tells where it goes on. */
  async #beginAt(offset: number, before: Segment): Promise<void> {
    const log = this.#log
    const segment = await despiteShortage(this.#host, async () =>
      createSegment(this.#host, log.path, offset),
    )
    before.seal()
    log.segments = log.segments.with(segment)
    this.#parts.flush.noteRolled(before)
  }

  /** Takes the files of segments that are not in the list any more off the disk. */
  discard(segments: readonly Segment[]): Promise<void> {
    return this.#removals.discard(segments, this.#log.options.fileDeleteDelayMs)
  }

  /** Ends: waits for changes under way and for pending removals. */
  async finish(): Promise<void> {
    await this.#last
    await this.#remover?.finish()
  }

  /** Deletes the oldest `count` segments, never the active one. Returns the bytes to be freed. */
  async #deleteFirst(count: number): Promise<number> {
    const log = this.#log
    const { segments } = log
    const gone = segments.slice(0, Math.max(0, Math.min(count, segments.sealedCount)))
    if (gone.length === 0) {
      await this.#discardDoomed()
      return 0
    }
    log.segments = segments.dropFirst(gone.length)
    const bytes = segments.sizeBytes - log.segments.sizeBytes
    log.logStartOffset = Math.max(log.logStartOffset, log.segments.firstOffset)
    log.tracking?.forget(gone.map((segment) => segment.baseOffset))
    this.#doomed = [...this.#doomed, ...gone]
    await this.#discardDoomed()
    // Not before, and no further than that: a crash would bring records back without their epochs.
    log.epochs.truncateFromStart(log.segments.firstOffset)
    return bytes
  }

  /** Oldest first, what an attempt that failed has left too: recovery would end at a hole. */
  async #discardDoomed(): Promise<void> {
    const doomed = this.#doomed
    if (doomed.length === 0) return
    // A crash may undo only some renames; the checkpointed log start hides the hole. A disk too
    // full for the checkpoint is no reason to keep what fills it: then they go one by one.
    const noted = await this.#host.checkpoint().then(
      () => true,
      () => false,
    )
    const { poisoned } = this.#host
    if (poisoned !== undefined) throw poisoned
    try {
      if (noted) await this.discard(doomed)
      else for (const segment of doomed) await this.discard([segment])
      this.#doomed = none
    } catch (error) {
      const { path } = this.#log
      const failure = ioError(error, { action: 'delete old segments of', path })
      throw poisonUnlessItPasses(this.#host, failure)
    }
  }
}
