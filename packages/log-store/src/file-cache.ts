import { isOutOfHandles } from './errors.js'
import type { FileHandle, FileSystem, OpenMode } from './fs/file-system.js'

/** Who knows a file's name, which is not kept: there may be tens of thousands of files. */
export interface FileOwner {
  /** Asked whenever the file is opened. */
  readonly path: string
  /** The handle was closed. */
  closed?(): void
  /** The handle is about to be closed to make room. */
  evicted?(): void
}

/**
 * A file that is opened when needed, and not made by that: who still reads what has been deleted or
 * replaced must not put an empty file where it was.
 */
export class CachedFile {
  readonly mode: 'read' | 'update'
  handle: FileHandle | undefined
  /** While positive the handle stays open: an asynchronous call is using it. */
  pins = 0
  /** Since the cache last looked for files to close. */
  used = false
  /** Run when the last pin goes; see `whenUnpinned`. Undefined: there are none. */
  onUnpinned: (() => void)[] | undefined
  readonly owner: FileOwner

  constructor(owner: FileOwner, mode: 'read' | 'update') {
    this.owner = owner
    this.mode = mode
  }
}

/** Bound of the memory for whole index files. */
export class IndexMemory {
  readonly #maxBytes: number
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  reserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false
    this.#usedBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
  }
}

/** Enough for the index files of a few dozen large segments that are read a lot. */
const indexMemoryBytes = 64 * 1024 ** 2

/**
 * Bounds the files held open. Closed is one that nobody waits on and that was not used since it was
 * last looked at for that, the longest open one first: nothing has to be moved when a file is used.
 */
export class FileCache {
  readonly fileSystem: FileSystem
  readonly indexMemory = new IndexMemory(indexMemoryBytes)
  readonly #maxOpen: number
  readonly #closeFailed: (error: unknown, path: string) => void
  // The next to be looked at first.
  readonly #open = new Set<CachedFile>()

  /**
   * `closeFailed` is told of a written file that the system closed with an error: what was not
   * synced may be gone.
   */
  constructor(
    fileSystem: FileSystem,
    maxOpen: number,
    closeFailed: (error: unknown, path: string) => void,
  ) {
    this.fileSystem = fileSystem
    this.#maxOpen = Math.max(1, maxOpen)
    this.#closeFailed = closeFailed
  }

  get openCount(): number {
    return this.#open.size
  }

  /** The open handle; good until the next call here, unless pinned. Throws the system's error. */
  use(file: CachedFile): FileHandle {
    return this.#use(file, file.mode)
  }

  /** The same for a file that need not exist yet. */
  create(file: CachedFile): FileHandle {
    return this.#use(file, 'write')
  }

  #use(file: CachedFile, mode: OpenMode): FileHandle {
    if (file.handle !== undefined) {
      file.used = true
      return file.handle
    }
    // Before it is open: whoever loses a file may close others with it, but not this one.
    if (this.#open.size >= this.#maxOpen) this.#evict(this.#maxOpen - 1, file)
    file.handle = this.#openFile(file, mode)
    this.#open.add(file)
    return file.handle
  }

  pin(file: CachedFile): FileHandle {
    const handle = this.use(file)
    file.pins++
    return handle
  }

  unpin(file: CachedFile): void {
    file.pins--
    if (file.pins > 0) return
    // As many as are in use at once may be open; no longer than that.
    if (this.#open.size > this.#maxOpen) this.#evict(this.#maxOpen, undefined)
    const callbacks = file.onUnpinned
    if (callbacks === undefined) return
    file.onUnpinned = undefined
    for (const callback of callbacks) callback()
  }

  /** Calls back when nobody holds the file any more: at once, if so already. */
  whenUnpinned(file: CachedFile, callback: () => void): void {
    if (file.pins === 0) callback()
    else (file.onUnpinned ??= []).push(callback)
  }

  close(file: CachedFile): void {
    const handle = file.handle
    file.handle = undefined
    this.#open.delete(file)
    file.owner.closed?.()
    try {
      handle?.close()
    } catch (error) {
      // Who only reads has lost nothing.
      if (file.mode !== 'read') this.#closeFailed(error, file.owner.path)
    }
  }

  /**
   * At the end of the directory: closes all that is open, each when nobody uses it any more. Also
   * what no log knows any more, because the disk failed in the middle of a roll or a deletion.
   */
  closeAll(): void {
    for (const file of [...this.#open]) this.whenUnpinned(file, () => this.close(file))
  }

  /** No handles are left for others, sockets among them: closes half of ours. */
  giveBack(exempt?: CachedFile): void {
    this.#evict(Math.floor(this.#open.size / 2), exempt)
  }

  #openFile(file: CachedFile, mode: OpenMode): FileHandle {
    try {
      return this.fileSystem.open(file.owner.path, mode)
    } catch (error) {
      if (!isOutOfHandles(error)) throw error
      this.giveBack(file)
      return this.fileSystem.open(file.owner.path, mode)
    }
  }

  #evict(keep: number, exempt: CachedFile | undefined): void {
    for (const file of this.#open) {
      if (this.#open.size <= keep) return
      if (file.pins > 0 || file === exempt) continue
      if (file.used) {
        file.used = false
        this.#open.delete(file)
        this.#open.add(file)
        continue
      }
      file.owner.evicted?.()
      this.close(file)
    }
  }
}
