import type { Clock } from './clock.js'
import type { CompactionReport } from './compaction.js'
import {
  type AppendedRange,
  type AppendOptions,
  type Durability,
  type EmbeddedLogOptions,
  type EmbeddedLogSettings,
  type EmbeddedLogStats,
  type FollowOptions,
  isList,
  logOptionsOf,
  soleLogDefaults,
  type NewRecord,
  type PageOptions,
  type Payload,
  type ReadOptions,
  type RecordsOptions,
  requireDurability,
  requireKey,
  requireSize,
  requireTime,
  toRecord,
  toSoleRecord,
} from './embedded-options.js'
import { appendError, StoreError } from './errors.js'
import type { RecordCodec } from './frame-format.js'
import type { LogDirectory, RetentionReport } from './log-directory.js'
import { type FollowedLog, LogFollower } from './log-follower.js'
import { type EmbeddedRecord, LogPage } from './log-page.js'
import type { AppendInfo, Log, LogSlice } from './log.js'
import { nextTurn } from './next-turn.js'
import { openLogDirectory } from './open-log-directory.js'
import { damageError } from './quarantine.js'

/** The only log of a directory that was opened with `openLog`. */
const soleName = 'log-0'
const defaultPageBytes = 256 * 1024
/**
 * Pages from memory or the page cache come without waiting: after so many bytes timers and others
 * have their turn, or an iteration over a large log would keep them from it to its end.
 */
const bytesATurn = 256 * 1024
/** A page counts for this at least. */
const leastPageBytes = 1024
/** So often is looked for what is too old or too much. */
const retentionCheckMs = 300_000

/**
 * Opens the log in a directory, which it has for itself; both are made when missing. Throws
 * KFK_STORE_LOCKED when another process has the directory, KFK_STORE_CORRUPT when records that had
 * been synced are damaged, KFK_STORE_INVALID_ARGUMENT, _IO.
 */
export async function openLog(
  path: string,
  options: EmbeddedLogOptions = {},
): Promise<EmbeddedLog> {
  const settings = logOptionsOf({ ...soleLogDefaults, ...options })
  const directory = await openLogDirectory(path, { retentionCheckMs, ...options })
  try {
    const log = await directory.open(soleName, settings)
    return new EmbeddedLog(directory, log, { ownsDirectory: true })
  } catch (error) {
    await directory.close().catch((failure: unknown) => {
      const message = `cannot close ${path}, whose log could not be opened: ${String(failure)}`
      options.onReport?.({
        kind: 'background-failure',
        message,
        details: { path, error: failure },
      })
    })
    throw error
  }
}

/**
 * Opens one of several logs of a directory, which closes them all when it is closed. A name is
 * `<topic>-<number>`. What `options` do not say stays as the directory's `defaults` and
 * `optionsFor` have it. Rejects as `openLog` does, but for the lock.
 */
export async function openLogIn(
  directory: LogDirectory,
  name: string,
  options: EmbeddedLogSettings = {},
): Promise<EmbeddedLog> {
  const log = await directory.open(name, logOptionsOf(options))
  return new EmbeddedLog(directory, log, { ownsDirectory: false })
}

/** Records in, records out, in one order. See `openLog`. */
export class EmbeddedLog implements AsyncDisposable {
  readonly #directory: LogDirectory
  readonly #log: Log
  readonly #clock: Clock
  readonly #codec: Partial<RecordCodec>
  readonly #ownsDirectory: boolean
  readonly #followers = new Set<LogFollower>()
  readonly #stopListening: () => void
  readonly #leader = { leaderEpoch: 0 }
  #closing: Promise<void> | undefined
  #bytesThisTurn = 0

