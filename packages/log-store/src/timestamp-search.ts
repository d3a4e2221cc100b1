import type { BatchSummary } from './batch-format.js'
import { ioError, StoreError } from './errors.js'
import { readRange } from './fs/file-system.js'
import { IndexMismatch } from './index-entries.js'
import { largestTimestampAt } from './largest-timestamp.js'
import type { LogHost } from './log-host.js'
import type { LogReadPath, LogView } from './log-read-path.js'
import type { TimestampOffset } from './log.js'
import { pastDamage } from './quarantine.js'
import type { SegmentList } from './segment-list.js'
import type { Segment } from './segment.js'
import { isIndexFault, walk } from './segment-repair.js'

interface Wanted {
  readonly timestampMs: number
  readonly startOffset: number
}

interface Hit {
  readonly batch: BatchSummary
  readonly position: number
}

/**
 * Search by timestamp: a floor search in the time index, then at most one index interval of
 * batches.
 */
export class TimestampSearch {
  readonly #host: LogHost
  readonly #view: LogView
  readonly #reads: LogReadPath

  constructor(host: LogHost, view: LogView, reads: LogReadPath) {
    this.#host = host
    this.#view = view
    this.#reads = reads
  }

  /** First record with a timestamp >= `timestampMs`, below `maxOffset`. */
  first(timestampMs: number, maxOffset: number): Promise<TimestampOffset | undefined> {
    return this.#guarded(() => this.#first(timestampMs, maxOffset))
  }

  /** First record that has the largest timestamp of all. */
  largest(): Promise<TimestampOffset | undefined> {
    return this.#guarded(() => this.#largest())
  }

