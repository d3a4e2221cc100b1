// A disk that takes so many turns of the event loop, always the same, for what it is not asked to do
// at once, so that other calls come in between.
import type { FaultyFileSystem, FileHandle, FileSystem, OpenMode } from '../../src/index'
import { syncFile } from '../../src/fs/file-system'
import { settle } from '../support/records'

/** One life of a disk: from a start of the machine to its stop. */
export class SlowDisk implements FileSystem {
  readonly name = 'slow'
  /** What it was asked to do, in order; closing a file is not among it. */
  readonly calls: string[] = []
  /** That it takes. */
  turns: number
  readonly openFiles = new Set<FileHandle>()
  readonly #disk: FaultyFileSystem
  #ended = false

  constructor(disk: FaultyFileSystem, turns: number) {
    this.#disk = disk
    this.turns = turns
  }

  /** The machine stops: nothing that is under way reaches the disk any more. */
  end(): void {
    this.#ended = true
  }

  open(path: string, mode: OpenMode): FileHandle {
    this.note('open', path)
    const handle = new SlowHandle(this, this.#disk.open(path, mode))
    this.openFiles.add(handle)
    return handle
  }

  list = (path: string) => this.later('list', path, () => this.#disk.list(path))
  stat = (path: string) => this.later('stat', path, () => this.#disk.stat(path))
  remove = (path: string) => this.later('remove', path, () => this.#disk.remove(path))
  lock = (path: string) => this.later('lock', path, () => this.#disk.lock(path))

  makeDirectory(path: string) {
    return this.later('makeDirectory', path, () => this.#disk.makeDirectory(path))
  }

  rename(from: string, to: string) {
    return this.later('rename', from, () => this.#disk.rename(from, to))
  }

  removeDirectory(path: string) {
    return this.later('removeDirectory', path, () => this.#disk.removeDirectory(path))
  }

  syncDirectory(path: string) {
    return this.atOnce('syncDirectory', path, () => this.#disk.syncDirectory(path))
  }

  async later<Result>(what: string, path: string, work: () => Promise<Result>): Promise<Result> {
    this.note(what, path)
    await settle(this.turns)
    this.requireRunning()
    return work()
  }

  /** Covers what is there now, and tells of it late. */
  async atOnce(what: string, path: string, work: () => Promise<void>): Promise<void> {
    this.note(what, path)
    try {
      await work()
    } finally {
      await settle(this.turns)
    }
    this.requireRunning()
  }

  note(what: string, path: string): void {
    this.requireRunning()
    this.calls.push(`${what} ${path}`)
  }

  requireRunning(): void {
    if (this.#ended) throw Object.assign(new Error('the machine has stopped'), { code: 'ESTOPPED' })
  }
}

class SlowHandle implements FileHandle {
  readonly path: string
  readonly #disk: SlowDisk
  readonly #handle: FileHandle

  constructor(disk: SlowDisk, handle: FileHandle) {
    this.path = handle.path
    this.#disk = disk
    this.#handle = handle
  }

  size = () => this.#handle.size()

  readSync(into: Uint8Array, position: number): number {
    this.#disk.note('read', this.path)
    return this.#handle.readSync(into, position)
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#disk.later('read', this.path, () => this.#handle.read(into, position))
  }

  writevSync(chunks: readonly Uint8Array[], position: number): number {
    this.#disk.note('write', this.path)
    return this.#handle.writevSync(chunks, position)
  }

  truncateSync(sizeBytes: number): void {
    this.#disk.note('truncate', this.path)
    this.#handle.truncateSync(sizeBytes)
  }

  syncData(done: (error: Error | null) => void): void {
    const sync = () => syncFile(this.#handle)
    this.#disk.atOnce('sync', this.path, sync).then(
      () => done(null),
      (error: unknown) => done(error as Error),
    )
  }

  close(): void {
    this.#disk.openFiles.delete(this)
    this.#handle.close()
  }
}
