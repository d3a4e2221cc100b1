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
  // What opening found may differ from the file; the first save settles it.
  #savedChanges = -1

  constructor(fileSystem: FileSystem, directory: string, epochs: EpochIndex) {
    this.#fileSystem = fileSystem
    this.#path = join(directory, fileNames.epochs)
    this.#epochs = epochs
  }

  /** Writes it if it changed since the last time. Durable when it resolves. */
  async save(): Promise<void> {
    const { changes, entries } = this.#epochs
    if (changes === this.#savedChanges) return
    await writeCheckedFile(this.#fileSystem, this.#path, encodeEpochs(entries))
    this.#savedChanges = changes
  }
}
