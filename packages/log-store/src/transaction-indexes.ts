import { AbortedTransactions } from './aborted-transactions.js'
import type { LogHost } from './log-host.js'
import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import type { SegmentList } from './segment-list.js'
import { TrackerFiles } from './tracker-files.js'
import { TrackerFeed } from './tracker-feed.js'
import { isBase, type ReplayedLog, reportProblems } from './tracker-replay.js'
import { collectAborted } from './transaction-index.js'

type Entries = readonly AbortedTransaction[]

/** What queries and changes need of the log. */
export interface TrackedLog extends ReplayedLog {
  readonly writtenOffset: number
}

/**
 * The transaction indexes of one log, in memory and on disk. That of the active segment is in
 * memory and written when the segment is sealed or the log closed; what is damaged is built anew.
 */
export class TransactionIndexes {
  readonly #host: LogHost
  readonly #files: TrackerFiles
  readonly #name: string
  /** Undefined: no segment has any. */
  #aborted: AbortedTransactions | undefined
  /** How often segments have taken the place of others. */
  #replacements = 0

  constructor(
    host: LogHost,
    options: {
      /** Of the log. */
      readonly name: string
      readonly files: TrackerFiles
      readonly indexed: readonly number[]
    },
  ) {
    this.#host = host
    this.#files = options.files
    this.#name = options.name
    if (options.indexed.length > 0) this.#aborted = new AbortedTransactions(options.indexed)
  }

  /** Base offsets of the segments that have one. */
  get bases(): readonly number[] {
    return this.#aborted?.bases ?? []
  }

  /** Of which the file is not up to date; ascending. */
  get dirty(): readonly number[] {
    return this.#aborted?.dirty ?? []
  }

  append(base: number, entry: AbortedTransaction): void {
    this.#aborted ??= new AbortedTransactions()
    this.#aborted.append(base, entry)
  }

  forget(base: number): void {
    this.#aborted?.forget(base)
  }

  /**
   * This segment has taken the place of others. Its index is on the disk, under its own name when
   * `named` is called: whoever asks meanwhile must not read that of an old segment.
   */
  replaced(base: number, entries: Entries): void {
    this.#replacements++
    this.#aborted?.forget(base)
    if (entries.length === 0) return
    this.#aborted ??= new AbortedTransactions()
    this.#aborted.replaced(base, entries)
  }

  named(): void {
    this.#aborted?.named()
  }

  /** Durable when it resolves. */
  async save(base: number): Promise<void> {
    const entries = this.#aborted?.loaded(base) ?? []
    const { length } = entries
    await this.#files.writeIndex(base, entries)
    // Appends may have added to the active segment's meanwhile.
    if ((this.#aborted?.loaded(base)?.length ?? 0) === length) this.#aborted?.saved(base)
  }

  /** Appends add to what is in memory. */
  async loadActive(log: TrackedLog): Promise<void> {
    const active = log.segments.active.baseOffset
    if (this.bases.includes(active)) await this.#entriesOf(log, active)
  }

  /** The log ends at its `writtenOffset` now. */
  async truncate(log: TrackedLog): Promise<void> {
    const active = log.segments.active.baseOffset
    for (const base of this.bases) if (base > active) this.forget(base)
    if (!this.bases.includes(active)) return
    const entries = await this.#entriesOf(log, active, Number.MAX_SAFE_INTEGER)
    const kept = entries.filter((entry) => entry.lastOffset < log.writtenOffset)
    if (kept.length < entries.length) this.#aborted!.replace(active, kept)
  }

  /** A replay from `from` on is going to tell what is aborted from there on. */
  async dropFrom(log: TrackedLog, from: number): Promise<void> {
    for (const base of this.bases) {
      const next = log.segments.endOffset(log.segments.floor(base), log.writtenOffset)
      if (!isBase(log, base)) this.forget(base)
      else if (base >= from) this.#aborted!.replace(base, [])
      else if (next > from) {
        const range = { baseOffset: base, endOffset: Number.MAX_SAFE_INTEGER }
        const entries = (await this.#files.readIndex(range)) ?? (await this.#find(log, base, from))
        const before = entries.filter((entry) => entry.lastOffset < from)
        this.#aborted!.replace(base, before)
      }
    }
  }

  /** See `Log.abortedTransactionsNow`. */
  collectNow(segments: SegmentList, from: number, to: number): AbortedTransaction[] | undefined {
    if (this.#aborted === undefined) return []
    const base = segments.baseAt(Math.max(0, segments.floor(from)))
    return this.#aborted.collect({ base, from, to })
  }

  /** See `Log.abortedTransactions`. */
  async collect(log: TrackedLog, from: number, to: number): Promise<AbortedTransaction[]> {
    for (;;) {
      const replacements = this.#replacements
      const found = await this.#collect(log, from, to)
      // Else some of it may be of old segments, and the rest not be found any more.
      if (replacements === this.#replacements) return found
    }
  }

  async #collect(log: TrackedLog, from: number, to: number): Promise<AbortedTransaction[]> {
    const found: AbortedTransaction[] = []
    const { bases } = this
    for (const [at, base] of bases.entries()) {
      const behind = (bases[at + 1] ?? Number.MAX_SAFE_INTEGER) <= from
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
    const end = endOffset ?? log.segments.endOffset(log.segments.floor(base), log.writtenOffset)
    const read = await this.#files.readIndex({ baseOffset: base, endOffset: end })
    if (read === undefined && isBase(log, base)) return this.#rebuild(log, base, end)
    this.#aborted?.keep(base, read ?? [])
    return this.#aborted?.loaded(base) ?? read ?? []
  }

  async #rebuild(
    log: TrackedLog,
    base: number,
    endOffset: number,
  ): Promise<readonly AbortedTransaction[]> {
    const entries = await this.#find(log, base, endOffset)
    const path = this.#files.indexPath(base)
    const reason = 'missing or impossible'
    this.#host.report({
      kind: 'index-rebuilt',
      message: `rebuilt ${path}: ${reason}`,
      details: { path, reason },
    })
    const wanted = this.#aborted?.has(base) === true && this.#aborted.loaded(base) === undefined
    if (wanted) this.#aborted!.replace(base, entries)
    return entries
  }

  /**
   * The aborted transactions of a segment whose marker is below `endOffset`, an offset in it or its
   * end, from the data.
   */
  async #find(log: TrackedLog, base: number, endOffset: number): Promise<AbortedTransaction[]> {
    // One of its own for looking at the past of the log.
    const tracker: LogTracker = this.#host.tracker(this.#name)!
    const { snapshots } = await this.#files.list()
    const usable = snapshots.filter((offset) => offset <= base)
    const feed = new TrackerFeed(this.#host, log, {
      ...{ tracker, files: this.#files, snapshots: usable, to: base },
    })
    reportProblems(this.#host, await feed.begin(Math.min(endOffset, log.writtenOffset)))
    return feed.result()!.aborted.flatMap((found) => (found.base === base ? [found.entry] : []))
  }
}
