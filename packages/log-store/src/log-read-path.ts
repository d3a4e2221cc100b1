import { diagnostics, type ReadTemperature } from './diagnostics.js'
import { ioError, outOfRange, requireInteger, type StoreError } from './errors.js'
import type { FileHandle } from './fs/file-system.js'
import type { HotTail } from './hot-tail.js'
import type { LogHost } from './log-host.js'
import type { LogSlice, ReadRequest } from './log.js'
import { IndexMismatch } from './index-entries.js'
import { readSlice, readSliceSync, SliceBuilder } from './log-reader.js'
import type { SliceRequest, SliceResult } from './log-reader.js'
import { damageError, describeDamage, pastDamage, type Quarantine } from './quarantine.js'
import type { SegmentList } from './segment-list.js'
import type { Segment } from './segment.js'
import { corruptSegment, ensureIndexes, rebuildIndexes } from './segment-repair.js'

/** What a reader sees of a log at one moment. */
export interface LogView {
  readonly name: string
  readonly path: string
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly writtenOffset: number
  readonly indexIntervalBytes: number
  /** Offsets below it may be missing between batches. */
  readonly gapsBelow: number
  readonly quarantine: Quarantine
  /** Counts truncations: a read that spans one starts over. */
  readonly truncations: number
  /** Throws KFK_STORE_CLOSED: the files of a log that was deleted are gone, which is no failure. */
  requireOpen(): void
}

/**
 * An answer from the tail shorter than this is made longer by a read of the file, if there is more.
 */
const shortTailBytes = 64 * 1024

/** What was read, from wherever. */
type Answer = Pick<LogSlice, 'bytes' | 'nextOffset'>

/** One read of a file that answered. */
interface FileRead {
  readonly segment: Segment
  readonly result: SliceResult
  readonly startedMs: number
}

/** Reading by offset: memory, then page cache, then disk. */
export class LogReadPath {
  hotReads = 0
  warmReads = 0
  coldReads = 0
  readonly #host: LogHost
  readonly #view: LogView
  readonly #tail: HotTail
  /** Indexes that are being loaded or rebuilt; undefined when none is. */
  #rebuilding: Map<Segment, Promise<unknown>> | undefined

  constructor(host: LogHost, view: LogView, tail: HotTail) {
    this.#host = host
    this.#view = view
    this.#tail = tail
  }

