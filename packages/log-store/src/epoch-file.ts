import { join } from 'node:path'
import { writeCheckedFile } from './checkpoint-file.js'
import { encodeEpochs, type EpochIndex } from './epoch-index.js'
import { fileNames } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'

/** Keeps the epoch checkpoint of one log current. */
export class EpochFile {
  readonly #fileSystem: FileSystem
  readonly #path: string
  readonly #epochs: EpochIndex
  #savedChanges: number

  /** `current`: the file says what `epochs` says now. */
  constructor(
    fileSystem: FileSystem,
    directory: string,
    state: { readonly epochs: EpochIndex; readonly current: boolean },
  ) {
    this.#fileSystem = fileSystem
    this.#path = join(directory, fileNames.epochs)
    this.#epochs = state.epochs
    this.#savedChanges = state.current ? state.epochs.changes : -1
  }

  /** Writes it if it changed since the last time. Durable when it resolves. */
  async save(): Promise<void> {
    const { changes, entries } = this.#epochs
    if (changes === this.#savedChanges) return
    await writeCheckedFile(this.#fileSystem, this.#path, encodeEpochs(entries))
    this.#savedChanges = changes
  }
}
