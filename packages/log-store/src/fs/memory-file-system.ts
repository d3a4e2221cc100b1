import { crc32 } from 'node:zlib'
import { StoreError } from '../errors.js'
import type { DirectoryEntry, FileHandle, FileStat, FileSystem } from './file-system.js'

/** A file's content; names point at it, as at an inode. */
export class MemoryFile {
  bytes: Uint8Array
  sizeBytes = 0
  /** Stands for a date: grows with every change. */
  modifiedMs = 0
  /** `bytes` belong to another file as well: they are copied before the first change. */
  #shared = false

  constructor(bytes: Uint8Array = new Uint8Array(256)) {
    this.bytes = bytes
  }

  /** Unchanged since it was copied. */
  get isCopy(): boolean {
    return this.#shared
  }

  /** The same content in a file of its own, for as long as this one does not change. */
  copy(): MemoryFile {
    const copy = new MemoryFile(this.bytes)
    copy.sizeBytes = this.sizeBytes
    copy.modifiedMs = this.modifiedMs
    copy.#shared = true
    return copy
  }

  write(chunk: Uint8Array, position: number): void {
    const end = position + chunk.length
    this.reserve(end)
    if (position > this.sizeBytes) this.bytes.fill(0, this.sizeBytes, position)
    this.bytes.set(chunk, position)
    this.sizeBytes = Math.max(this.sizeBytes, end)
    this.modifiedMs++
  }

  truncate(sizeBytes: number): void {
    this.reserve(sizeBytes)
    if (sizeBytes > this.sizeBytes) this.bytes.fill(0, this.sizeBytes, sizeBytes)
    this.sizeBytes = sizeBytes
    this.modifiedMs++
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - position))
    into.set(this.bytes.subarray(position, position + count))
    return count
  }

  private reserve(size: number): void {
    if (size <= this.bytes.length && !this.#shared) return
    this.#shared = false
    // A copy of its own need not be larger: copies of copies would grow without end.
    const isFull = size > this.bytes.length
    const grown = new Uint8Array(isFull ? Math.max(size, this.bytes.length * 2) : this.bytes.length)
    grown.set(this.bytes.subarray(0, this.sizeBytes))
    this.bytes = grown
  }
}

/** Names of one directory. Sub-directories are directories of their own in the tree's map. */
export type MemoryDirectory = Map<string, MemoryFile | 'directory'>

/** The state behind a memory file system; the faulty file system keeps a durable twin of it. */
export class MemoryTree {
  readonly directories = new Map<string, MemoryDirectory>([['/', new Map()]])
  readonly locks = new Set<string>()

  directory(path: string): MemoryDirectory {
    const found = this.directories.get(path)
    if (found === undefined) throw systemError('ENOENT', path)
    return found
  }

  file(path: string): MemoryFile | undefined {
    const entry = this.directories.get(parentOf(path))?.get(nameOf(path))
    return entry === 'directory' ? undefined : entry
  }

  makeDirectory(path: string): void {
    if (this.directories.has(path)) return
    const parent = parentOf(path)
    this.makeDirectory(parent)
    if (this.directory(parent).has(nameOf(path))) throw systemError('EEXIST', path)
    this.directory(parent).set(nameOf(path), 'directory')
    this.directories.set(path, new Map())
  }

  rename(from: string, to: string): void {
    const source = this.directory(parentOf(from))
    const entry = source.get(nameOf(from))
    if (entry === undefined) throw systemError('ENOENT', from)
    if (entry === 'directory') {
      for (const [path, content] of [...this.directories]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue
        this.directories.delete(path)
        this.directories.set(to + path.slice(from.length), content)
      }
    }
    source.delete(nameOf(from))
    this.directory(parentOf(to)).set(nameOf(to), entry)
  }

  removeDirectory(path: string): void {
    this.directories.get(parentOf(path))?.delete(nameOf(path))
    for (const known of [...this.directories.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) this.directories.delete(known)
    }
  }
}

