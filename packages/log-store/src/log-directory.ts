import type { BatchFormat } from './batch-format.js'
import type { CleanerOptions } from './cleaner.js'
import type { Clock } from './clock.js'
import type { CompactionReport } from './compaction.js'
import type { FileSystem } from './fs/file-system.js'
import type { Log } from './log.js'
import type { LogTracker } from './log-tracker.js'
import type { LogOptions } from './options.js'
import type { ScrubOptions, ScrubReport } from './scrubber.js'
import type { StoreReport } from './report.js'
import type { StoreMetricsSnapshot } from './store-metrics.js'

export interface LogDirectoryOptions {
  /** Default: the machine's disks. */
  readonly fileSystem?: FileSystem
  /** Default: the frame format. */
  readonly format?: BatchFormat
  /** Settings of logs that do not say otherwise. */
  readonly defaults?: Partial<LogOptions>
  /** Settings per log name, asked when a log is opened; they go over `defaults`. */
  readonly optionsFor?: (name: string) => Partial<LogOptions> | undefined
  readonly clock?: Clock
  readonly onReport?: (report: StoreReport) => void
  /**
   * Bound of log files held open; least recently used are closed. Default: a quarter of what the
   * process may have open (Linux; elsewhere 512), at least 512 and at most 8192.
   */
  readonly maxOpenFiles?: number
  /** Bound of recently appended bytes kept in memory for tailing readers. Default 16 MiB. */
  readonly hotTailBytes?: number
  /**
   * Syncs that run at once, over all logs; leave a thread of the pool to cold reads. Default: the
   * pool's threads but one, which makes 3 unless UV_THREADPOOL_SIZE says otherwise.
   */
  readonly maxConcurrentSyncs?: number
  /**
   * Logs whose batches may have offsets missing between them, as after compaction; in all others a
   * gap
   * counts as damage when recovery meets it. Default: none.
   */
  readonly offsetGaps?: boolean | ((name: string) => boolean)
  /**
   * Makes what follows the batches of a log and is kept through a restart; more than one for the
   * same log where its past is looked at. Undefined: nothing. Default: a `ProducerTracker` when the
   * format tells of producers.
   */
  readonly tracker?: (name: string) => LogTracker | undefined
  /**
   * Checkpoints are written this often while something changed; 0 leaves it to `checkpoint()`.
   * Default 60 s.
   */
  readonly checkpointMs?: number
  /**
   * `applyRetention` runs this often [log.retention.check.interval.ms]; 0 leaves it to whoever
   * calls it. Default 0; `openLog` has 5 minutes.
   */
  readonly retentionCheckMs?: number
  /**
   * How logs whose `cleanupPolicy` includes `compact` are compacted in the background, once opened.
   */
  readonly cleaner?: Partial<CleanerOptions>
  /** The background that reads cold segments again before somebody needs them. */
  readonly scrub?: Partial<ScrubOptions>
}

export interface RetentionReport {
  readonly deletedSegments: number
  readonly deletedBytes: number
  /** The wall clock jumped ahead: retention by time was left out this time. */
  readonly clockJumped: boolean
  readonly logs: readonly { name: string; deletedSegments: number; logStartOffset: number }[]
}

/** What a directory holds now, and what it did since it was opened. Asking costs microseconds. */
export interface DirectoryStats extends StoreMetricsSnapshot {
  /** Logs on disk, opened or not. */
  readonly logs: number
  readonly openedLogs: number
  readonly openFiles: number
  /** Memory that holds recent appends. */
  readonly hotTailBytes: number
}

/** Many logs under one directory, which this process holds alone. */
export interface LogDirectory {
  readonly path: string
  readonly format: BatchFormat
  readonly clock: Clock
  /** The directory had been closed cleanly, so nothing was scanned. */
  readonly cleanStart: boolean
  /** Set for good after the first failed write or sync; appends and acknowledgements have ended. */
  readonly poisoned: Error | undefined
  /** Names of the logs on disk, opened or not, in order. */
  names(): string[]
  /** An opened log. */
  get(name: string): Log | undefined
  /**
   * Opens, or creates when missing; the same object for the same name. Throws KFK_STORE_CORRUPT,
   * _IO.
   */
  open(name: string, options?: Partial<LogOptions>): Promise<Log>
  /**
   * Closes and renames to `<name>.<id>-delete`, durably; the files go once readers have let go.
   * Who opens that name meanwhile gets a new log. Throws KFK_STORE_NOT_FOUND, _IO.
   */
  delete(name: string): Promise<void>
  /** Counters and histograms over all logs; `Log.stats()` has those of one. */
  stats(): DirectoryStats
  applyRetention(nowMs?: number): Promise<RetentionReport>
  /**
   * Compacts a log now, or, one after the other, all opened ones whose `cleanupPolicy` includes
   * `compact`: whatever the dirty ratio says, but within the lags, and never the active segment.
   * Appends and reads go on. Throws KFK_STORE_INVALID_ARGUMENT (the policy of the named log is
   * `delete`, or its format has no keys), _CORRUPT, _IO, _NO_SPACE (retriable), _CLOSED (retriable:
   * the log was cut meanwhile).
   */
  compact(name?: string): Promise<readonly CompactionReport[]>
  /**
   * Reads the sealed segments of a log, or of all opened ones, again, at full speed and past the
   * system's cache where that can be done, and verifies checksums and order. What is wrong is
   * noted: reads stop there from now on, and `onReport` hears of it. Rejects with the signal's
   * reason, KFK_STORE_CLOSED.
   */
  scrub(name?: string, options?: { readonly signal?: AbortSignal }): Promise<ScrubReport>
  /** Writes recovery points, log starts and epochs; they never exceed what is synced. */
  checkpoint(): Promise<void>
  /**
   * Syncs all, writes checkpoints and the clean-shutdown marker, releases the lock; rejects when
   * that fails. A directory that is `poisoned` before only releases the lock: nothing is synced.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
