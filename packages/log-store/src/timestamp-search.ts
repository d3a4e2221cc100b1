import type { BatchSummary } from './batch-format.js'
import { StoreError } from './errors.js'
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
  async first(timestampMs: number, maxOffset: number): Promise<TimestampOffset | undefined> {
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

  /** First record that has the largest timestamp of all. */
  async largest(): Promise<TimestampOffset | undefined> {
    const { segments, logStartOffset: startOffset } = this.#view
    let best = { at: -1, timestamp: -1 }
    for (let at = 0; at < segments.count; at++) {
      const { timestamp } = await this.#largestAt(segments, at)
      if (timestamp > best.timestamp) best = { at, timestamp }
    }
    if (best.at === -1) return undefined
    return this.#within(segments.at(best.at), { timestampMs: best.timestamp, startOffset })
  }

  /**
   * First segment from `from` on that holds such a timestamp. After an opening without the list of
   * a clean close, the first searches have to look into segments for it.
   */
  async #firstReaching(segments: SegmentList, timestampMs: number, from: number): Promise<number> {
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
      const { times } = segment.indexes!
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
    const { batch, position } = hit
    const { format } = this.#host
    const { leaderEpoch } = batch
    if (format.records === undefined) {
      return { offset: batch.baseOffset, timestamp: batch.maxTimestamp, leaderEpoch }
    }
    const handle = this.#host.files.pin(segment.data)
    try {
      const bytes = await readRange(handle, position, batch.sizeInBytes)
      const reason = format.check(bytes, 0)
      if (reason !== undefined) throw new Error(reason)
      for (const { offset, timestamp } of format.records.iterate(bytes)) {
        if (timestamp >= wanted.timestampMs && offset >= wanted.startOffset) {
          return { offset, timestamp, leaderEpoch }
        }
      }
      return undefined
    } catch (cause) {
      const { path } = segment
      throw new StoreError('KFK_STORE_CORRUPT', `${path} at byte ${position}: records unreadable`, {
        details: { path, position },
        cause,
      })
    } finally {
      this.#host.files.unpin(segment.data)
    }
  }
}
