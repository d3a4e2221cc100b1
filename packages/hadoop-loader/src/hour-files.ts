import { hourFile, hourMs, hourOf, rejectedFile, stagedFile } from './file-layout.js'
import type { ManifestFile } from './manifest.js'
import type { Split } from './plan.js'
import { StagedFile } from './staged-file.js'
import type { Target } from './target.js'

export interface HourFilesOptions {
  readonly target: Target
  readonly split: Split
  readonly run: string
  /** With the dot: `.jsonl` or `.jsonl.gz`. */
  readonly extension: string
  readonly compress: boolean
  /**
   * Hour files open at once; the least recently used is closed, and its hour goes on as the next
   * file.
   */
  readonly maxOpen: number
  readonly signal: AbortSignal
}

/**
 * The files of one split: one (or, when many hours interleave, several) for each hour, and one for
 * rejected records.
 */
export class HourFiles {
  readonly #options: HourFilesOptions
  /** In the order of use: the first is the least recently used. */
  readonly #open = new Map<number, StagedFile>()
  readonly #numbers = new Map<number, number>()
  readonly #closed: ManifestFile[] = []
  /** The hour of the last record, and its file: records come in order of time as a rule. */
  #currentHour = NaN
  #current: StagedFile | undefined
  #rejected: StagedFile | undefined
  #staged = 0

  constructor(options: HourFilesOptions) {
    this.#options = options
  }

  /** Adds a record; returns a promise only when there is something to wait for. */
  add(timeMs: number, line: Uint8Array): Promise<void> | undefined {
    const sinceHour = timeMs - this.#currentHour
    if (this.#current && sinceHour >= 0 && sinceHour < hourMs)
      return this.#current.add(line, timeMs)
    const hour = hourOf(timeMs)
    const known = this.#open.get(hour)
    if (known === undefined && this.#open.size >= this.#options.maxOpen) {
      return this.#closeOldest().then(() => this.#addTo(hour, this.#begin(hour), timeMs, line))
    }
    return this.#addTo(hour, known ?? this.#begin(hour), timeMs, line)
  }

  reject(line: Uint8Array): Promise<void> | undefined {
    const { split, extension } = this.#options
    this.#rejected ??= this.#create(rejectedFile(split, extension), 'rejected')
    return this.#rejected.add(line, null)
  }

  /** Closes everything; the files in the order in which they were finished. */
  async close(): Promise<ManifestFile[]> {
    while (this.#open.size > 0) await this.#closeOldest()
    if (this.#rejected) this.#closed.push(await this.#rejected.close())
    return this.#closed
  }

  /**
   * Removes what was staged, as far as that works: a load that fails again and again must not fill
   * the target.
   */
  async abort(): Promise<void> {
    const { target } = this.#options
    const files = [...this.#open.values(), ...(this.#rejected ? [this.#rejected] : [])]
    await Promise.allSettled(files.map((file) => file.abort()))
    try {
      for (const { staged } of this.#closed) await target.delete(staged)
    } catch {
      // The target is not there: staging is removed when it has become old.
    }
  }

  #addTo(hour: number, file: StagedFile, timeMs: number, line: Uint8Array) {
    this.#open.delete(hour)
    this.#open.set(hour, file)
    this.#currentHour = hour
    this.#current = file
    return file.add(line, timeMs)
  }

  #begin(hour: number): StagedFile {
    const n = this.#numbers.get(hour) ?? 0
    this.#numbers.set(hour, n + 1)
    const { split, extension } = this.#options
    return this.#create(hourFile(split, hour, n, extension), 'records')
  }

  #create(final: string, kind: ManifestFile['kind']): StagedFile {
    const { target, split, run, compress, signal } = this.#options
    const staged = stagedFile(split, run, this.#staged++)
    return new StagedFile({ target, staged, final, kind, compress, signal })
  }

  async #closeOldest(): Promise<void> {
    const [hour, file] = this.#open.entries().next().value!
    this.#open.delete(hour)
    if (file === this.#current) this.#current = undefined
    try {
      this.#closed.push(await file.close())
    } catch (error) {
      await file.abort().catch(() => undefined)
      throw error
    }
  }
}
