import type { Acknowledgements } from './acknowledgements.js'
import type { BatchSummary } from './batch-format.js'
import { AdmissionRules, admitBatches, AppendQueue } from './append-queue.js'
import { diagnostics } from './diagnostics.js'
import type { EpochIndex } from './epoch-index.js'
import { ioError, type StoreError } from './errors.js'
import type { Writable } from './flush-scheduler.js'
import type { HotTail } from './hot-tail.js'
import { Listeners } from './listeners.js'
import type { LogFlush } from './log-flush.js'
import type { LogHost } from './log-host.js'
import type { LogTracking } from './log-tracking.js'
import type { AppendInfo, Rollback } from './log.js'
import { OffsetWaiters } from './offset-waiters.js'
import type { OffsetGaps } from './offset-gaps.js'
import type { LogOptions } from './options.js'
import { mustRoll, type NextAppend, type QueuedForRoll } from './roll-policy.js'
import { createSegment } from './segment-files.js'
import type { SegmentList } from './segment-list.js'
import { maxRelativeOffset, type Segment } from './segment.js'

/** What appending needs to know, and to move, of its log. */
export interface AppendedLog extends Writable {
  readonly name: string
  readonly path: string
  readonly options: LogOptions
  readonly epochs: EpochIndex
  readonly offsetGaps: OffsetGaps
  /** Offsets below it may be missing between batches. */
  readonly gapsBelow: number
  readonly tracking: LogTracking | undefined
  segments: SegmentList
  logEndOffset: number
  writtenOffset: number
  /** Why appends are refused now. */
  readonly refusal: StoreError | undefined
  /** Moves on what may be acknowledged. */
  acknowledge(): void
}

/** One write that succeeded. */
interface Written {
  readonly batches: readonly BatchSummary[]
  readonly records: number
  readonly bytes: number
  readonly durationMs: number
}

/** The parts of the log that hear of every write. */
interface AppendParts {
  readonly flush: LogFlush
  readonly acknowledgements: Acknowledgements
  readonly tail: HotTail
}

// Used within one synchronous call at a time, of whichever log. Made anew for each append they
// would be a third of its garbage.
const rules = new AdmissionRules()
const queuedForRoll: QueuedForRoll = { bytes: 0, batches: 0, timestamp: -1 }

/** From bytes that were handed over to bytes in the active segment: offsets, queue, write, roll. */
export class AppendPath {
  writes = 0
  writtenBytes = 0
  readonly #host: LogHost
  readonly #log: AppendedLog
  readonly #parts: AppendParts
  readonly #queue = new AppendQueue()
  #rollbacks: Listeners<Rollback> | undefined
  /** Made when somebody waits for a write. */
  #written: OffsetWaiters | undefined
  #writeFailure: StoreError | undefined

  constructor(host: LogHost, log: AppendedLog, parts: AppendParts) {
    this.#host = host
    this.#log = log
    this.#parts = parts
  }

