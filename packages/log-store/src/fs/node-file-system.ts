import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ioError } from '../errors.js'
import { lockDirectory } from './directory-lock.js'
import { canReadUncached, UncachedFileHandle } from './uncached-file.js'
import type { DirectoryEntry, FileHandle, FileStat, FileSystem, OpenMode } from './file-system.js'

/** Chunks of this size on average are copied together: to list them to the system costs more. */
const smallBytes = 1024
/** Used within one synchronous call at a time. */
let gathered: Buffer | undefined
const gatheredBytes = 256 * 1024

function areSmall(chunks: readonly Uint8Array[]): boolean {
  let bytes = 0
  for (const chunk of chunks) {
    bytes += chunk.length
    if (chunk.length > gatheredBytes) return false
  }
  return bytes <= chunks.length * smallBytes
}

class NodeFileHandle implements FileHandle {
  readonly path: string
  readonly #descriptor: number

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  size(): number {
    return fs.fstatSync(this.#descriptor).size
  }

  readSync(into: Uint8Array, position: number): number {
    return fs.readSync(this.#descriptor, into, 0, into.length, position)
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, into, 0, into.length, position, (error, count) => {
        if (error) reject(error)
        else resolve(count)
      })
    })
  }

  writevSync(chunks: readonly Uint8Array[], position: number): number {
    if (chunks.length === 1) {
      const only = chunks[0]!
      return fs.writeSync(this.#descriptor, only, 0, only.length, position)
    }
    if (areSmall(chunks)) return this.#writeGathered(chunks, position)
    return fs.writevSync(this.#descriptor, chunks, position)
  }

  #writeGathered(chunks: readonly Uint8Array[], position: number): number {
    gathered ??= Buffer.allocUnsafeSlow(gatheredBytes)
    let written = 0
    let filled = 0
    for (let at = 0; at < chunks.length; at++) {
      const chunk = chunks[at]!
      gathered.set(chunk, filled)
      filled += chunk.length
      const next = chunks[at + 1]
      if (next !== undefined && filled + next.length <= gatheredBytes) continue
      const count = fs.writeSync(this.#descriptor, gathered, 0, filled, position + written)
      written += count
      if (count < filled) break
      filled = 0
    }
    return written
  }

  truncateSync(sizeBytes: number): void {
    fs.ftruncateSync(this.#descriptor, sizeBytes)
  }

  syncData(done: (error: Error | null) => void): void {
    fs.fdatasync(this.#descriptor, done)
  }

  close(): void {
    fs.closeSync(this.#descriptor)
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

const flags: Readonly<Record<OpenMode, number>> = {
  read: fs.constants.O_RDONLY,
  update: fs.constants.O_RDWR,
  write: fs.constants.O_RDWR | fs.constants.O_CREAT,
}

/** The machine's own disks. */
export const nodeFileSystem: FileSystem = {
  name: 'node',

  open(path, mode) {
    return new NodeFileHandle(path, fs.openSync(path, flags[mode], 0o644))
  },

  ...(canReadUncached && { openUncached: (path: string) => new UncachedFileHandle(path) }),

  async list(path): Promise<DirectoryEntry[]> {
    const entries = await fs.promises.readdir(path, { withFileTypes: true })
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
  },

  async stat(path): Promise<FileStat | undefined> {
    try {
      const { size, mtimeMs } = await fs.promises.stat(path)
      return { sizeBytes: size, modifiedMs: mtimeMs }
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  },

  async makeDirectory(path) {
    const first = await fs.promises.mkdir(path, { recursive: true })
    if (first === undefined) return
    // mkdir reports the topmost directory it made; every entry on the way must survive a power cut.
    for (let at = resolve(path); at.length >= resolve(first).length; at = dirname(at)) {
      await this.syncDirectory(dirname(at))
    }
  },

  rename: (from, to) => fs.promises.rename(from, to),

  async remove(path) {
    try {
      await fs.promises.unlink(path)
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  },

  removeDirectory: (path) => fs.promises.rm(path, { recursive: true, force: true }),

  async syncDirectory(path) {
    // Windows cannot sync a directory; NTFS journals names by itself.
    if (process.platform === 'win32') return
    const directory = await fs.promises.open(path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  },

  async lock(path) {
    try {
      return await lockDirectory(path)
    } catch (error) {
      throw ioError(error, { action: 'lock', path })
    }
  },
}
