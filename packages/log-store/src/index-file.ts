import { CachedFile, type FileCache, type FileOwner } from './file-cache.js'
import type { FileHandle } from './fs/file-system.js'
import { IndexMismatch, type IndexSource } from './index-entries.js'

/** Which of the two indexes of a segment. */
export type IndexSide = 'offsets' | 'times'

/** A segment, which knows the names of its index files; they may change. */
export interface IndexNames {
  indexPath(side: IndexSide): string
}

/** One index file of a segment, opened when a search needs it. */
export class IndexFile implements IndexSource, FileOwner {
  readonly #files: FileCache
  readonly #names: IndexNames
  readonly #side: IndexSide
  #file: CachedFile | undefined
  #reservedBytes = 0

  constructor(files: FileCache, names: IndexNames, side: IndexSide) {
    this.#files = files
    this.#names = names
    this.#side = side
  }

  get path(): string {
    return this.#names.indexPath(this.#side)
  }

  /** Undefined when there is no such file. */
  size(): number | undefined {
    try {
      return this.#open().size()
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined
      throw error
    }
  }

  read(position: number, length: number): Buffer {
    let handle
    try {
      handle = this.#open()
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

  /** Closes the file and gives memory back; the next use opens what has its name then. */
  close(): void {
    if (this.#file !== undefined) this.#files.close(this.#file)
    this.#file = undefined
    this.#files.indexMemory.release(this.#reservedBytes)
    this.#reservedBytes = 0
  }

  #open(): FileHandle {
    this.#file ??= new CachedFile(this, 'read')
    return this.#files.use(this.#file)
  }
}
