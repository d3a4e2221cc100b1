import { join } from 'node:path'
import { BatchCleaner } from './batch-cleaner.js'
import type { CompactionFormat, RecordView } from './batch-format.js'
import { CleanedSegment } from './cleaned-segment.js'
import type { CleaningPace } from './cleaning-pace.js'
import { StoreError } from './errors.js'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import { KeyMap } from './key-map.js'
import type { LogHost } from './log-host.js'
import type { AbortedTransaction } from './log-tracker.js'
import type { LogTracking } from './log-tracking.js'
import type { OffsetGaps } from './offset-gaps.js'
import type { LogOptions } from './options.js'
import type { Quarantine } from './quarantine.js'
import { SegmentBatches } from './segment-batches.js'
import { corruptSegment } from './segment-repair.js'
import type { Segment } from './segment.js'
import { TransactionFilter } from './transaction-filter.js'
import type { TrackedLog } from './transaction-indexes.js'

/** Index entries and positions are int32. */
const maxRelativeOffset = 2 ** 31 - 1
/** So many times `segmentBytes` are read for one replacement: bounds what an abort throws away. */
const groupFactor = 8

/** What compaction needs of its log. */
export interface CompactedLog extends TrackedLog {
  readonly name: string
  readonly path: string
  readonly options: LogOptions
  readonly offsetGaps: OffsetGaps
  readonly quarantine: Quarantine
  readonly tracking: LogTracking | undefined
}

/** One compaction of one log. */
export interface CompactionPlan {
  /** All below is clean: no two records with the same key. */
  readonly firstDirtyOffset: number
  /**
   * Segments from here on stay as they are; the base offset of a segment. All transactions that
   * begin below have ended.
   */
  readonly limitOffset: number
  /** Bound of the key map. */
  readonly dedupeBufferBytes: number
  readonly nowMs: number
  readonly pace: CleaningPace
  readonly signal: AbortSignal
  /** Puts a replacement into the log; rejects when the log has changed meanwhile. */
  swap(cleaned: CleanedSegment, segment: Segment, group: readonly Segment[]): Promise<void>
  /** All below `offset` is clean now, durably. */
  onCleaned(offset: number): Promise<void>
}

/** What a compaction did. */
export interface CompactionReport {
  readonly name: string
  /** Times the log was gone through: more than one when the keys did not fit. */
  readonly passes: number
  /** Of the segments that were looked at. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly recordsBefore: number
  readonly recordsAfter: number
  readonly segmentsBefore: number
  readonly segmentsAfter: number
  /** Records without a key, which were dropped. */
  readonly keylessRecords: number
  /** All below is clean. */
  readonly cleanedTo: number
  readonly durationMs: number
}

interface Group {
  readonly output: CleanedSegment
  readonly members: Segment[]
  inputBytes: number
}

/** What is the same for all segments of one pass. */
interface Pass {
  readonly map: KeyMap
  readonly mapEnd: number
  readonly dirtyFrom: number
  readonly limitOffset: number
}

/** Keeps, of the records below the limit, the latest of each key. */
export class Compaction {
  readonly #host: LogHost
  readonly #log: CompactedLog
  readonly #plan: CompactionPlan
  readonly #format: CompactionFormat
  /** By first offset. */
  #aborted: readonly AbortedTransaction[] = []

  /** Throws KFK_STORE_INVALID_ARGUMENT when the format knows no keys. */
  constructor(host: LogHost, log: CompactedLog, plan: CompactionPlan) {
    const { compaction } = host.format
    if (compaction === undefined) {
      const message = `batches of format ${host.format.name} cannot be compacted`
      throw new StoreError('KFK_STORE_INVALID_ARGUMENT', message)
    }
    this.#host = host
    this.#log = log
    this.#plan = plan
    this.#format = compaction
  }

