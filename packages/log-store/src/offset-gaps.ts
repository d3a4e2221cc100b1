import { join } from 'node:path'
import { readCheckedFile, writeCheckedFile } from './checkpoint-file.js'
import { StoreError } from './errors.js'
import { fileNames } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'

// `<log>/kfk.offset-gaps`: one line, the offset below which offsets may be missing between batches.
// Compaction, repair and replication of a log with gaps write it before the gap itself; without it
// a missing offset is damage. Kafka takes gaps as they come and does not look at the file.

/** The bound when gaps are normal everywhere. */
export const gapsEverywhere = Number.MAX_SAFE_INTEGER

/**
 * The bound of a log's directory, 0 when it has none. Throws KFK_STORE_CORRUPT when the file is not
 * what was written.
 */
export async function readOffsetGaps(fileSystem: FileSystem, logPath: string): Promise<number> {
  const path = join(logPath, fileNames.offsetGaps)
  const bytes = await readCheckedFile(fileSystem, path)
  if (bytes === undefined) return 0
  const text = Buffer.from(bytes).toString('latin1')
  const bound = Number(text)
  if (/^\d{1,16}\n$/.test(text) && Number.isSafeInteger(bound)) return bound
  throw new StoreError('KFK_STORE_CORRUPT', `${path} is not an offset`, { details: { path } })
}

/** The offset below which gaps are normal in one log. Only ever raised. */
export class OffsetGaps {
  #bound: number
  #saved: number
  #running: Promise<void> | undefined
  readonly #fileSystem: FileSystem
  readonly #logPath: string

  constructor(fileSystem: FileSystem, logPath: string, bound: number) {
    this.#fileSystem = fileSystem
    this.#logPath = logPath
    this.#bound = bound
    this.#saved = bound
  }

  get bound(): number {
    return this.#bound
  }

  /** The file says less than `bound`. */
  get unsaved(): boolean {
    return this.#bound > this.#saved
  }

  /** In memory; `save` must have resolved before a gap below `bound` can survive a crash. */
  raise(bound: number): void {
    if (bound > this.#bound) this.#bound = bound
  }

  /**
   * Raises and saves; for gaps that come only if that worked. When it rejects, the bound is what it
   * was: no sync may come to depend on a file for which there was no room.
   */
  async raiseDurably(bound: number): Promise<void> {
    await this.#write(() => Math.max(bound, this.#bound))
    this.raise(bound)
  }

  /** Durable when it resolves. */
  save(): Promise<void> {
    return this.#write(() => this.#bound)
  }

  /** One write at a time: they share a temporary file. */
  async #write(wanted: () => number): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    const bound = wanted()
    if (bound <= this.#saved) return
    const path = join(this.#logPath, fileNames.offsetGaps)
    this.#running = writeCheckedFile(this.#fileSystem, path, Buffer.from(`${bound}\n`))
    try {
      await this.#running
      this.#saved = bound
    } finally {
      this.#running = undefined
    }
  }
}
