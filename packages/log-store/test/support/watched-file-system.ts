import type { FileHandle, FileSystem } from '../../src/index'

/** Looks over the shoulder of whoever uses a file system. */
export interface WatchedFileSystem extends FileSystem {
  /** Files that are open. */
  readonly openPaths: ReadonlySet<string>
  /** Calls of any kind so far. */
  readonly calls: number
  /** Syncs of a file that had failed to sync, and has not been written anew: must never be. */
  readonly retriedSyncs: readonly string[]
  /** Errors, in order: operation and path. */
  readonly failures: readonly string[]
  /** Called when the sync of a file has succeeded. */
  onSync: ((path: string) => void) | undefined
}

export function watchedFileSystem(inner: FileSystem): WatchedFileSystem {
  const state = {
    open: new Set<WatchedHandle>(),
    calls: 0,
    failed: new Set<string>(),
    retried: [] as string[],
    failures: [] as string[],
    onSync: undefined as ((path: string) => void) | undefined,
  }

  class WatchedHandle implements FileHandle {
    readonly path: string
    readonly #handle: FileHandle

    constructor(handle: FileHandle) {
      this.path = handle.path
      this.#handle = handle
      state.open.add(this)
    }

    size = () => this.#called('size', () => this.#handle.size())
    readSync = (into: Uint8Array, position: number) =>
      this.#called('read', () => this.#handle.readSync(into, position))
    read = (into: Uint8Array, position: number) => this.#handle.read(into, position)
    writevSync = (chunks: readonly Uint8Array[], position: number) =>
      this.#called('write', () => this.#handle.writevSync(chunks, position))

    truncateSync(sizeBytes: number): void {
      this.#called('truncate', () => this.#handle.truncateSync(sizeBytes))
      state.failed.delete(this.path)
    }

    syncData(done: (error: Error | null) => void): void {
      if (state.failed.has(this.path)) state.retried.push(this.path)
      this.#called('sync', () =>
        this.#handle.syncData((error) => {
          if (error !== null) {
            state.failed.add(this.path)
            state.failures.push(`sync ${this.path}`)
          } else state.onSync?.(this.path)
          done(error)
        }),
      )
    }

    close(): void {
      state.open.delete(this)
      this.#called('close', () => this.#handle.close())
    }

    #called<Result>(operation: string, call: () => Result): Result {
      state.calls++
      try {
        return call()
      } catch (error) {
        state.failures.push(`${operation} ${this.path}`)
        throw error
      }
    }
  }

  const waited =
    <Arguments extends [string, ...string[]], Result>(
      operation: string,
      call: (...given: Arguments) => Promise<Result>,
    ) =>
    async (...given: Arguments): Promise<Result> => {
      state.calls++
      try {
        return await call(...given)
      } catch (error) {
        state.failures.push(`${operation} ${given[0]}`)
        throw error
      }
    }

  return {
    name: inner.name,
    get openPaths() {
      return new Set([...state.open].map(({ path }) => path))
    },
    get calls() {
      return state.calls
    },
    get retriedSyncs() {
      return state.retried
    },
    get failures() {
      return state.failures
    },
    get onSync() {
      return state.onSync
    },
    set onSync(listener) {
      state.onSync = listener
    },
    open(path, mode) {
      state.calls++
      try {
        return new WatchedHandle(inner.open(path, mode))
      } catch (error) {
        state.failures.push(`open ${path}`)
        throw error
      }
    },
    list: waited('list', (path) => inner.list(path)),
    stat: waited('stat', (path) => inner.stat(path)),
    makeDirectory: waited('makeDirectory', (path) => inner.makeDirectory(path)),
    rename: waited('rename', (from: string, to: string) => inner.rename(from, to)),
    remove: waited('remove', (path) => {
      state.failed.delete(path)
      return inner.remove(path)
    }),
    removeDirectory: waited('removeDirectory', (path) => inner.removeDirectory(path)),
    syncDirectory: waited('syncDirectory', (path) => inner.syncDirectory(path)),
    lock: waited('lock', (path) => inner.lock(path)),
  }
}
