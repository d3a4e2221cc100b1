import { outOfRange, StoreError } from './errors.js'
import type { EmbeddedRecord, LogPage } from './log-page.js'
import { nextTurn } from './next-turn.js'

/** What a follower needs of its log. */
export interface FollowedLog {
  readonly offsets: { readonly logStartOffset: number; readonly logEndOffset: number }
  /** All below may be read by this follower. */
  readableOffset(): number
  page(from: number): Promise<LogPage>
  /** Resolves when all below `offset` may be read. */
  whenReadable(offset: number, signal: AbortSignal): Promise<void>
}

export interface FollowerOptions {
  /** Undefined: where the log starts when the first record is asked for. */
  readonly from: number | undefined
  readonly signal: AbortSignal | undefined
  /** What happens when the next record, or one that was given, is no part of the log any more. */
  readonly ifLost: 'throw' | 'skip'
}

/** So often in a row it looks for records, in vain, within one turn of the event loop. */
const quickLooks = 8

/** Gives the records from an offset on, then those that come, until it is told to end. */
export class LogFollower {
  readonly #log: FollowedLog
  readonly #options: FollowerOptions
  /** Of the log: this one is in it while it runs. */
  readonly #running: Set<LogFollower>
  #next = 0
  /** Lowest end of the log by truncation since the last look. */
  #cutTo = Number.MAX_SAFE_INTEGER
  #ended = false
  #wake = new AbortController()
  readonly #end = () => this.end()

  constructor(log: FollowedLog, running: Set<LogFollower>, options: FollowerOptions) {
    this.#log = log
    this.#running = running
    this.#options = options
  }

  /** Everything from `endOffset` on was cut off. */
  noteTruncated(endOffset: number): void {
    this.#cutTo = Math.min(this.#cutTo, endOffset)
    this.#wake.abort()
    this.#wake = new AbortController()
  }

  /** The iteration ends with the record that it is at. */
  end(): void {
    this.#ended = true
    this.#running.delete(this)
    this.#options.signal?.removeEventListener('abort', this.#end)
    this.#wake.abort()
  }

  /**
   * The iteration. An async generator alone would hold `return` back until the `next` that waits at
   * the end of the log has its record.
   */
  iterate(): AsyncGenerator<EmbeddedRecord, void, undefined> {
    const records = this.#records()
    const iteration: AsyncGenerator<EmbeddedRecord, void, undefined> = {
      next: () => records.next(),
      return: (value) => {
        this.end()
        return records.return(value)
      },
      throw: (error) => {
        this.end()
        return records.throw(error)
      },
      [Symbol.asyncIterator]: () => iteration,
      async [Symbol.asyncDispose]() {
        await iteration.return()
      },
    }
    return iteration
  }

  async *#records(): AsyncGenerator<EmbeddedRecord, void, undefined> {
    this.#begin()
    let vain = 0
    try {
      while (!this.#ended) {
        this.#findPlace()
        const { signal } = this.#wake
        const page = await this.#page(signal)
        vain = page === undefined || page.records.length === 0 ? vain + 1 : 0
        // Whatever the log says: others must have their turn.
        if (vain > quickLooks) await nextTurn()
        if (page === undefined) continue
        for (const record of page.records) {
          if (signal.aborted) break
          yield record
          this.#next = record.offset + 1
        }
        // Compaction may have taken the last records of the page.
        if (!signal.aborted) this.#next = page.nextOffset
      }
    } catch (error) {
      const closed = error instanceof StoreError && error.code === 'KFK_STORE_CLOSED'
      if (!closed) throw error
    } finally {
      this.end()
    }
  }

  #begin(): void {
    const { from, signal } = this.#options
    this.#next = from ?? this.#log.offsets.logStartOffset
    this.#running.add(this)
    if (signal?.aborted === true) this.#ended = true
    else signal?.addEventListener('abort', this.#end)
  }

  /** The log may have lost what comes next, at either end. */
  #findPlace(): void {
    const { logStartOffset: startOffset, logEndOffset } = this.#log.offsets
    const endOffset = Math.min(logEndOffset, this.#cutTo)
    this.#cutTo = Number.MAX_SAFE_INTEGER
    if (this.#next >= startOffset && this.#next <= endOffset) return
    if (this.#options.ifLost === 'throw') throw outOfRange(this.#next, startOffset, endOffset)
    this.#next = this.#next < startOffset ? startOffset : endOffset
  }

  /** Undefined: have another look at where the log is. */
  async #page(signal: AbortSignal): Promise<LogPage | undefined> {
    try {
      if (this.#next >= this.#log.readableOffset()) {
        await this.#log.whenReadable(this.#next + 1, signal).catch(unlessRetriable)
        return undefined
      }
      const page = await this.#log.page(this.#next)
      return signal.aborted ? undefined : page
    } catch (error) {
      if (!signal.aborted && !isStartMoved(error)) throw error
      return undefined
    }
  }
}

/** What was waited for has been taken back, or takes long: the log goes on. */
function unlessRetriable(error: unknown): void {
  if (!(error instanceof StoreError && error.retriable)) throw error
}

/** What comes next has been deleted since the last look at where the log is. */
function isStartMoved(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'KFK_STORE_OFFSET_OUT_OF_RANGE'
}
