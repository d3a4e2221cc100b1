import { join } from 'node:path'
import { BackgroundTask } from './background-task.js'
import { Cleaner } from './cleaner.js'
import { CleanShutdown } from './clean-shutdown.js'
import { systemClock } from './clock.js'
import { diagnostics } from './diagnostics.js'
import { DirectoryLogs } from './directory-logs.js'
import { requireNumbers } from './directory-options.js'
import type { CompactionReport } from './compaction.js'
import { explained, ioError, StoreError } from './errors.js'
import { FileCache } from './file-cache.js'
import { isDeletedDirectoryName, parseLogName, requireLogName } from './file-names.js'
import { SyncScheduler, WriteScheduler } from './flush-scheduler.js'
import { frameFormat } from './frame-format.js'
import type { FileSystem } from './fs/file-system.js'
import { nodeFileSystem } from './fs/node-file-system.js'
import { TailBudget } from './hot-tail.js'
import { inParallel } from './in-parallel.js'
import { tellOne } from './listeners.js'
import { LogCheckpoints } from './log-checkpoints.js'
import type {
  DirectoryStats,
  LogDirectory,
  LogDirectoryOptions,
  RetentionReport,
} from './log-directory.js'
import type { LogHost } from './log-host.js'
import type { Log } from './log.js'
import type { LogTracker } from './log-tracker.js'
import { defaultLogOptions, resolveLogOptions, type LogOptions } from './options.js'
import { affordableOpenFiles, affordableSyncs } from './process-limits.js'
import { poisonIfWriteFailed } from './poisoning.js'
import { ProducerTracker } from './producer-tracker.js'
import { RecoveryNotes, type NotedLog } from './recovery-notes.js'
import type { StoreReport } from './report.js'
import { ClockJumpGuard } from './retention.js'
import { Scrubber, type ScrubReport } from './scrubber.js'
import type { SegmentedLog } from './segmented-log.js'
import { settleTakeover } from './takeover.js'
import { StoreMetrics } from './store-metrics.js'

const defaults = {
  hotTailBytes: 16 * 1024 ** 2,
  checkpointMs: 60_000,
  noteMs: 1000,
}
/** Recoveries that run at once: they are bound by the disk. */
const concurrentRecoveries = 3
/** Closing opens files: not those of a thousand logs at once. */
const concurrentCloses = 8
/** A wall clock this far ahead of the monotonic one is not believed at once. */
const clockJumpMs = 3_600_000

/**
 * Takes the directory for this process (it is created when missing), reads the checkpoints and,
 * after an unclean stop, recovers every log. A log that cannot be recovered does not keep the
 * others from opening: `open` of it rejects. Throws KFK_STORE_LOCKED naming directory and holder,
 * KFK_STORE_IO, KFK_STORE_INVALID_ARGUMENT for a setting that cannot be.
 */
export async function openLogDirectory(
  path: string,
  options: LogDirectoryOptions = {},
): Promise<LogDirectory> {
  requireNumbers(options)
  const fileSystem = options.fileSystem ?? nodeFileSystem
  try {
    await fileSystem.makeDirectory(path)
  } catch (error) {
    throw ioError(error, { action: 'create', path })
  }
  const lock = await explained({ action: 'lock', path }, () => fileSystem.lock(path))
  let directory: OpenLogDirectory | undefined
  try {
    directory = new OpenLogDirectory(path, { ...options, fileSystem }, lock)
    await directory.start()
    return directory
  } catch (error) {
    await (directory ?? lock).release()
    throw ioError(error, { action: 'open', path })
  }
}