  async #guarded<Found>(search: () => Promise<Found>): Promise<Found> {
    const view = this.#view
    for (;;) {
      const { segments, truncations } = view
      try {
        const found = await search()
        if (truncations === view.truncations) return found
      } catch (error) {
        // What was searched may have been deleted, cut or replaced meanwhile; then it says nothing.
        const same = segments === view.segments && truncations === view.truncations
        if (!same) continue
        view.requireOpen()
        throw ioError(error, { action: 'search', path: view.path })
      }
    }
  }

  async #first(timestampMs: number, maxOffset: number): Promise<TimestampOffset | undefined> {
    const { segments, logStartOffset } = this.#view
    let at = Math.max(0, segments.floor(logStartOffset))
    for (; ; at++) {
      at = await this.#firstReaching(segments, timestampMs, at)
      if (at >= segments.count || segments.baseAt(at) >= maxOffset) return undefined
      const found = await this.#within(segments.at(at), {
        timestampMs,
        startOffset: logStartOffset,
      })
      if (found !== undefined) return found.offset < maxOffset ? found : undefined
    }
  }

  async #largest(): Promise<TimestampOffset | undefined> {
    const { segments, logStartOffset: startOffset } = this.#view
    const first = Math.max(0, segments.floor(startOffset))
    const best = await this.#largestSince(segments, first)
    if (best === undefined) return undefined
    const wanted = { timestampMs: best.timestamp, startOffset }
    const found = await this.#within(segments.at(best.at), wanted)
    if (found !== undefined || best.at > first) return found
    // It lies below the start, in the segment that the start divides: what is left is looked at.
    const left = await this.#largestLeft(segments.at(first), startOffset)
    const later = await this.#largestSince(segments, first + 1)
    const timestampMs = Math.max(left, later?.timestamp ?? -1)
    if (timestampMs === -1) return undefined
    const at = left === timestampMs ? first : later!.at
    return this.#within(segments.at(at), { timestampMs, startOffset })
  }

  /** The first segment that has the largest timestamp of those from `from` on. */
  async #largestSince(
    segments: SegmentList,
    from: number,
  ): Promise<{ at: number; timestamp: number } | undefined> {
    let best: { at: number; timestamp: number } | undefined
    for (let at = from; at < segments.count; at++) {
      const { timestamp } = await this.#largestAt(segments, at)
      if (timestamp > (best?.timestamp ?? -1)) best = { at, timestamp }
    }
    return best
  }

  /** Largest timestamp from `startOffset` on, -1 when there is none: reads every header. */
  async #largestLeft(segment: Segment, startOffset: number): Promise<number> {
    const state: { largest: number; divided: Hit | undefined } = { largest: -1, divided: undefined }
    await this.#reads.indexed(segment)
    await walk(this.#host, segment, await this.#floor(segment, startOffset), (batch, position) => {
      if (batch.lastOffset < startOffset) return true
      if (batch.baseOffset < startOffset) state.divided = { batch, position }
      else state.largest = Math.max(state.largest, batch.maxTimestamp)
      return true
    })
    if (state.divided !== undefined) {
      for (const { offset, timestamp } of await this.#recordsOf(segment, state.divided)) {
        if (offset >= startOffset) state.largest = Math.max(state.largest, timestamp)
      }
    }
    return state.largest
  }

  /**
   * First segment from `from` on that holds such a timestamp. After an opening without the list of
   * a clean close, the first searches have to look into segments for it.
   */
  async #firstReaching(segments: SegmentList, timestampMs: number, from: number): Promise<number> {
    // A cut has it looked for again, and may have failed before.
    const { active, sealedCount } = segments
    if (active.largest === undefined) await this.#largestAt(segments, sealedCount)
    for (let at = from; ;) {
      const unknown = segments.firstUnknownLargest(at)
      at = segments.firstReaching(timestampMs, at, unknown)
      if (at !== unknown) return at
      await this.#largestAt(segments, at)
    }
  }

  #largestAt(segments: SegmentList, at: number): Promise<{ timestamp: number }> {
    return largestTimestampAt(this.#host, { view: this.#view, segments }, at)
  }

  #within(segment: Segment, wanted: Wanted): Promise<TimestampOffset | undefined> {
    return pastDamage(this.#view, segment, () => this.#search(segment, wanted))
  }

  async #search(segment: Segment, wanted: Wanted): Promise<TimestampOffset | undefined> {
    await this.#reads.indexed(segment)
    const start = await this.#startPosition(segment, wanted)
    let hit = await this.#batch(segment, start, wanted)
    while (hit !== undefined) {
      const found = await this.#record(segment, hit, wanted)
      if (found !== undefined) return found
      // The batch has its late timestamp in records below the start: the next one is due.
      hit = await this.#batch(segment, hit.position + hit.batch.sizeInBytes, wanted)
    }
    return undefined
  }

  async #batch(segment: Segment, position: number, wanted: Wanted): Promise<Hit | undefined> {
    const state: { hit: Hit | undefined } = { hit: undefined }
    await walk(this.#host, segment, position, (batch, at) => {
      const matches =
        batch.maxTimestamp >= wanted.timestampMs && batch.lastOffset >= wanted.startOffset
      if (matches) state.hit = { batch, position: at }
      return !matches
    })
    return state.hit
  }

  /** Position to walk from; the time index entry is compared with the batch that it names. */
  async #startPosition(segment: Segment, wanted: Wanted): Promise<number> {
    const { startOffset } = wanted
    try {
      const times = segment.timeIndex()
      if (times === undefined) throw new IndexMismatch()
      const entry = times.floor(wanted.timestampMs)
      if (entry === -1) return await this.#floor(segment, startOffset)
      const offset = segment.baseOffset + times.relativeOffsetAt(entry)
      const timestamp = times.timestampAt(entry)
      const state = { sound: false }
      const position = await this.#floor(segment, offset, (batch) => {
        if (batch.lastOffset < offset) return true
        state.sound = batch.lastOffset === offset && batch.maxTimestamp === timestamp
        return false
      })
      if (state.sound)
        return startOffset <= offset ? position : await this.#floor(segment, startOffset)
    } catch (error) {
      // The walk may have begun in the middle of a batch.
      if (!isIndexFault(error)) throw error
    }
    await this.#reads.reindex(segment)
    return this.#floor(segment, startOffset)
  }

  /** Where the index says that `offset` is found; throws IndexMismatch when it is wrong. */
  async #floor(
    segment: Segment,
    offset: number,
    onBatch: (batch: BatchSummary) => boolean = () => false,
  ): Promise<number> {
    const { position, lastOffset } = segment.floorPosition(offset)
    await walk(this.#host, segment, position, (batch, at) => {
      if (at === position && lastOffset !== undefined && batch.lastOffset !== lastOffset) {
        throw new IndexMismatch()
      }
      return onBatch(batch)
    })
    return position
  }

  async #record(segment: Segment, hit: Hit, wanted: Wanted): Promise<TimestampOffset | undefined> {
    const { leaderEpoch } = hit.batch
    for (const { offset, timestamp } of await this.#recordsOf(segment, hit)) {
      if (timestamp >= wanted.timestampMs && offset >= wanted.startOffset) {
        return { offset, timestamp, leaderEpoch }
      }
    }
    return undefined
  }

  /** Of a batch whose records cannot be told apart: its first offset and its largest timestamp. */
  async #recordsOf(
    segment: Segment,
    { batch, position }: Hit,
  ): Promise<readonly { offset: number; timestamp: number }[]> {
    const { format } = this.#host
    if (format.records === undefined) {
      return [{ offset: batch.baseOffset, timestamp: batch.maxTimestamp }]
    }
    const bytes = await this.#bytesOf(segment, { batch, position })
    try {
      const reason = format.check(bytes, 0)
      if (reason !== undefined) throw new Error(reason)
      return [...format.records.iterate(bytes)]
    } catch (cause) {
      const { path } = segment
      throw new StoreError('KFK_STORE_CORRUPT', `${path} at byte ${position}: records unreadable`, {
        details: { path, position },
        cause,
      })
    }
  }

  async #bytesOf(segment: Segment, { batch, position }: Hit): Promise<Uint8Array> {
    const handle = this.#host.files.pin(segment.data)
    try {
      return await readRange(handle, position, batch.sizeInBytes)
    } finally {
      this.#host.files.unpin(segment.data)
    }
  }
}
