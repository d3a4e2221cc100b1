import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { CleanerCheckpoint } from './cleaner-checkpoint.js'
import type { CleanShutdown } from './clean-shutdown.js'
import { ioError, StoreError } from './errors.js'
import { deletedDirectoryName } from './file-names.js'
import { despiteShortage } from './handle-shortage.js'
import type { LogCheckpoints } from './log-checkpoints.js'
import type { LogHost } from './log-host.js'
import { loadLog } from './log-loader.js'
import { NameQueue } from './name-queue.js'
import { resolveLogOptions, type LogOptions } from './options.js'
import type { RecoveryNotes } from './recovery-notes.js'
import { SegmentedLog } from './segmented-log.js'

/** The directory as its logs see it. */
interface LogsHost extends LogHost {
  readonly path: string
  readonly cleanStart: boolean
  /** Throws KFK_STORE_CLOSED. */
  requireOpen(): void
}

interface Parts {
  readonly defaults: LogOptions
  readonly optionsFor: ((name: string) => Partial<LogOptions> | undefined) | undefined
  readonly notes: RecoveryNotes
  readonly checkpoints: LogCheckpoints
  readonly cleaned: CleanerCheckpoint
  readonly shutdown: CleanShutdown
}

/**
 * Which logs a directory has, and which of them are open. Openings and deletions of one name are
 * done one at a time, in the order asked for: an opening must not find what is about to go.
 */
export class DirectoryLogs {
  readonly names = new Set<string>()
  readonly #host: LogsHost
  readonly #parts: Parts
  readonly #open = new Map<string, SegmentedLog>()
  readonly #queue = new NameQueue()
  /** Openings that whoever comes may share: no deletion was asked for since. */
  readonly #opening = new Map<string, Promise<SegmentedLog>>()
  readonly #removals = new Set<Promise<void>>()
  /** Logs that recovery gave up on: the directory cannot be called clean. */
  readonly #unrecovered = new Set<string>()

  constructor(host: LogsHost, parts: Parts) {
    this.#host = host
    this.#parts = parts
  }

  get allRecovered(): boolean {
    return this.#unrecovered.size === 0
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Those that are open now; for a walk that takes long, take a copy. */
  values(): Iterable<SegmentedLog> {
    return this.#open.values()
  }

  get(name: string): SegmentedLog | undefined {
    return this.#open.get(name)
  }

  /** The same log for the same name; `options` count if it was not open. */
  open(name: string, options?: Partial<LogOptions>): Promise<SegmentedLog> {
    const open = this.#open.get(name)
    if (open !== undefined && !this.#queue.isBusy(name)) return Promise.resolve(open)
    const known = this.#opening.get(name)
    if (known !== undefined) return known
    // A failed opening is not remembered: the cause may pass.
    const opening = this.#inTurn(
      name,
      async () => this.#open.get(name) ?? this.#load(name, options),
    ).finally(() => {
      if (this.#opening.get(name) === opening) this.#opening.delete(name)
    })
    this.#opening.set(name, opening)
    return opening
  }

  delete(name: string): Promise<void> {
    // Whoever opens it from now on means the next log of that name.
    this.#opening.delete(name)
    return this.#inTurn(name, () => this.#delete(name))
  }

  /** Takes what a deletion has left off the disk, in the background. */
  removeDirectory(path: string, log?: SegmentedLog): void {
    const removal = (async () => {
      await log?.whenReadersAreGone()
      await this.#host.fileSystem.removeDirectory(path)
    })()
      .catch((error: unknown) => {
        const message = `cannot remove ${path}; the next start tries again`
        this.#host.report({ kind: 'background-failure', message, details: { path, error } })
      })
      .finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
  }

  /** Resolves when no opening and no deletion is under way; those that wait are refused. */
  whenIdle(): Promise<void> {
    return this.#queue.whenIdle()
  }

  /** Resolves when the files of deleted logs are gone. */
  async whenRemoved(): Promise<void> {
    await Promise.all(this.#removals)
  }

  #inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(name, () => {
      this.#host.requireOpen()
      return work()
    })
  }

  async #load(name: string, options?: Partial<LogOptions>): Promise<SegmentedLog> {
    const host = this.#host
    const { checkpoints, shutdown, defaults, optionsFor } = this.#parts
    const path = join(host.path, name)
    // What it holds may be in memory alone, and a second sync would not tell.
    if (host.poisoned !== undefined && this.#unrecovered.has(name)) throw host.poisoned
    try {
      // A stop within its deletion left lines that must not be taken for those of a new log.
      const stale = !this.names.has(name) && checkpoints.forget(name)
      if (stale) await host.checkpoint()
      const state = await loadLog(host, {
        name,
        path,
        options: resolveLogOptions(defaults, { ...optionsFor?.(name), ...options }),
        clean: host.cleanStart && !this.#unrecovered.has(name),
        recoveryPoint: checkpoints.recoveryPoint(name),
        logStartOffset: checkpoints.logStartOffset(name),
        listed: shutdown.take(name),
      })
      const log = new SegmentedLog(host, state)
      if (host.poisoned !== undefined) log.poison(host.poisoned)
      this.#unrecovered.delete(name)
      this.names.add(name)
      this.#open.set(name, log)
      return log
    } catch (error) {
      const failure = ioError(error, { action: 'open', path })
      this.#unrecovered.add(name)
      host.report({
        kind: 'background-failure',
        message: failure.message,
        details: { name, error },
      })
      throw failure
    }
  }

  async #delete(name: string): Promise<void> {
    const host = this.#host
    const { checkpoints, cleaned, notes, shutdown } = this.#parts
    if (!this.names.has(name)) {
      throw new StoreError('KFK_STORE_NOT_FOUND', `there is no log ${name} in ${host.path}`)
    }
    const log = this.#open.get(name)
    const from = join(host.path, name)
    const to = join(host.path, deletedDirectoryName(name, randomUUID()))
    await log?.abandon()
    if (log !== undefined) notes.forget(log)
    this.#open.delete(name)
    const attempt = { action: 'delete', path: from }
    try {
      // Before the log goes: a new one of the same name is not clean.
      await cleaned.forget(name)
      await host.fileSystem.rename(from, to)
    } catch (error) {
      // It is still there, as after a crash: whoever opens it has it recovered.
      this.#unrecovered.add(name)
      throw host.poisoned ?? ioError(error, attempt)
    }
    this.names.delete(name)
    this.#unrecovered.delete(name)
    checkpoints.forget(name)
    shutdown.forget(name)
    try {
      await despiteShortage(host, () => host.fileSystem.syncDirectory(host.path))
    } catch (error) {
      throw host.poison(ioError(error, attempt))
    }
    // Whatever becomes of the checkpoint: the log is gone, and its room may be what is lacking.
    // Lines that stay are taken back before the next log of that name.
    this.removeDirectory(to, log)
    try {
      await host.checkpoint()
    } catch (error) {
      const { message, retriable } = error as StoreError
      if (!retriable) throw error
      host.report({ kind: 'background-failure', message, details: { name, error } })
    }
  }
}
