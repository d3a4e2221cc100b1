import { join } from 'node:path'
import { encodeOffsets, readCheckpoint, writeCheckpoint } from './checkpoint-file.js'
import { StoreError } from './errors.js'
import { fileNames } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'
import type { RecoveryNotes } from './recovery-notes.js'
import type { StoreReport } from './report.js'

/** What checkpoints say of one log. */
export interface CheckpointedLog {
  readonly name: string
  /** At most what is on the medium: recovery after a crash begins here. */
  readonly checkpointPoint: number
  readonly logStartOffset: number
  /** Base offset of the first segment: a log start there needs no entry. */
  readonly firstOffset: number
  /** It is being deleted, and saves no epochs any more. */
  readonly isGone: boolean
  saveEpochs(): Promise<void>
}

/**
 * The two offset checkpoints of a directory. Logs that are not open keep the lines they had. One
 * write at a time; callers who come meanwhile share the next one.
 */
export class LogCheckpoints {
  readonly #fileSystem: FileSystem
  readonly #notes: RecoveryNotes
  readonly #recoveryPath: string
  readonly #startPath: string
  readonly #recoveryPoints = new Map<string, number>()
  readonly #logStarts = new Map<string, number>()
  /** Logs that are gone, but perhaps not from the files; counts how often one went. */
  readonly #stale = new Map<string, number>()
  /** What the files say; undefined: a write failed, and may have come as far as the disk. */
  readonly #written: Record<'recovery' | 'start', string | undefined> = {
    recovery: undefined,
    start: undefined,
  }
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(fileSystem: FileSystem, directory: string, notes: RecoveryNotes) {
    this.#fileSystem = fileSystem
    this.#notes = notes
    this.#recoveryPath = join(directory, fileNames.recoveryPoints)
    this.#startPath = join(directory, fileNames.logStarts)
  }

  /**
   * Reads both files; an unreadable one counts as empty, which makes recovery begin at offset 0.
   */
  async load(report: (report: StoreReport) => void): Promise<void> {
    await this.#loadOne(this.#recoveryPath, this.#recoveryPoints, report)
    await this.#loadOne(this.#startPath, this.#logStarts, report)
    const checkpoint = encodeOffsets(this.#recoveryPoints)
    for (const [name, offset] of await this.#notes.load(checkpoint)) {
      this.#recoveryPoints.set(name, Math.max(offset, this.recoveryPoint(name)))
    }
  }

  recoveryPoint(name: string): number {
    return this.#recoveryPoints.get(name) ?? 0
  }

  logStartOffset(name: string): number | undefined {
    return this.#logStarts.get(name)
  }

  /** Answers whether the files may still know the log; not any more after the next write. */
  forget(name: string): boolean {
    const started = this.#logStarts.delete(name)
    const pointed = this.#recoveryPoints.delete(name)
    // A log may have been noted as synced before any checkpoint knew of it.
    if (started || pointed || this.#notes.tellOf(name))
      this.#stale.set(name, (this.#stale.get(name) ?? 0) + 1)
    return this.#stale.has(name)
  }

  /**
   * Forgets all other logs: a crash in the middle of a deletion leaves lines of logs that are gone,
   * and a new log of the same name must not inherit them.
   */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of [...this.#recoveryPoints.keys(), ...this.#logStarts.keys()]) {
      if (!names.has(name)) this.forget(name)
    }
  }

  /** Durable, with the state at or after the call, when it resolves. */
  write(logs: () => Iterable<CheckpointedLog>): Promise<void> {
    // That first: it may be about to begin, although nothing is running for a moment.
    if (this.#next !== undefined) return this.#next
    if (this.#running === undefined) {
      this.#running = this.#write(logs).finally(() => (this.#running = undefined))
      return this.#running
    }
    this.#next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        this.#running = this.#write(logs).finally(() => (this.#running = undefined))
        return this.#running
      })
    return this.#next
  }

  /** Resolves when nothing is being written any more, whether it failed or not. */
  async whenIdle(): Promise<void> {
    for (let last = this.#next ?? this.#running; last !== undefined;) {
      await last.catch(() => undefined)
      last = this.#next ?? this.#running
    }
  }

  async #write(logs: () => Iterable<CheckpointedLog>): Promise<void> {
    // Values first, epochs after: an epoch file may know more than the checkpoint, never less.
    const found = Array.from(logs(), (log) => {
      const { checkpointPoint, logStartOffset, firstOffset } = log
      return { log, checkpointPoint, logStartOffset, firstOffset }
    })
    for (const { log } of found) await log.saveEpochs()
    for (const { log, checkpointPoint, logStartOffset, firstOffset } of found) {
      // A log that went meanwhile keeps the lines that it had.
      if (log.isGone) continue
      this.#recoveryPoints.set(log.name, checkpointPoint)
      if (logStartOffset > firstOffset) this.#logStarts.set(log.name, logStartOffset)
      else this.#logStarts.delete(log.name)
    }
    const recoveryPoints = new Map(this.#recoveryPoints)
    const logStarts = new Map(this.#logStarts)
    const stale = [...this.#stale]
    await this.#save('start', this.#startPath, logStarts)
    const recovery = await this.#save('recovery', this.#recoveryPath, recoveryPoints)
    await this.#notes.follow(recovery, (name) => recoveryPoints.get(name))
    for (const [name, count] of stale) {
      if (this.#stale.get(name) === count) this.#stale.delete(name)
    }
  }

  /** Answers the bytes of the file. */
  async #save(
    file: 'recovery' | 'start',
    path: string,
    offsets: ReadonlyMap<string, number>,
  ): Promise<Uint8Array> {
    const bytes = encodeOffsets(offsets)
    const text = bytes.toString()
    if (text === this.#written[file]) return bytes
    this.#written[file] = undefined
    await writeCheckpoint(this.#fileSystem, path, offsets)
    this.#written[file] = text
    return bytes
  }

  async #loadOne(
    path: string,
    into: Map<string, number>,
    report: (report: StoreReport) => void,
  ): Promise<void> {
    try {
      for (const [name, offset] of await readCheckpoint(this.#fileSystem, path)) {
        into.set(name, offset)
      }
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) throw error
      const message = `${path} is unreadable; what it said is found again by scanning`
      report({ kind: 'checkpoint-unreadable', message, details: { path, error } })
    }
  }
}