/** Without a trace, as those of the system: asking whether a file is there is no rarity. */
export function systemError(code: string, path: string): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = Object.assign(new Error(`${code}: ${path}`), { code, path })
  Error.stackTraceLimit = stackTraceLimit
  return error
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** One form for a path: absolute, no trailing slash. */
export function normalise(path: string): string {
  // Nearly always it has that form already.
  if (/^(?:\/[^/\\.][^/\\]*)+$/.test(path)) return path
  const parts = path.split(/[\\/]/).filter((part) => part !== '' && part !== '.')
  return `/${parts.join('/')}`
}

/**
 * Stands for the date of the last change of a directory: another one for other names, the same one
 * after a crash that has lost none.
 */
function dateOf(names: MemoryDirectory): number {
  return crc32([...names.keys()].sort().join('/'))
}

class MemoryFileHandle implements FileHandle {
  readonly path: string
  readonly #file: MemoryFile
  #closed = false

  constructor(path: string, file: MemoryFile) {
    this.path = path
    this.#file = file
  }

  size(): number {
    return this.#open().sizeBytes
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#open().read(into, position)
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return this.#open().read(into, position)
  }

  writevSync(chunks: readonly Uint8Array[], position: number): number {
    const file = this.#open()
    const { modifiedMs } = file
    let at = position
    for (const chunk of chunks) {
      file.write(chunk, at)
      at += chunk.length
    }
    file.modifiedMs = modifiedMs + 1
    return at - position
  }

  truncateSync(sizeBytes: number): void {
    this.#open().truncate(sizeBytes)
  }

  syncData(done: (error: Error | null) => void): void {
    queueMicrotask(() => done(null))
  }

  close(): void {
    this.#open()
    this.#closed = true
  }

  #open(): MemoryFile {
    if (this.#closed) throw systemError('EBADF', this.path)
    return this.#file
  }
}

/**
 * A disk in memory, gone with the object: for tests and for logs that need not survive the process.
 */
export function memoryFileSystem(): FileSystem {
  return memoryFileSystemOver(new MemoryTree())
}

/** The same over a given tree. */
export function memoryFileSystemOver(tree: MemoryTree): FileSystem {
  return {
    name: 'memory',

    open(path, mode) {
      const at = normalise(path)
      let file = tree.file(at)
      if (file === undefined) {
        if (mode !== 'write') throw systemError('ENOENT', at)
        file = new MemoryFile()
        tree.directory(parentOf(at)).set(nameOf(at), file)
      }
      return new MemoryFileHandle(path, file)
    },

    async list(path): Promise<DirectoryEntry[]> {
      const entries = tree.directory(normalise(path))
      return [...entries].map(([name, entry]) => ({ name, isDirectory: entry === 'directory' }))
    },

    async stat(path): Promise<FileStat | undefined> {
      const at = normalise(path)
      const names = tree.directories.get(at)
      if (names !== undefined) return { sizeBytes: 0, modifiedMs: dateOf(names) }
      const file = tree.file(at)
      return file && { sizeBytes: file.sizeBytes, modifiedMs: file.modifiedMs }
    },

    makeDirectory: async (path) => tree.makeDirectory(normalise(path)),
    rename: async (from, to) => tree.rename(normalise(from), normalise(to)),

    async remove(path) {
      const at = normalise(path)
      tree.directories.get(parentOf(at))?.delete(nameOf(at))
    },

    removeDirectory: async (path) => tree.removeDirectory(normalise(path)),
    syncDirectory: async (path) => void tree.directory(normalise(path)),

    async lock(path) {
      const at = normalise(path)
      if (tree.locks.has(at)) {
        throw new StoreError('KFK_STORE_LOCKED', `directory ${path} is in use by this process`, {
          details: { path, pid: process.pid },
        })
      }
      tree.locks.add(at)
      return { release: async () => void tree.locks.delete(at) }
    },
  }
}
