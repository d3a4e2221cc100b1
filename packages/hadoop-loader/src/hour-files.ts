import { hourFile, hourOf, rejectedFile, stagedFile } from './file-layout.js'
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
  /** Hour files open at once; the least recently used is closed, and its hour goes on as the next file. */
  readonly maxOpen: number
  readonly signal: AbortSignal
}

/** The files of one split: one (or, when many hours interleave, several) for each hour, and one for rejected records. */
export class HourFiles {
  readonly #options: HourFilesOptions
  /** In the order of use: the first is the least recently used. */
  readonly #open = new Map<number, StagedFile>()
  readonly #numbers = new Map<number, number>()
  readonly #closed: ManifestFile[] = []
  #rejected: StagedFile | undefined

  constructor(options: HourFilesOptions) {
    this.#options = options
  }

  async add(timeMs: number, line: Uint8Array): Promise<void> {
    const hour = hourOf(timeMs)
    let file = this.#open.get(hour)
    if (file === undefined) {
      if (this.#open.size >= this.#options.maxOpen) await this.#closeOldest()
      file = await this.#begin(hour)
    } else {
      this.#open.delete(hour)
    }
    this.#open.set(hour, file)
    await file.add(line, timeMs)
  }

  async reject(line: Uint8Array): Promise<void> {
    const { split, extension } = this.#options
    this.#rejected ??= await this.#create(rejectedFile(split, extension), 'rejected')
    await this.#rejected.add(line, null)
  }

  /** Closes everything; the files in the order in which they were finished. */
  async close(): Promise<ManifestFile[]> {
    while (this.#open.size > 0) await this.#closeOldest()
    if (this.#rejected) this.#closed.push(await this.#rejected.close())
    return this.#closed
  }

  async abort(): Promise<void> {
    const files = [...this.#open.values(), ...(this.#rejected ? [this.#rejected] : [])]
    await Promise.allSettled(files.map((file) => file.abort()))
  }

  #begin(hour: number): Promise<StagedFile> {
    const n = (this.#numbers.get(hour) ?? -1) + 1
    this.#numbers.set(hour, n)
    return this.#create(hourFile(this.#options.split, hour, n, this.#options.extension), 'records')
  }

  #create(final: string, kind: ManifestFile['kind']): Promise<StagedFile> {
    const { target, split, run, compress, signal } = this.#options
    const staged = stagedFile(split, run, final)
    return StagedFile.create({ target, staged, final, kind, compress, signal })
  }

  async #closeOldest(): Promise<void> {
    const [hour, file] = this.#open.entries().next().value!
    this.#open.delete(hour)
    this.#closed.push(await file.close())
  }
}