  /**
   * Throws KFK_STORE_CORRUPT at damage, KFK_STORE_NO_SPACE, KFK_STORE_IO, or the signal's reason;
   * the log is sound then, and clean up to the offset of the last `onCleaned`.
   */
  async run(): Promise<CompactionReport> {
    const { clock } = this.#host
    const plan = this.#plan
    const startMs = clock.monotonicMs()
    const { limitOffset } = plan
    const { tracking } = this.#log
    const aborted = (await tracking?.aborted(this.#log, 0, limitOffset)) ?? []
    this.#aborted = aborted.sort((one, other) => one.firstOffset - other.firstOffset)
    const before = this.#extent(limitOffset)
    let passes = 0
    let removed = 0
    let keylessRecords = 0
    let recordsAfter = 0
    let cleanedTo = Math.min(plan.firstDirtyOffset, limitOffset)
    while (before.segments > 0 && (passes === 0 || cleanedTo < limitOffset)) {
      const { map, mapEnd } = await this.#mapKeys(cleanedTo, limitOffset)
      const pass = { map, mapEnd, dirtyFrom: cleanedTo, limitOffset }
      const cleaner = this.#cleaner(pass)
      await this.#clean(pass, cleaner)
      passes++
      removed += cleaner.records - cleaner.keptRecords
      keylessRecords += cleaner.keylessRecords
      recordsAfter = cleaner.keptRecords
      cleanedTo = mapEnd
      await plan.onCleaned(cleanedTo)
    }
    const after = this.#extent(limitOffset)
    return {
      name: this.#log.name,
      passes,
      bytesBefore: before.bytes,
      bytesAfter: after.bytes,
      recordsBefore: recordsAfter + removed,
      recordsAfter,
      segmentsBefore: before.segments,
      segmentsAfter: after.segments,
      keylessRecords,
      cleanedTo,
      durationMs: clock.monotonicMs() - startMs,
    }
  }

  /** Segments that begin below `offset`. */
  #extent(offset: number): { segments: number; bytes: number } {
    const { segments } = this.#log
    const count = segments.floor(offset - 1) + 1
    let bytes = 0
    for (let index = 0; index < count; index++) bytes += segments.sizeAt(index)
    return { segments: count, bytes }
  }

  /** The latest offset of each key from `from` on, as far as they fit. */
  async #mapKeys(from: number, limitOffset: number): Promise<{ map: KeyMap; mapEnd: number }> {
    const maxBytes = this.#plan.dedupeBufferBytes
    const map = new KeyMap({ maxBytes, from, to: limitOffset })
    const progress = { mapEnd: from, full: false }
    const visit = (record: RecordView) => {
      if (progress.full || record.offset < from) return
      if (record.keyLength >= 0 && !map.put(record)) progress.full = true
      else progress.mapEnd = record.offset + 1
    }
    const transactions = new TransactionFilter(
      this.#aborted.filter(({ lastOffset }) => lastOffset >= from),
    )
    const { segments } = this.#log
    const describe = this.#log.tracking && this.#host.format.producer?.describe
    const count = segments.floor(limitOffset - 1) + 1
    for (let index = Math.max(0, segments.floor(from)); index < count; index++) {
      const segment = segments.at(index)
      const verified = { from: segment.baseOffset, to: from }
      await this.#scan(segment, verified, ({ batch, bytes, at: position }) => {
        if (batch.lastOffset < from) return true
        const producer = describe?.(bytes, position)
        const { lastOffset } = batch
        const useless =
          producer !== undefined &&
          transactions.isUseless(producer, lastOffset, batch.recordCount === 0)
        if (!useless && producer?.control === undefined) {
          this.#format.visit(bytes, position, visit)
        }
        if (!progress.full) progress.mapEnd = lastOffset + 1
        return !progress.full
      })
      if (progress.full) break
      progress.mapEnd = Math.min(segments.endOffset(index, limitOffset), limitOffset)
    }
    return { map, mapEnd: progress.mapEnd }
  }

  #cleaner(pass: Pass): BatchCleaner {
    const { nowMs } = this.#plan
    return new BatchCleaner({
      ...pass,
      format: this.#host.format,
      compaction: this.#format,
      nowMs,
      deleteRetentionMs: this.#log.options.deleteRetentionMs,
      aborted: this.#aborted,
      tracker: this.#log.tracking?.tracker,
    })
  }

  /** Writes the segments below the map's end anew. */
  async #clean(pass: Pass, cleaner: BatchCleaner): Promise<void> {
    let group: Group | undefined
    try {
      const { segments } = this.#log
      const count = segments.floor(pass.mapEnd - 1) + 1
      for (let index = 0; index < count; index++) {
        const segment = segments.at(index)
        const endOffset = segments.endOffset(index, pass.limitOffset)
        if (group !== undefined && !(await this.#fits(group, segment, endOffset))) {
          const finished = group
          group = undefined
          await this.#finish(finished, cleaner)
        }
        group ??= this.#begin(segment)
        group.members.push(segment)
        group.inputBytes += segment.sizeBytes
        await this.#copy(segment, { pass, cleaner, output: group.output })
      }
      if (group === undefined) return
      const finished = group
      group = undefined
      await this.#finish(finished, cleaner)
    } finally {
      // What is left behind is removed before the next compaction, or at the next opening.
      await group?.output.discard().catch(() => undefined)
    }
  }

  #begin(segment: Segment): Group {
    const { baseOffset } = segment
    const { path: directory, options } = this.#log
    const { indexIntervalBytes } = options
    const output = new CleanedSegment(this.#host, { directory, baseOffset, indexIntervalBytes })
    return { output, members: [], inputBytes: 0 }
  }

  async #fits(group: Group, segment: Segment, endOffset: number): Promise<boolean> {
    const { segmentBytes, segmentIndexBytes } = this.#log.options
    const { output, inputBytes } = group
    if (output.sizeBytes + segment.sizeBytes > segmentBytes) return false
    if (inputBytes + segment.sizeBytes > segmentBytes * groupFactor) return false
    if (endOffset - 1 - output.baseOffset > maxRelativeOffset) return false
    const indexBytes = await this.#indexBytes(segment)
    return output.indexBytes + indexBytes <= segmentIndexBytes
  }

  async #indexBytes(segment: Segment): Promise<number> {
    let largest = 0
    for (const suffix of [segmentSuffixes.offsetIndex, segmentSuffixes.timeIndex]) {
      const path = join(this.#log.path, segmentFileName(segment.baseOffset, suffix))
      const stat = await this.#host.fileSystem.stat(path)
      largest = Math.max(largest, stat?.sizeBytes ?? 0)
    }
    return largest
  }

  async #copy(
    segment: Segment,
    into: { pass: Pass; cleaner: BatchCleaner; output: CleanedSegment },
  ): Promise<void> {
    const { pass, cleaner, output } = into
    const { pace } = this.#plan
    cleaner.output = output
    let accounted = output.sizeBytes
    const verified = { from: pass.dirtyFrom, to: pass.mapEnd }
    await this.#scan(
      segment,
      verified,
      ({ batch, bytes, at }) => {
        cleaner.clean(batch, bytes, at)
        return true
      },
      async () => {
        const written = output.sizeBytes
        await pace.transferred(written - accounted)
        accounted = written
        await output.syncIfDue()
      },
    )
  }

  /** Visits the batches of a segment in slices; `visit` ends the scan with false. */
  async #scan(
    segment: Segment,
    verified: { from: number; to: number },
    visit: (batches: SegmentBatches) => boolean,
    afterPiece?: () => Promise<void>,
  ): Promise<void> {
    const { pace } = this.#plan
    const { files } = this.#host
    // What is damaged cannot be copied, and what it superseded would come back without it.
    if (segment.damage !== undefined) throw corruptSegment(segment, segment.damage)
    const handle = files.pin(segment.data)
    const batches = new SegmentBatches(this.#host, segment, { handle, pace, verified })
    try {
      while (await batches.nextPiece()) {
        while (batches.next()) {
          if (!visit(batches)) return
          if (pace.worked(batches.batch.sizeInBytes)) await pace.rest()
        }
        await afterPiece?.()
      }
    } catch (error) {
      if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') {
        await this.#log.quarantine.inspect(segment, this.#plan.signal)
      }
      throw error
    } finally {
      await batches.end()
      files.unpin(segment.data)
    }
  }

  async #finish(group: Group, cleaner: BatchCleaner): Promise<void> {
    const { output, members } = group
    const changed = cleaner.changed || members.length > 1
    cleaner.changed = false
    let done = false
    try {
      if (!changed) return
      const segment = await output.finish()
      this.#plan.signal.throwIfAborted()
      await this.#log.offsetGaps.raiseDurably(this.#plan.limitOffset)
      await this.#plan.swap(output, segment, members)
      done = true
    } finally {
      if (!done) await output.discard().catch(() => undefined)
    }
  }
}