  /** Use `openLog` or `openLogIn`. */
  constructor(directory: LogDirectory, log: Log, options: { readonly ownsDirectory: boolean }) {
    this.#directory = directory
    this.#log = log
    this.#clock = directory.clock
    this.#codec = directory.format as Partial<RecordCodec>
    this.#ownsDirectory = options.ownsDirectory
    this.#stopListening = log.onTruncated((endOffset) => {
      for (const follower of this.#followers) follower.noteTruncated(endOffset)
    })
  }

  /** First offset that can be read. */
  get startOffset(): number {
    return this.#log.logStartOffset
  }

  /** Offset that the next record gets. */
  get endOffset(): number {
    return this.#log.logEndOffset
  }

  /** All below is on the medium. */
  get durableOffset(): number {
    return this.#log.recoveryPoint
  }

  /** Why the directory takes no more appends for good, once a write or a sync has failed. */
  get poisoned(): Error | undefined {
    return this.#directory.poisoned
  }

  /**
   * Appends; resolves when the record is as safe as `durability` says, with its offset: of one
   * record its offset, of an array the range. An array is one batch under one checksum: after a
   * crash all of its records are there or none is. Calls that run at the same time share one write
   * and one sync; their records are in the order of the calls.
   *
   * Rejects with KFK_STORE_NO_SPACE (taken back, retriable; so a retriable KFK_STORE_IO),
   * KFK_STORE_DELAYED (not retriable: the records stay, from `details.firstOffset` to
   * `details.lastOffset`, but could not be synced for a second; `flush` waits again), KFK_STORE_IO
   * (the disk failed: whether the records are there is known when the log is opened again),
   * KFK_STORE_TOO_LARGE (`maxBatchBytes`, `segmentBytes`), KFK_STORE_CLOSED,
   * KFK_STORE_INVALID_ARGUMENT (also: no key in a log that is compacted).
   */
  append(record: Payload | null | NewRecord, options?: AppendOptions): Promise<number>
  append(
    records: readonly (Payload | NewRecord)[],
    options?: Omit<AppendOptions, 'key'>,
  ): Promise<AppendedRange>
  async append(
    what: Payload | null | NewRecord | readonly (Payload | NewRecord)[],
    options: AppendOptions = {},
  ): Promise<number | AppendedRange> {
    this.#requireOpen()
    const durability = requireDurability(options.durability)
    const nowMs = options.timestamp ?? this.#clock.now()
    const needKey = this.#log.options.cleanupPolicy !== 'delete'
    if (isList(what)) {
      const records = what.map(toRecord)
      if (needKey) records.forEach(requireKey)
      const batch = this.#encoder('encodeAll')(records, nowMs)
      return this.#appended(this.#log.append(batch, this.#stamp()), durability)
    }
    const record = toSoleRecord(what, options.key)
    if (needKey) requireKey(record)
    const { baseOffset, lastOffset } = this.#log.append(
      this.#encoder('encode')(record.value, {
        key: record.key,
        timestamp: record.timestamp ?? nowMs,
      }),
      this.#stamp(),
    )
    await this.#stored({ firstOffset: baseOffset, lastOffset }, durability)
    return baseOffset
  }

  /**
   * Appends whole batches of the log's format, back to back, without a copy: offsets are stamped
   * into `batches`, which belongs to the log until the promise settles. Each batch is all or
   * nothing after a crash, and no batch is there without those before it. Rejects as `append` does.
   */
  async appendBatches(
    batches: Uint8Array,
    options: Pick<AppendOptions, 'durability'> = {},
  ): Promise<AppendedRange> {
    this.#requireOpen()
    const durability = requireDurability(options.durability)
    return this.#appended(this.#log.append(batches, this.#stamp()), durability)
  }

  /**
   * One page: records from an offset on, at most `maxBytes` of them. Empty only at the end; a page
   * does not cross segments, so few records do not mean that there are no more. Rejects
   * with KFK_STORE_OFFSET_OUT_OF_RANGE when `from` was deleted or lies beyond the end,
   * KFK_STORE_CORRUPT, _IO, _CLOSED.
   */
  async read(options: PageOptions = {}): Promise<LogPage> {
    return this.#page(options.from ?? this.startOffset, options)
  }

  /**
   * The same in bytes, neither decoded nor verified: whole batches, the first of which may begin
   * before `from`. For whoever sends them on, or has a format that tells no records.
   */
  async readBatches(options: PageOptions = {}): Promise<LogSlice> {
    return this.#slice(options.from ?? this.startOffset, options)
  }

  /**
   * The records that are there now, one by one, in order. Throws as `read` does; what was deleted
   * before it was reached is an error, not a gap.
   */
  async *records(options: RecordsOptions = {}): AsyncGenerator<EmbeddedRecord, void, undefined> {
    const readable = this.#readable(options.durability)
    const end = Math.min(options.to ?? readable, readable)
    let next = options.from ?? this.startOffset
    do {
      options.signal?.throwIfAborted()
      const page = await this.#page(next, options)
      for (const record of page.records) {
        if (record.offset >= end) return
        options.signal?.throwIfAborted()
        yield record
      }
      // Not a step further: it was cut meanwhile, to there.
      if (page.nextOffset === next) return
      next = page.nextOffset
    } while (next < end)
  }

  /**
   * The records from an offset on, then those that come, until the signal, `return`, `close` or
   * the deletion of the log ends it, also while it waits. Compaction shows as missing offsets.
   * Throws as `read` does; KFK_STORE_IO when the disk fails, after everything that was readable was
   * given.
   */
  follow(options: FollowOptions = {}): AsyncGenerator<EmbeddedRecord, void, undefined> {
    const durability = requireDurability(options.durability)
    const { from, signal, ifLost = 'throw' } = options
    const log: FollowedLog = {
      offsets: this.#log,
      readableOffset: () => this.#readable(durability),
      page: (offset) => this.#page(offset, { durability }),
      whenReadable: (offset, wake) => this.#when(offset, durability, wake),
    }
    return new LogFollower(log, this.#followers, { from, signal, ifLost }).iterate()
  }

  /** Offset of the first record with a timestamp >= `timestampMs`; undefined when there is none. */
  async offsetForTimestamp(
    timestampMs: number,
    options: Pick<ReadOptions, 'durability'> = {},
  ): Promise<number | undefined> {
    this.#requireOpen()
    requireTime(timestampMs)
    const readable = this.#readable(options.durability)
    return (await this.#log.offsetForTimestamp(timestampMs, readable))?.offset
  }

  /**
   * Cuts off everything from `offset` on; an array that holds it goes as a whole. Durable when
   * it resolves, with the new end. At the end or beyond it nothing is cut. Appends are refused
   * meanwhile (KFK_STORE_IO, retriable). Rejects as `Log.truncateTo` does.
   */
  async truncateTo(offset: number): Promise<number> {
    this.#requireOpen()
    return this.#log.truncateTo(offset)
  }

  /**
   * Forgets everything below `offset`, which is at most the end; durable when it resolves, with the
   * new start. The space is freed a segment at a time.
   */
  async deleteBefore(offset: number): Promise<number> {
    this.#requireOpen()
    await this.#log.advanceLogStart(offset)
    return this.startOffset
  }

  /** Deletes now what `retentionMs` and `retentionBytes` let go, in all logs of the directory. */
  applyRetention(): Promise<RetentionReport> {
    return this.#directory.applyRetention()
  }

  /**
   * Compacts now what `cleanupPolicy` has compacted in the background, except for the segment that
   * is appended to. Rejects with KFK_STORE_INVALID_ARGUMENT when the policy is `delete`.
   */
  async compact(): Promise<CompactionReport> {
    this.#requireOpen()
    const [report] = await this.#directory.compact(this.#log.name)
    return report!
  }

  /**
   * Resolves when everything appended so far is on the medium, whatever `durability` says. Rejects
   * with KFK_STORE_DELAYED (retriable) when no sync could begin for a second, KFK_STORE_IO.
   */
  async flush(): Promise<void> {
    this.#requireOpen()
    return this.#log.flush()
  }

  stats(): EmbeddedLogStats {
    const { startOffset, endOffset, durableOffset } = this
    const directory = this.#directory.stats()
    return { ...this.#log.stats(), startOffset, endOffset, durableOffset, directory }
  }

  /** Told once, when the directory stops taking appends for good. Returns the unsubscriber. */
  onPoisoned(listener: (error: StoreError) => void): () => void {
    return this.#log.onPoisoned(listener)
  }

  /**
   * Ends the iterations, puts everything on the medium, closes the files; the next opening is
   * instant. Of several logs in a directory the files stay open until the directory is closed.
   * Rejects when that fails. What is `poisoned` already has failed and is only let go of: of
   * records that were not to be on the `disk` at once, those from `durableOffset` on may be gone.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#stopListening()
    for (const follower of [...this.#followers]) follower.end()
    await (this.#ownsDirectory ? this.#directory.close() : this.#log.flush().catch(unlessClosed))
  }

  async #appended(info: AppendInfo, durability: Durability | undefined): Promise<AppendedRange> {
    const { baseOffset: firstOffset, lastOffset } = info
    await this.#stored({ firstOffset, lastOffset }, durability)
    return { firstOffset, lastOffset, count: lastOffset - firstOffset + 1 }
  }

  async #stored(
    range: { firstOffset: number; lastOffset: number },
    durability: Durability | undefined,
  ): Promise<void> {
    try {
      await this.#when(range.lastOffset + 1, durability)
    } catch (error) {
      throw appendError(error, range)
    }
  }

  /** Resolves when all below `offset` is that safe. */
  #when(offset: number, durability?: Durability, signal?: AbortSignal): Promise<void> {
    if (durability === 'disk') return this.#log.whenDurable(offset, signal)
    if (durability === 'os') return this.#log.whenWritten(offset, signal)
    return this.#log.whenAcknowledged(offset, signal)
  }

  #readable(durability: Durability | undefined): number {
    if (requireDurability(durability) === 'disk') return this.#log.recoveryPoint
    return durability === 'os' ? this.#log.writtenOffset : this.#log.acknowledgedOffset
  }

  async #page(from: number, options: PageOptions): Promise<LogPage> {
    const { decode } = this.#codec
    if (decode === undefined) {
      const problem = `${this.#directory.format.name} cannot decode records: use readBatches`
      throw new StoreError('KFK_STORE_INVALID_ARGUMENT', problem)
    }
    const slice = await this.#slice(from, options)
    try {
      return new LogPage(slice, from, decode(slice.bytes))
    } catch (error) {
      // The log can say where in which file a wrong checksum lies.
      const damage = await this.#log.verify(from)
      if (damage === undefined) throw error
      if (damage.offset <= from) throw damageError(damage)
      const sound = await this.#slice(from, options, damage.offset)
      return new LogPage(sound, from, decode(sound.bytes))
    }
  }

  async #slice(from: number, options: PageOptions, limit = Infinity): Promise<LogSlice> {
    this.#requireOpen()
    const { maxBytes = defaultPageBytes } = options
    requireSize(maxBytes)
    const maxOffset = Math.min(this.#readable(options.durability), limit)
    const slice = await this.#log.read({ from, maxBytes, maxOffset })
    await this.#giveTurn(slice.bytes.length)
    if (slice.bytes.length > 0) return slice
    // Nothing left up to there: compaction took it. Or it was cut meanwhile, and that is the end.
    const end = Math.min(maxOffset, this.#readable(options.durability))
    return { ...slice, nextOffset: Math.max(from, end) }
  }

  async #giveTurn(bytes: number): Promise<void> {
    this.#bytesThisTurn += Math.max(bytes, leastPageBytes)
    if (this.#bytesThisTurn < bytesATurn) return
    this.#bytesThisTurn = 0
    await nextTurn()
  }

  #encoder<Name extends 'encode' | 'encodeAll'>(name: Name): RecordCodec[Name] {
    const encoder = this.#codec[name]
    if (encoder !== undefined) return encoder
    const problem = `${this.#directory.format.name} cannot encode records: use appendBatches`
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', problem)
  }

  /** One writer for good, but a broker may have written what the log begins with. */
  #stamp(): { readonly leaderEpoch: number } {
    this.#leader.leaderEpoch = this.#log.latestEpoch ?? 0
    return this.#leader
  }

  #requireOpen(): void {
    if (this.#closing === undefined) return
    throw new StoreError('KFK_STORE_CLOSED', `log ${this.#log.path} is closed`)
  }
}

/** Whoever closed its directory, or deleted it, before has seen to everything. */
function unlessClosed(error: unknown): void {
  if (!(error instanceof StoreError && error.code === 'KFK_STORE_CLOSED')) throw error
}
