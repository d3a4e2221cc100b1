import { type Cleanable, findCleanable } from './cleanable.js'
import { CleanerCheckpoint } from './cleaner-checkpoint.js'
import type { CompactionReport } from './compaction.js'
import { explained, ioError, StoreError } from './errors.js'
import type { LogHost } from './log-host.js'
import type { SegmentedLog } from './segmented-log.js'

/** Settings of the background that compacts logs. The names in brackets are Kafka's configs. */
export interface CleanerOptions {
  /**
   * How often logs are looked at while there is nothing to do; 0: never [log.cleaner.backoff.ms].
   */
  readonly intervalMs: number
  /**
   * Bound of the memory for keys, 32 bytes each; more keys take more passes
   * [log.cleaner.dedupe.buffer.size].
   */
  readonly dedupeBufferBytes: number
  /** Bytes read and written a second, at the most [log.cleaner.io.max.bytes.per.second]. */
  readonly ioBytesPerSecond: number
  /**
   * Of a log that is replicated: what lies below is never cut off again (the high watermark).
   * Records from there on supersede nothing. Default: what is on the medium.
   */
  readonly committedOffset?: (name: string) => number
}

export const defaultCleanerOptions: CleanerOptions = {
  intervalMs: 15_000,
  dedupeBufferBytes: 128 * 1024 ** 2,
  ioBytesPerSecond: Number.MAX_SAFE_INTEGER,
}

/** As long as a timer can be. */
const longMs = 2 ** 31 - 1

interface Candidate {
  readonly log: SegmentedLog
  readonly cleanable: Cleanable
}

/** Compacts the logs of a directory, one at a time, the dirtiest first. */
export class Cleaner {
  readonly checkpoint: CleanerCheckpoint
  readonly #host: LogHost
  readonly #logs: () => Iterable<SegmentedLog>
  readonly #options: CleanerOptions
  /** Logs whose compaction failed; nothing is tried again until they are opened anew. */
  readonly #uncleanable = new WeakSet<SegmentedLog>()
  #timer: { cancel(): void } | undefined
  #last: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(
    host: LogHost & { readonly path: string },
    logs: () => Iterable<SegmentedLog>,
    options: Partial<CleanerOptions> = {},
  ) {
    this.#host = host
    this.#logs = logs
    this.#options = { ...defaultCleanerOptions, ...options }
    this.checkpoint = new CleanerCheckpoint(host)
  }

  /** Begins to look after the logs. */
  start(): void {
    const { intervalMs } = this.#options
    if (intervalMs === 0 || this.#stopped) return
    this.#timer = this.#host.clock.setTimer(intervalMs, () => {
      void this.#alone(() => this.#cleanAll()).finally(() => this.start())
    })
  }

  /** No new compaction begins; those under way end with their logs. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Compacts a log now, however clean it is. */
  compact(log: SegmentedLog): Promise<CompactionReport> {
    if (!log.options.cleanupPolicy.includes('compact')) {
      const message = `the cleanupPolicy of ${log.name} is ${log.options.cleanupPolicy}`
      throw new StoreError('KFK_STORE_INVALID_ARGUMENT', message)
    }
    // The pauses of a paced compaction are timers that do not keep a process from ending.
    const { clock } = this.#host
    const awaited = clock.setTimer(longMs, () => undefined, { keepsAlive: true })
    return this.#alone(() =>
      explained({ action: 'compact', path: log.path }, async () => {
        const cleanable = await this.#cleanable(log)
        return this.#clean({ log, cleanable })
      }),
    ).finally(() => awaited.cancel())
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const run = this.#last.then(work)
    this.#last = run.catch(() => undefined)
    return run
  }

  async #cleanAll(): Promise<void> {
    const done = new Set<SegmentedLog>()
    for (;;) {
      const candidate = await this.#dirtiest(done)
      if (candidate === undefined) return
      done.add(candidate.log)
      await this.#clean(candidate).catch((error: unknown) => this.#failed(candidate.log, error))
    }
  }

  /** The log that needs it most, of those not in `done`. */
  async #dirtiest(done: ReadonlySet<SegmentedLog>): Promise<Candidate | undefined> {
    let best: Candidate | undefined
    for (const log of [...this.#logs()]) {
      if (this.#stopped) return undefined
      const { cleanupPolicy, minCleanableDirtyRatio } = log.options
      if (!cleanupPolicy.includes('compact') || log.refusal !== undefined) continue
      if (done.has(log) || this.#uncleanable.has(log)) continue
      const { segments } = log
      const cleanable = await this.#cleanable(log).catch((error: unknown) => {
        // What was looked at may have been deleted meanwhile: it is looked at again before long.
        if (log.segments === segments) this.#failed(log, error)
      })
      if (cleanable === undefined) continue
      if (!cleanable.overdue && !(cleanable.dirtyRatio > minCleanableDirtyRatio)) continue
      if (cleanable.dirtyRatio > (best?.cleanable.dirtyRatio ?? -1)) best = { log, cleanable }
    }
    return best
  }

  async #cleanable(log: SegmentedLog): Promise<Cleanable> {
    const cleanedOffset = await this.checkpoint.offsetOf(log.name)
    const committedOffset = this.#options.committedOffset?.(log.name) ?? Number.MAX_SAFE_INTEGER
    const nowMs = this.#host.clock.now()
    return findCleanable(this.#host, log, { cleanedOffset, committedOffset, nowMs })
  }

  #clean({ log, cleanable }: Candidate): Promise<CompactionReport> {
    const { firstDirtyOffset, limitOffset } = cleanable
    const { dedupeBufferBytes, ioBytesPerSecond } = this.#options
    return log.compact({
      firstDirtyOffset,
      limitOffset,
      dedupeBufferBytes,
      ioBytesPerSecond,
      nowMs: this.#host.clock.now(),
      onCleaned: (offset) => this.checkpoint.set(log.name, offset),
    })
  }

  #failed(log: SegmentedLog, error: unknown): void {
    if (this.#stopped) return
    const failure = ioError(error, { action: 'compact', path: log.path })
    // Closed, cut, out of space or of files: later, perhaps.
    if (failure.retriable) {
      if (failure.code === 'KFK_STORE_CLOSED') return
    } else this.#uncleanable.add(log)
    const again = failure.retriable ? 'it is tried again' : 'it is left alone until it is reopened'
    this.#host.report({
      kind: 'background-failure',
      message: `compaction of ${log.name} failed, ${again}: ${failure.message}`,
      details: { name: log.name, path: log.path, error },
    })
  }
}
