import type { BatchFormat } from './batch-format.js'
import type { Clock } from './clock.js'
import type { StoreError } from './errors.js'
import type { FileCache } from './file-cache.js'
import type { SyncScheduler, WriteScheduler } from './flush-scheduler.js'
import type { FileSystem } from './fs/file-system.js'
import type { TailBudget } from './hot-tail.js'
import type { LogTracker } from './log-tracker.js'
import type { NotedLog } from './recovery-notes.js'
import type { StoreReport } from './report.js'
import type { StoreMetrics } from './store-metrics.js'

/** What the directory lends to each of its logs. */
export interface LogHost {
  readonly fileSystem: FileSystem
  readonly format: BatchFormat
  readonly clock: Clock
  readonly files: FileCache
  readonly tails: TailBudget
  readonly writes: WriteScheduler
  readonly syncs: SyncScheduler
  readonly metrics: StoreMetrics
  /** Offsets may be missing between the batches of this log. */
  offsetGaps(name: string): boolean
  /** A new tracker for the log of that name; undefined: it has none. */
  tracker(name: string): LogTracker | undefined
  report(report: StoreReport): void
  /** Why nothing is written any more; undefined: all is well. */
  readonly poisoned: StoreError | undefined
  /**
   * The disk failed: ends appends and acknowledgements of the whole directory, for good. Answers
   * the error that tells so, which is what whoever met the failure throws.
   */
  poison(error: StoreError): StoreError
  /** All up to the recovery point of this log is on the medium. */
  noteSynced(log: NotedLog): void
  /** The log is about to be cut at `offset`: notes durably that it is clean no further. */
  lowerCleanedOffset(name: string, offset: number): Promise<void>
  /** Writes the checkpoints of all logs as they are now. */
  checkpoint(): Promise<void>
}