  /** Told of writes that failed. */
  get rollbacks(): Listeners<Rollback> {
    return (this.#rollbacks ??= new Listeners())
  }

  get queuedBytes(): number {
    return this.#queue.bytes
  }

  /** Gives up what is queued: the log is closed or poisoned. */
  drop(error: StoreError): void {
    this.#queue.clear()
    this.#log.tracking?.rollBack()
    this.#written?.fail(error)
  }

  /** Resolves when all below `offset` is in the file. */
  whenWritten(offset: number, signal?: AbortSignal, group?: number): Promise<void> {
    const { refusal, writtenOffset } = this.#log
    if (offset <= writtenOffset) return Promise.resolve()
    if (refusal?.retriable === false) return Promise.reject(refusal)
    this.#written ??= new OffsetWaiters()
    return this.#written.wait(offset, signal, group)
  }

  /** Assigns offsets (`leaderEpoch` undefined: keeps them), and queues. */
  enqueue(bytes: Uint8Array, leaderEpoch: number | undefined): AppendInfo {
    const log = this.#log
    const queue = this.#queue
    const { batches } = queue
    const first = batches.length
    this.#setRules(leaderEpoch)
    // Into the queue at once: a list per append would cost more than all else that is done here.
    admitBatches(this.#host.format, bytes, rules, batches)
    let maxTimestamp = -1
    let records = 0
    for (let at = first; at < batches.length; at++) {
      const batch = batches[at]!
      if (batch.maxTimestamp > maxTimestamp) maxTimestamp = batch.maxTimestamp
      records += batch.recordCount
    }
    const { baseOffset } = batches[first]!
    const { lastOffset } = batches[batches.length - 1]!
    const info = { baseOffset, lastOffset, maxTimestamp, sizeInBytes: bytes.length }
    if (leaderEpoch === undefined) this.#noteGaps(batches, first)
    if (this.#needsRoom(info, first)) {
      batches.length = first
      this.#makeRoom(info)
      // Whoever was told of an acknowledgement may have appended: the offsets may be others now.
      return this.enqueue(bytes, leaderEpoch)
    }
    // Stamped batches have one epoch, those of a leader may have several.
    const epochs = leaderEpoch === undefined ? batches.length : first + 1
    for (let at = first; at < epochs; at++) {
      log.epochs.wrote(batches[at]!.leaderEpoch, batches[at]!.baseOffset)
    }
    log.tracking?.apply(bytes, first === 0 ? batches : batches.slice(first))
    if (queue.isEmpty) this.#host.writes.request(log)
    queue.addChunk(bytes, records)
    log.logEndOffset = lastOffset + 1
    return info
  }

  #setRules(leaderEpoch: number | undefined): void {
    const { logEndOffset, epochs, options } = this.#log
    rules.limits = options
    rules.next.baseOffset = logEndOffset
    rules.next.leaderEpoch = leaderEpoch ?? -1
    rules.areStamped = leaderEpoch !== undefined
    rules.lastEpoch = epochs.at(logEndOffset - 1) ?? -1
  }

  /** Writes what is queued to the active segment, in one call to the system. */
  writeQueued(): void {
    const written = this.#write()
    if (written !== undefined) this.#announce(written)
  }

  /** Seals the active segment, unless it is empty, and begins a new one at the log end. */
  roll(): void {
    const written = this.#write()
    const { logEndOffset, segments } = this.#log
    try {
      // After a failed write somebody may have queued again.
      const ready = segments.active.sizeBytes > 0 && this.#queue.isEmpty
      if (ready) {
        this.#beginSegment(logEndOffset)
        this.#parts.flush.wake()
      }
    } finally {
      if (written !== undefined) this.#announce(written)
    }
  }

  /** Undefined when there was nothing to write, or it failed. */
  #write(): Written | undefined {
    const queue = this.#queue
    if (queue.isEmpty) return undefined
    const log = this.#log
    const segment = log.segments.active
    const { chunks, batches, records } = queue
    const { clock, metrics } = this.#host
    const startedMs = clock.monotonicMs()
    let position = -1
    let bytes: number
    try {
      position = segment.sizeBytes
      bytes = segment.write(chunks)
    } catch (error) {
      this.#writeFailed(error, { segment, position })
      return undefined
    }
    this.writes++
    this.writtenBytes += bytes
    const nowMs = clock.monotonicMs()
    const durationMs = nowMs - startedMs
    segment.warmth.noteWritten(position, position + bytes, nowMs)
    metrics.noteWrite(bytes, records, durationMs)
    const startOffset = log.writtenOffset
    queue.clear()
    segment.noteBatches(batches, position, log.options.indexIntervalBytes)
    log.tracking?.written(segment.baseOffset)
    this.#parts.tail.append(chunks, batches, startOffset)
    log.writtenOffset = batches[batches.length - 1]!.lastOffset + 1
    this.#parts.flush.noteWritten(records, bytes)
    return { batches, records, bytes, durationMs }
  }