  readNow(request: ReadRequest): LogSlice | undefined {
    const bounds = this.#bounds(request)
    if (request.from >= bounds.limitOffset) {
      this.#tail.grant()
      return this.#slice(new Uint8Array(0), request.from)
    }
    const { clock } = this.#host
    const hotStartedMs = diagnostics.read.hasSubscribers ? clock.monotonicMs() : 0
    const hot = this.#tail.read(bounds)
    if (
      hot !== undefined &&
      !(hot.more && hot.bytes.length < Math.min(shortTailBytes, request.maxBytes))
    ) {
      this.#noteHot(request, hot, hotStartedMs)
      return this.#slice(hot.bytes, hot.nextOffset)
    }
    const startedMs = clock.monotonicMs()
    const { segments } = this.#view
    for (let at = Math.max(0, segments.floor(request.from)); at < segments.count; at++) {
      const segment = segments.at(at)
      const result = this.#readWarm(segment, bounds, startedMs)
      // The slow way takes a second look at what cannot be.
      if (result === undefined || this.#reachesTooFar(segments, at, result)) return undefined
      if (!result.exhausted) {
        this.#note('warm', request, { segment, result, startedMs })
        return this.#finish(segment, result)
      }
      if (!this.#mayGoOn(segments, at)) return undefined
    }
    // Nothing up to there: compaction has removed what ended the log.
    return this.#slice(new Uint8Array(0), bounds.limitOffset)
  }

  async read(request: ReadRequest): Promise<LogSlice> {
    for (;;) {
      const now = this.readNow(request)
      if (now !== undefined) return now
      const { segments, truncations } = this.#view
      try {
        const slice = await this.#readCold(request)
        if (truncations === this.#view.truncations) return slice
      } catch (error) {
        // What was read may have been cut away or replaced meanwhile; then the error says nothing.
        if (segments !== this.#view.segments || truncations !== this.#view.truncations) continue
        this.#view.requireOpen()
        throw error
      }
    }
  }

  /** Indexes of a segment, loaded or rebuilt; concurrent callers share the work. */
  async indexed(segment: Segment): Promise<void> {
    if (segment.indexes !== undefined) return
    await this.#once(segment, () =>
      ensureIndexes(this.#host, segment, this.#view.indexIntervalBytes),
    )
  }

  /** The index pointed at the wrong batch. */
  async reindex(segment: Segment): Promise<void> {
    const { indexIntervalBytes } = this.#view
    const reason = 'an entry does not match the data'
    await this.#once(segment, () =>
      rebuildIndexes(this.#host, segment, { indexIntervalBytes, reason }),
    )
  }

  async #readCold(request: ReadRequest): Promise<LogSlice> {
    const startedMs = this.#host.clock.monotonicMs()
    const bounds = this.#bounds(request)
    const { segments } = this.#view
    for (let at = Math.max(0, segments.floor(request.from)); at < segments.count; at++) {
      const segment = segments.at(at)
      const handle = this.#pin(segment)
      try {
        const result = await pastDamage(this.#view, segment, async () => {
          const found = await this.#readIndexed(segment, bounds, (builder) =>
            readSlice(builder, handle),
          )
          const early = found.exhausted && !this.#mayGoOn(segments, at)
          if (early) throw this.#endsEarly(segments, at, request.from)
          if (this.#reachesTooFar(segments, at, found)) throw this.#tooFar(segment, found)
          return found
        })
        if (!result.exhausted) {
          this.#note('cold', request, { segment, result, startedMs })
          return this.#finish(segment, result)
        }
      } catch (error) {
        throw this.#explained(segment, error)
      } finally {
        this.#host.files.unpin(segment.data)
      }
    }
    // Nothing up to there: compaction has removed what ended the log.
    return this.#slice(new Uint8Array(0), bounds.limitOffset)
  }

  /** Nothing more in the segment at `at`: whether that is how it should be. */
  #mayGoOn(segments: SegmentList, at: number): boolean {
    if (segments.at(at).damage !== undefined) return false
    return segments.endOffset(at, this.#view.writtenOffset) <= this.#view.gapsBelow
  }

  #endsEarly(segments: SegmentList, at: number, from: number): StoreError {
    const segment = segments.at(at)
    if (segment.damage !== undefined) {
      return damageError(
        describeDamage({ name: this.#view.name, segments }, segment, segment.damage),
      )
    }
    const end = segments.endOffset(at, this.#view.writtenOffset)
    const reason = `the segment ends before offset ${from} although it goes up to ${end}`
    return corruptSegment(segment, { position: segment.sizeBytes, nextOffset: from, reason })
  }

  /** A batch that claims offsets of later ones would hide them all. */
  #reachesTooFar(segments: SegmentList, at: number, { reaches }: SliceResult): boolean {
    return reaches !== undefined && reaches >= segments.endOffset(at, this.#view.logEndOffset)
  }

  #tooFar(segment: Segment, { reaches, endPosition, nextOffset }: SliceResult): StoreError {
    const reason = `a batch up to offset ${reaches}, beyond where the segment ends`
    return corruptSegment(segment, { position: endPosition, nextOffset, reason })
  }

  /** Known damage is told in full. */
  #explained(segment: Segment, error: unknown): StoreError {
    const failure = ioError(error, { action: 'read', path: segment.path })
    const { damage } = segment
    if (failure.code !== 'KFK_STORE_CORRUPT' || damage === undefined) return failure
    return damageError(describeDamage(this.#view, segment, damage))
  }

  async #readIndexed(
    segment: Segment,
    bounds: SliceRequest,
    run: (builder: SliceBuilder) => Promise<SliceResult>,
  ): Promise<SliceResult> {
    if (!segment.loadOffsets()) await this.indexed(segment)
    try {
      return await run(this.#builder(segment, bounds))
    } catch (error) {
      if (!(error instanceof IndexMismatch)) throw error
      await this.reindex(segment)
      return await run(this.#builder(segment, bounds))
    }
  }

  /** Undefined when the read may have to wait for the disk. */
  #readWarm(segment: Segment, bounds: SliceRequest, nowMs: number): SliceResult | undefined {
    const place = segment.placeOf(bounds.from)
    if (place === undefined && !segment.offsetsLoaded) return undefined
    try {
      const builder = this.#builder(segment, bounds, place)
      const end = builder.position + builder.length
      if (!segment.warmth.has(builder.position, end, nowMs)) return undefined
      // Only now: the file of the index may have taken its place among the open ones.
      return readSliceSync(builder, this.#open(segment))
    } catch (error) {
      if (error instanceof IndexMismatch) return undefined
      const failure = ioError(error, { action: 'read', path: segment.path })
      // The slow way takes a second look before it says so.
      if (failure.code === 'KFK_STORE_CORRUPT') return undefined
      throw failure
    }
  }

  #builder(
    segment: Segment,
    bounds: SliceRequest,
    place = segment.placeOf(bounds.from),
  ): SliceBuilder {
    const start =
      place === undefined
        ? { ...segment.floorPosition(bounds.from), exact: false }
        : { position: place, lastOffset: undefined, exact: true }
    return new SliceBuilder(segment, this.#host.format, bounds, start)
  }

  #bounds(request: ReadRequest): SliceRequest {
    const { logStartOffset, logEndOffset, writtenOffset } = this.#view
    const { from, maxBytes, maxOffset } = request
    if (!(from >= logStartOffset && from <= logEndOffset)) {
      throw outOfRange(from, logStartOffset, logEndOffset)
    }
    requireInteger(from)
    return {
      from,
      maxBytes,
      limitOffset: maxOffset === undefined ? writtenOffset : Math.min(maxOffset, writtenOffset),
      minOneBatch: request.minOneBatch ?? true,
      gapsBelow: this.#view.gapsBelow,
      into: request.into,
    }
  }

  #finish(segment: Segment, result: SliceResult): LogSlice {
    if (result.bytes.length > 0) segment.notePlace(result.nextOffset, result.endPosition)
    return this.#slice(result.bytes, result.nextOffset)
  }

  #slice(bytes: Uint8Array, nextOffset: number): LogSlice {
    return { bytes, nextOffset, logStartOffset: this.#view.logStartOffset }
  }

  #noteHot(request: ReadRequest, answer: Answer, startedMs: number): void {
    this.hotReads++
    this.#host.metrics.noteHotRead(answer.bytes.length)
    if (!diagnostics.read.hasSubscribers) return
    this.#tell('hot', request, answer, this.#host.clock.monotonicMs() - startedMs)
  }

  #note(temperature: 'warm' | 'cold', request: ReadRequest, read: FileRead): void {
    const { segment, result, startedMs } = read
    const { clock, metrics } = this.#host
    const nowMs = clock.monotonicMs()
    const durationMs = nowMs - startedMs
    const { endPosition, bytes, readFrom, readTo } = result
    if (temperature === 'warm') {
      const from = endPosition - bytes.length
      segment.warmth.noteWarmRead(from, endPosition, { nowMs, durationMs })
      this.warmReads++
      metrics.noteWarmRead(bytes.length, durationMs)
    } else {
      segment.warmth.noteColdRead(readFrom, readTo, { nowMs, durationMs })
      this.coldReads++
      metrics.noteColdRead(bytes.length, durationMs)
    }
    if (diagnostics.read.hasSubscribers) this.#tell(temperature, request, result, durationMs)
  }

  #tell(
    temperature: ReadTemperature,
    request: ReadRequest,
    answer: Answer,
    durationMs: number,
  ): void {
    diagnostics.read.publish({
      log: this.#view.name,
      path: this.#view.path,
      temperature,
      from: request.from,
      nextOffset: answer.nextOffset,
      bytes: answer.bytes.length,
      durationMs,
    })
  }

  #open(segment: Segment): FileHandle {
    try {
      return this.#host.files.use(segment.data)
    } catch (error) {
      throw ioError(error, { action: 'open', path: segment.path })
    }
  }

  #pin(segment: Segment): FileHandle {
    this.#open(segment)
    return this.#host.files.pin(segment.data)
  }

  #once(segment: Segment, work: () => Promise<unknown>): Promise<unknown> {
    const rebuilding = (this.#rebuilding ??= new Map<Segment, Promise<unknown>>())
    const running = rebuilding.get(segment)
    if (running !== undefined) return running
    const started = work().finally(() => {
      rebuilding.delete(segment)
      if (rebuilding.size === 0) this.#rebuilding = undefined
    })
    rebuilding.set(segment, started)
    return started
  }
}
