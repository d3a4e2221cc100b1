import type { FileHandle, FileSystem } from '../../src/index'

/** A file system that tells how many bytes were read of which file. */
export function countingFileSystem(inner: FileSystem): {
  fileSystem: FileSystem
  /** Bytes read of files with such a name. */
  readOf(name: RegExp): number
  reset(): void
} {
  const read = new Map<string, number>()
  const note = (path: string, bytes: number): number => {
    read.set(path, (read.get(path) ?? 0) + bytes)
    return bytes
  }
  const counted = (handle: FileHandle): FileHandle => ({
    path: handle.path,
    size: () => handle.size(),
    readSync: (into, position) => note(handle.path, handle.readSync(into, position)),
    read: async (into, position) => note(handle.path, await handle.read(into, position)),
    writevSync: (chunks, position) => handle.writevSync(chunks, position),
    truncateSync: (sizeBytes) => handle.truncateSync(sizeBytes),
    syncData: (done) => handle.syncData(done),
    close: () => handle.close(),
  })
  const fileSystem: FileSystem = {
    name: inner.name,
    open: (path, mode) => counted(inner.open(path, mode)),
    list: (path) => inner.list(path),
    stat: (path) => inner.stat(path),
    makeDirectory: (path) => inner.makeDirectory(path),
    rename: (from, to) => inner.rename(from, to),
    remove: (path) => inner.remove(path),
    removeDirectory: (path) => inner.removeDirectory(path),
    syncDirectory: (path) => inner.syncDirectory(path),
    lock: (path) => inner.lock(path),
  }
  return {
    fileSystem,
    readOf: (name) => {
      let bytes = 0
      for (const [path, count] of read) if (name.test(path)) bytes += count
      return bytes
    },
    reset: () => read.clear(),
  }
}