class OpenLogDirectory implements LogDirectory, LogHost {
  readonly path: string
  cleanStart = false
  poisoned: StoreError | undefined
  readonly fileSystem: FileSystem
  readonly format
  readonly clock
  readonly files: FileCache
  readonly tails: TailBudget
  readonly writes = new WriteScheduler()
  readonly syncs: SyncScheduler
  readonly metrics = new StoreMetrics()
  readonly #options: LogDirectoryOptions
  readonly #lock: { release(): Promise<void> }
  readonly #notes: RecoveryNotes
  readonly #checkpoints: LogCheckpoints
  readonly #cleaner: Cleaner
  readonly #scrubber: Scrubber
  readonly #shutdown: CleanShutdown
  readonly #logs: DirectoryLogs
  readonly #clockGuard = new ClockJumpGuard(clockJumpMs)
  readonly #tasks: readonly BackgroundTask[]
  #closing: Promise<void> | undefined
  #released = false

  constructor(
    path: string,
    options: LogDirectoryOptions & { fileSystem: FileSystem },
    lock: { release(): Promise<void> },
  ) {
    this.path = path
    this.#options = options
    this.#lock = lock
    this.fileSystem = options.fileSystem
    this.format = options.format ?? frameFormat
    this.clock = options.clock ?? systemClock
    const maxOpenFiles = options.maxOpenFiles ?? affordableOpenFiles()
    this.files = new FileCache(this.fileSystem, maxOpenFiles, (error, closed) => {
      // As after a failed sync. Not in the middle of whatever needed a handle.
      queueMicrotask(() => this.poison(ioError(error, { action: 'close', path: closed })))
    })
    this.tails = new TailBudget(options.hotTailBytes ?? defaults.hotTailBytes)
    this.syncs = new SyncScheduler(options.maxConcurrentSyncs ?? affordableSyncs())
    this.#notes = new RecoveryNotes(this.fileSystem, path, {
      clock: this.clock,
      // Who writes the checkpoints by hand says when something is written.
      intervalMs: options.checkpointMs === 0 ? 0 : defaults.noteMs,
      report: (report) => this.report(report),
    })
    this.#checkpoints = new LogCheckpoints(this.fileSystem, path, this.#notes)
    const task = (intervalMs: number, name: string, run: () => Promise<unknown>) =>
      new BackgroundTask(this.clock, intervalMs, () => this.#inBackground(name, run))
    this.#tasks = [
      task(options.checkpointMs ?? defaults.checkpointMs, 'write checkpoints', () =>
        this.checkpoint(),
      ),
      task(options.retentionCheckMs ?? 0, 'apply retention', () => this.applyRetention()),
    ]
    this.#cleaner = new Cleaner(this, () => this.#logs.values(), options.cleaner)
    this.#scrubber = new Scrubber(this, () => this.#logs.values(), options.scrub)
    this.#shutdown = new CleanShutdown(this.fileSystem, path)
    this.#logs = new DirectoryLogs(this, {
      defaults: resolveLogOptions(defaultLogOptions, options.defaults),
      optionsFor: options.optionsFor,
      notes: this.#notes,
      checkpoints: this.#checkpoints,
      cleaned: this.#cleaner.checkpoint,
      shutdown: this.#shutdown,
    })
  }

  names(): string[] {
    return [...this.#logs.names].sort()
  }

  get(name: string): Log | undefined {
    return this.#logs.get(name)
  }

  async open(name: string, options?: Partial<LogOptions>): Promise<Log> {
    return this.#open(name, options)
  }

  async delete(name: string): Promise<void> {
    this.requireOpen()
    requireLogName(name)
    return this.#logs.delete(name)
  }

  async applyRetention(nowMs = this.clock.now()): Promise<RetentionReport> {
    this.requireOpen()
    const clockJumped = this.#clockGuard.check(nowMs, this.clock.monotonicMs())
    const logs: { name: string; deletedSegments: number; logStartOffset: number }[] = []
    let deletedSegments = 0
    let deletedBytes = 0
    const failure = await this.#forEach(async (log) => {
      const gone = await log.applyRetention(clockJumped ? undefined : nowMs)
      if (gone.segments === 0) return
      deletedSegments += gone.segments
      deletedBytes += gone.bytes
      logs.push({
        name: log.name,
        deletedSegments: gone.segments,
        logStartOffset: log.logStartOffset,
      })
    })
    if (deletedSegments > 0) await this.checkpoint()
    if (failure !== undefined) throw failure.error
    return { deletedSegments, deletedBytes, clockJumped, logs }
  }

  async compact(name?: string): Promise<readonly CompactionReport[]> {
    this.requireOpen()
    if (name !== undefined) {
      return [await this.#cleaner.compact(await this.#open(name))]
    }
    const reports: CompactionReport[] = []
    const failure = await this.#forEach(async (log) => {
      if (log.options.cleanupPolicy === 'delete') return
      reports.push(await this.#cleaner.compact(log))
    })
    if (failure !== undefined) throw failure.error
    return reports
  }

  async scrub(name?: string, options: { signal?: AbortSignal } = {}): Promise<ScrubReport> {
    this.requireOpen()
    const logs = name === undefined ? [...this.#logs.values()] : [await this.#open(name)]
    return this.#scrubber.scrub(logs, options.signal)
  }

  stats(): DirectoryStats {
    return {
      logs: this.#logs.names.size,
      openedLogs: this.#logs.openCount,
      openFiles: this.files.openCount,
      hotTailBytes: this.tails.usedBytes,
      ...this.metrics.snapshot(),
    }
  }

  async checkpoint(): Promise<void> {
    // Somebody else may have the lock.
    if (this.#released) this.requireOpen()
    if (this.poisoned !== undefined) throw this.poisoned
    try {
      await this.#checkpoints.write(() => this.#logs.values())
      for (const log of [...this.#logs.values()]) {
        const saving = log.tracking?.checkpoint(log)
        if (saving !== undefined) await saving
      }
    } catch (error) {
      const failure = ioError(error, { action: 'write the checkpoints of', path: this.path })
      throw poisonIfWriteFailed(this, failure)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  offsetGaps(name: string): boolean {
    const { offsetGaps } = this.#options
    return typeof offsetGaps === 'function' ? offsetGaps(name) : (offsetGaps ?? false)
  }

  tracker(name: string): LogTracker | undefined {
    const { tracker } = this.#options
    if (tracker !== undefined) return tracker(name)
    return this.format.producer && new ProducerTracker(this.format.producer)
  }

  noteSynced(log: NotedLog): void {
    this.#notes.synced(log)
  }

  lowerCleanedOffset(name: string, offset: number): Promise<void> {
    return this.#cleaner.checkpoint.lower(name, offset)
  }

  report(report: StoreReport): void {
    const { onReport } = this.#options
    if (onReport !== undefined) tellOne(onReport, report)
  }

  poison(error: StoreError): StoreError {
    if (this.poisoned !== undefined) return this.poisoned
    const failure = new StoreError(
      'KFK_STORE_IO',
      `${this.path} takes no more appends: ${error.message}`,
      { details: error.details, cause: error },
    )
    this.poisoned = failure
    this.report({ kind: 'poisoned', message: failure.message, details: { path: this.path, error } })
    if (diagnostics.poison.hasSubscribers) {
      diagnostics.poison.publish({ path: this.path, error: failure })
    }
    for (const log of this.#logs.values()) log.poison(failure)
    return failure
  }

  requireOpen(): void {
    if (this.#closing === undefined) return
    throw new StoreError('KFK_STORE_CLOSED', `log directory ${this.path} is closed`)
  }

  /** Once, before anything else. When it rejects, `release`. */
  async start(): Promise<void> {
    const entries = await this.fileSystem.list(this.path)
    const deleted: string[] = []
    for (const entry of entries) {
      if (!entry.isDirectory) continue
      if (isDeletedDirectoryName(entry.name)) deleted.push(entry.name)
      else if (parseLogName(entry.name) !== undefined) this.#logs.names.add(entry.name)
    }
    await settleTakeover(this.fileSystem, this.path, (report) => this.report(report))
    await this.#checkpoints.load((report) => this.report(report))
    this.#checkpoints.keepOnly(this.#logs.names)
    this.cleanStart = await this.#shutdown.load((report) => this.report(report))
    for (const name of this.#shutdown.takeMissing(this.#logs.names)) {
      const message = `${join(this.path, name)} was there at the last clean close and is gone`
      this.report({ kind: 'log-missing', message, details: { log: name } })
    }
    // From here on a crash is an unclean stop.
    await this.#shutdown.forgetAll()
    if (!this.cleanStart) await this.#recoverAll()
    for (const name of deleted) this.#logs.removeDirectory(join(this.path, name))
    for (const task of this.#tasks) task.start()
    this.#cleaner.start()
    this.#scrubber.start()
  }

  async #recoverAll(): Promise<void> {
    const names = this.names()
    if (names.length === 0) return
    this.report({
      kind: 'unclean-start',
      message: `${this.path} was not closed cleanly: recovering ${names.length} logs`,
      details: { path: this.path, logs: names.length },
    })
    await inParallel(names, concurrentRecoveries, (name) => this.#logs.open(name))
    // What was recovered is on the medium, whatever the checkpoints say: without new ones the next
    // recovery takes as long as this one. A full disk is no reason not to read what is there.
    await this.#inBackground('write checkpoints', () => this.checkpoint())
  }

  async #open(name: string, options?: Partial<LogOptions>): Promise<SegmentedLog> {
    requireLogName(name)
    this.requireOpen()
    const log = await this.#logs.open(name, options)
    if (options !== undefined) log.configure(options)
    return log
  }

  async #close(): Promise<void> {
    this.#cleaner.stop()
    try {
      await this.#scrubber.stop()
      await Promise.all(this.#tasks.map((task) => task.stop()))
      await this.#logs.whenIdle()
      const failures = await inParallel([...this.#logs.values()], concurrentCloses, (log) =>
        log.close(),
      )
      if (this.poisoned !== undefined && failures.length > 0) throw this.poisoned
      if (failures.length > 0) throw failures[0]
      if (this.poisoned !== undefined) return
      await this.checkpoint()
      if (this.#logs.allRecovered) {
        await this.#shutdown.write(this.#logs.values(), (report) => this.report(report))
      }
    } catch (error) {
      const { code, message, details } = ioError(error, { action: 'close', path: this.path })
      // Not to be tried again: it is closed, but the next opening has to recover it.
      throw new StoreError(code, message, { details, cause: error })
    } finally {
      await this.release()
    }
  }

  /** Lets go of files and lock. */
  async release(): Promise<void> {
    this.#released = true
    // Whoever has the lock next must not meet what is still being written or removed.
    await this.#checkpoints.whenIdle()
    await this.#logs.whenRemoved()
    this.#notes.close()
    this.files.closeAll()
    await this.#lock.release()
  }

  /**
   * Runs `work` for the logs that are open, one by one. What fails for one keeps it from no other;
   * answers the first failure. A log that is closed or cut meanwhile is left out.
   */
  async #forEach(
    work: (log: SegmentedLog) => Promise<void>,
  ): Promise<{ readonly error: unknown } | undefined> {
    let failure: { error: unknown } | undefined
    for (const log of [...this.#logs.values()]) {
      this.requireOpen()
      try {
        await work(log)
      } catch (error) {
        const closed = error instanceof StoreError && error.code === 'KFK_STORE_CLOSED'
        const leftOut = closed || error === log.refusal
        if (!leftOut || this.poisoned !== undefined) failure ??= { error }
      }
    }
    return failure
  }

  async #inBackground(name: string, run: () => Promise<unknown>): Promise<void> {
    if (this.#closing !== undefined || this.poisoned !== undefined) return
    try {
      await run()
    } catch (error) {
      // That has been told, and nothing is tried again.
      if (error === this.poisoned) return
      const message = `cannot ${name} of ${this.path}; will be tried again`
      this.report({ kind: 'background-failure', message, details: { error } })
    }
  }
}
