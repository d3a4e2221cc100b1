/**
 * `read`: the file must exist. `update`: read and write, and it must exist, too. `write`: the same,
 * created empty when absent.
 */
export type OpenMode = 'read' | 'update' | 'write'

/**
 * The seam between the store and a disk. What the store assumes of a disk:
 * bytes written are durable only after `syncData` of that file; a created, renamed or removed name
 * is
 * durable only after `syncDirectory` of its directory; until then a crash may keep any part of it.
 * Hot calls are synchronous (a trip through the thread pool costs more than a cached write);
 * whatever
 * waits for the medium is not.
 */
export interface FileSystem {
  readonly name: string
  /**
   * Opens at once. The name of a file that it created is durable after `syncDirectory`. Throws the
   * system's error (ENOENT, EMFILE, ...).
   */
  open(path: string, mode: OpenMode): FileHandle
  /**
   * Opens for reading what the medium holds, past any cache of the system. Absent where the
   * platform has no such thing; throws the system's error (EINVAL) where the file system has not.
   */
  openUncached?(path: string): FileHandle
  /** Names in a directory, in no order. Rejects with ENOENT. */
  list(path: string): Promise<DirectoryEntry[]>
  /** Undefined when there is no such file or directory. */
  stat(path: string): Promise<FileStat | undefined>
  /** Creates the directory and its parents; an existing one is fine. Durable when it resolves. */
  makeDirectory(path: string): Promise<void>
  /** Atomic, replaces a file at `to`. Durable after `syncDirectory`. Open handles stay valid. */
  rename(from: string, to: string): Promise<void>
  /**
   * Removes a file; an absent one is fine. Open handles stay valid. Durable after `syncDirectory`.
   */
  remove(path: string): Promise<void>
  /** Removes a directory with all that is in it; an absent one is fine. */
  removeDirectory(path: string): Promise<void>
  /** Makes names created, renamed and removed in the directory durable. */
  syncDirectory(path: string): Promise<void>
  /**
   * Takes the directory for this process until `release` (or the process's end). Rejects with
   * KFK_STORE_LOCKED, naming directory and holder, when somebody has it.
   */
  lock(path: string): Promise<{ release(): Promise<void> }>
}

export interface DirectoryEntry {
  readonly name: string
  readonly isDirectory: boolean
}

export interface FileStat {
  /** Of a directory: anything. */
  readonly sizeBytes: number
  /**
   * When bytes of the file, or names in the directory, were last changed; as fine as the system
   * tells it.
   */
  readonly modifiedMs: number
}

/** An open file. Positions are explicit, there is no cursor. No call may follow `close`. */
export interface FileHandle {
  readonly path: string
  /** Current size in bytes. */
  size(): number
  /** Blocking read; returns the bytes read, 0 at the end. Meant for what is in the page cache. */
  readSync(into: Uint8Array, position: number): number
  /** Read in the thread pool; the buffer belongs to the call until it resolves. */
  read(into: Uint8Array, position: number): Promise<number>
  /**
   * Blocking vectored write at `position`; returns the bytes written, which may be fewer. Not
   * durable.
   * The chunks may be reused when it returns.
   */
  writevSync(chunks: readonly Uint8Array[], position: number): number
  /** Cuts (or zero-extends) the file. Not durable. */
  truncateSync(sizeBytes: number): void
  /** fdatasync off the main thread. A failure means that written bytes may be gone: never retry. */
  syncData(done: (error: Error | null) => void): void
  close(): void
}

/** `syncData` as a promise, for paths where a promise costs nothing that matters. */
export function syncFile(handle: FileHandle): Promise<void> {
  return new Promise((resolve, reject) => {
    handle.syncData((error) => {
      if (error === null) resolve()
      else reject(error)
    })
  })
}

/** Writes all chunks, continuing after short writes. Throws the system's error. */
export function writeFully(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): number {
  let rest = chunks
  let written = 0
  for (;;) {
    let left = 0
    for (const chunk of rest) left += chunk.length
    if (left === 0) return written
    const count = handle.writevSync(rest, position + written)
    written += count
    if (count === left) return written
    if (count === 0) throw Object.assign(new Error('write made no progress'), { code: 'EIO' })
    rest = dropBytes(rest, count)
  }
}

function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = count
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length
    else {
      rest.push(skip === 0 ? chunk : chunk.subarray(skip))
      skip = 0
    }
  }
  return rest
}

/** Reads `length` bytes or up to the end of the file; the result may be shorter. */
export function readRangeSync(handle: FileHandle, position: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const count = handle.readSync(bytes.subarray(filled), position + filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

/** The same in the thread pool. */
export async function readRange(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length)
  return bytes.subarray(0, await readInto(handle, bytes, position))
}

/** Fills `bytes`, in the thread pool; answers how many there were before the end of the file. */
export async function readInto(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<number> {
  let filled = 0
  while (filled < bytes.length) {
    const rest = filled === 0 ? bytes : bytes.subarray(filled)
    const count = await handle.read(rest, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}
