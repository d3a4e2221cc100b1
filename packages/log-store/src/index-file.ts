import type { CachedFile, FileCache } from './file-cache.js'
import { IndexMismatch, type IndexSource } from './index-entries.js'

/** One index file of a segment, opened when a search needs it. */
export class IndexFile implements IndexSource {
  readonly #files: FileCache
  readonly #file: CachedFile
  #reservedBytes = 0

  constructor(files: FileCache, path: string) {
    this.#files = files
    this.#file = files.define(path, 'read')
  }

  /** Undefined when there is no such file. */
  size(): number | undefined {
    try {
      return this.#files.use(this.#file).size()
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined
      throw error
    }
  }

  read(position: number, length: number): Buffer {
    let handle
    try {
      handle = this.#files.use(this.#file)
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') throw new IndexMismatch()
      throw error
    }
    const bytes = Buffer.allocUnsafeSlow(length)
    for (let filled = 0; filled < length;) {
      const count = handle.readSync(bytes.subarray(filled), position + filled)
      if (count === 0) throw new IndexMismatch()
      filled += count
    }
    return bytes
  }

  reserve(bytes: number): boolean {
    if (!this.#files.indexMemory.reserve(bytes)) return false
    this.#reservedBytes += bytes
    return true
  }

  /** Closes the file and gives memory back; the next use opens it again, under this name. */
  close(): void {
    this.#files.close(this.#file)
    this.#files.indexMemory.release(this.#reservedBytes)
    this.#reservedBytes = 0
  }
}
