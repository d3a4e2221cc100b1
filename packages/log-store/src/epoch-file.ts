import { join } from 'node:path'
import { writeCheckedFile } from './checkpoint-file.js'
import { encodeEpochs, type EpochIndex } from './epoch-index.js'
import { fileNames } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'

/** Keeps the epoch checkpoint of one log current. */
export class EpochFile {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #epochs: EpochIndex
  #savedChanges: number
  #running: Promise<void> | undefined
  #ended = false

  /** `current`: the file says what `epochs` says now. */
  constructor(
    fileSystem: FileSystem,
    directory: string,
    state: { readonly epochs: EpochIndex; readonly current: boolean },
  ) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#epochs = state.epochs
    this.#savedChanges = state.current ? state.epochs.changes : -1
  }

  /** The file says what memory says. */
  get isSaved(): boolean {
    return this.#epochs.changes === this.#savedChanges
  }

  /** Nothing is written any more. */
  get ended(): boolean {
    return this.#ended
  }

  /** The directory is about to go: resolves when nothing is being written there any more. */
  async end(): Promise<void> {
    this.#ended = true
    await this.#running?.catch(() => undefined)
  }

  /**
   * Writes it if it changed since the last time. Durable when it resolves. One write at a time: a
   * checkpoint may come while the log is being closed, and both go through one temporary file.
   */
  async save(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    const { changes, entries } = this.#epochs
    if (changes === this.#savedChanges || this.#ended) return
    const path = join(this.#directory, fileNames.epochs)
    this.#running = writeCheckedFile(this.#fileSystem, path, encodeEpochs(entries))
    try {
      await this.#running
      this.#savedChanges = changes
    } finally {
      this.#running = undefined
    }
  }
}