  /** May call back: the log must be whole, for whoever is called may append. */
  #announce(written: Written): void {
    this.#written?.release(this.#log.writtenOffset)
    if (diagnostics.append.hasSubscribers) this.#tell(written)
    this.#log.acknowledge()
  }

  #tell(written: Written): void {
    const { batches } = written
    diagnostics.append.publish({
      log: this.#log.name,
      path: this.#log.path,
      ...written,
      baseOffset: batches[0]!.baseOffset,
      lastOffset: batches.at(-1)!.lastOffset,
      batches: batches.length,
    })
  }

  /** The queue must be empty. */
  #beginSegment(baseOffset: number): void {
    const log = this.#log
    const old = log.segments.active
    const segment = createSegment(this.#host, log.path, baseOffset)
    // The log ends where its last segment begins, whatever becomes of the next write.
    log.logEndOffset = baseOffset
    log.writtenOffset = baseOffset
    old.seal()
    log.segments = log.segments.with(segment)
    log.tracking?.rolled(old.baseOffset, segment.baseOffset)
    this.#parts.flush.noteRolled(old)
    this.#host.metrics.rolls++
    if (diagnostics.roll.hasSubscribers) {
      diagnostics.roll.publish({
        log: log.name,
        path: log.path,
        baseOffset: segment.baseOffset,
        sealedBaseOffset: old.baseOffset,
        sealedBytes: old.sizeBytes,
      })
    }
  }

  /**
   * Replicated batches may leave offsets out: recovery has to know before it can meet them. The
   * bound stays when they are taken back, for their segment may have begun there already. Nothing
   * is lost by that: what is missing below it is taken for normal later, and is not reported.
   */
  #noteGaps(batches: readonly BatchSummary[], first: number): void {
    const { offsetGaps, logEndOffset } = this.#log
    let due = logEndOffset
    for (let at = first; at < batches.length; at++) {
      const { baseOffset, lastOffset } = batches[at]!
      if (baseOffset > due && baseOffset > this.#log.gapsBelow) offsetGaps.raise(baseOffset)
      due = lastOffset + 1
    }
    if (offsetGaps.unsaved) this.#parts.flush.noteGaps()
  }

  /** `queued` batches are in the queue before those of `next`. */
  #needsRoom(next: NextAppend, queued: number): boolean {
    const { maxQueuedBytes } = this.#log.options
    if (queued > 0 && this.#queue.bytes + next.sizeInBytes > maxQueuedBytes) return true
    return this.#mustRoll(next, queued)
  }

  #mustRoll(next: NextAppend, queued: number): boolean {
    const queue = this.#queue
    queuedForRoll.bytes = queue.bytes
    queuedForRoll.batches = queued
    queuedForRoll.timestamp = queued === 0 ? -1 : queue.batches[0]!.maxTimestamp
    return mustRoll(this.#log, next, queuedForRoll, this.#host.clock)
  }

  /** Writes the queue now; throws if it cannot, for what comes next has no offsets then. */
  #makeRoom(next: NextAppend): void {
    const log = this.#log
    const expected = log.logEndOffset
    const written = this.#write()
    const failure = log.refusal ?? this.#writeFailure
    if (failure !== undefined && log.writtenOffset !== expected) throw failure
    try {
      if (this.#mustRoll(next, 0)) {
        // A replicated batch may be too far ahead for the indexes of any segment that begins here.
        const reached = next.lastOffset - log.logEndOffset <= maxRelativeOffset
        this.#beginSegment(reached ? log.logEndOffset : next.baseOffset)
      }
    } finally {
      if (written !== undefined) this.#announce(written)
    }
  }

  #writeFailed(error: unknown, at: { segment: Segment; position: number }): void {
    const failure = ioError(error, { action: 'append to', path: at.segment.path })
    this.#writeFailure = failure
    if (!failure.retriable) {
      this.#host.poison(failure)
      return
    }
    // A file that could not even be opened was not written to.
    const opened = at.position >= 0 && at.segment.data.handle !== undefined
    try {
      if (opened) at.segment.cutBack(at.position)
    } catch (cutError) {
      this.#host.poison(ioError(cutError, { action: 'cut', path: at.segment.path }))
      return
    }
    const log = this.#log
    this.#queue.clear()
    log.logEndOffset = log.writtenOffset
    log.epochs.truncateFromEnd(log.writtenOffset)
    log.tracking?.rollBack()
    if (opened) this.#parts.flush.noteCutBack()
    this.#written?.rollBack(log.writtenOffset, failure)
    this.#parts.flush.rollBack(log.writtenOffset, failure)
    this.#parts.acknowledgements.rollBack(log.writtenOffset, failure)
    this.#rollbacks?.tell({ endOffset: log.writtenOffset, error: failure })
  }
}
