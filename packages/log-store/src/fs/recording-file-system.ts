import { CrashReplay, type CrashPoint, type Medium, mediumOf } from './crash-replay.js'
import type { DiskStep } from './disk-step.js'
import type { FileHandle, FileSystem, OpenMode } from './file-system.js'
import {
  type MemoryDirectory,
  type MemoryFile,
  memoryFileSystemOver,
  MemoryTree,
  nameOf,
  normalise,
  parentOf,
} from './memory-file-system.js'

/**
 * A disk in memory that notes every step that changes it or makes a change durable. Afterwards any
 * moment of what ran on it can be turned into the disks that a power cut may have left, without
 * running it again. For tests.
 */
export interface RecordingFileSystem extends FileSystem {
  /** Everything so far, oldest first. */
  readonly steps: readonly DiskStep[]
  /**
   * The power cut after the first `count` steps. Cheap when asked for in ascending order; an answer
   * is good until the next call.
   */
  crashAfter(count: number): CrashPoint
  /**
   * The disk as it goes on when nothing but the process ends after the first `count` steps: all
   * changes are there, and those that no sync has covered are its first steps.
   */
  goOnAfter(count: number): RecordingFileSystem
}

/** An empty disk that records; see `RecordingFileSystem`. */
export function recordingFileSystem(): RecordingFileSystem {
  return recordingFileSystemOver(new MemoryTree())
}

/** The same over a tree, all of which counts as durable. */
export function recordingFileSystemOver(tree: MemoryTree): RecordingFileSystem {
  return new Recording(tree, new Map())
}

class Recording implements RecordingFileSystem {
  readonly name = 'recording'
  readonly steps: DiskStep[] = []
  readonly tree: MemoryTree
  readonly #memory: FileSystem
  readonly #replay: CrashReplay
  readonly #ids: Map<MemoryFile | MemoryDirectory, number>
  #nextId: number

  /** With `begun` some of what is in the tree is pending, and nodes have numbers already. */
  constructor(
    tree: MemoryTree,
    ids: Map<MemoryFile | MemoryDirectory, number>,
    begun?: {
      readonly medium: Medium
      readonly pending: readonly DiskStep[]
      readonly nextId: number
    },
  ) {
    this.tree = tree
    this.#memory = memoryFileSystemOver(tree)
    this.#ids = ids
    this.#nextId = begun?.nextId ?? 0
    this.steps.push(...(begun?.pending ?? []))
    const medium = begun?.medium ?? mediumOf(tree, (node) => this.idOf(node))
    this.#replay = new CrashReplay(medium, this.steps)
  }

  crashAfter(count: number): CrashPoint {
    return this.#replay.at(count)
  }

  goOnAfter(count: number): RecordingFileSystem {
    const point = this.#replay.at(count)
    const ids = new Map<MemoryFile | MemoryDirectory, number>()
    const tree = point.whole((node, id) => ids.set(node, id))
    const { medium, pending } = point
    return new Recording(tree, ids, { medium, pending, nextId: this.#nextId })
  }

  /** Names come and go; what they stand for keeps its number. */
  idOf(node: MemoryFile | MemoryDirectory): number {
    const known = this.#ids.get(node) ?? this.#nextId++
    this.#ids.set(node, known)
    return known
  }

  open(path: string, mode: OpenMode): FileHandle {
    const at = normalise(path)
    const isNew = this.tree.file(at) === undefined
    const handle = this.#memory.open(path, mode)
    const file = this.tree.file(at)!
    if (isNew) this.#noteCreated(at, file)
    return new RecordingHandle(this, handle, this.idOf(file))
  }

  list(path: string) {
    return this.#memory.list(path)
  }

  stat(path: string) {
    return this.#memory.stat(path)
  }

  async makeDirectory(path: string) {
    const at = normalise(path)
    if (this.tree.directories.has(at)) return
    if (at !== '/') await this.makeDirectory(parentOf(at))
    await this.#memory.makeDirectory(at)
    this.#noteCreated(at, this.tree.directory(at))
    await this.syncDirectory(parentOf(at))
  }

  async rename(from: string, to: string) {
    const [source, target] = [normalise(from), normalise(to)]
    const node = this.#nodeAt(source)
    await this.#memory.rename(source, target)
    if (node === undefined) return
    const directory = this.#directoryId(parentOf(source))
    const into = this.#directoryId(parentOf(target))
    this.steps.push({ kind: 'rename', path: source, node, directory, to: nameOf(target), into })
  }

  async remove(path: string) {
    const at = normalise(path)
    const node = this.#nodeAt(at)
    if (node === undefined) return
    await this.#memory.remove(at)
    this.#noteRemoved(at, node)
  }

  /** Name by name, as the system's own removal: a crash may fall between any two. */
  async removeDirectory(path: string) {
    const at = normalise(path)
    const names = this.tree.directories.get(at)
    if (names === undefined) return
    for (const [name, entry] of [...names]) {
      const inner = at === '/' ? `/${name}` : `${at}/${name}`
      if (entry === 'directory') await this.removeDirectory(inner)
      else await this.remove(inner)
    }
    const node = this.idOf(names)
    await this.#memory.removeDirectory(at)
    this.#noteRemoved(at, node)
  }

  async syncDirectory(path: string) {
    const at = normalise(path)
    await this.#memory.syncDirectory(at)
    const node = this.#directoryId(at)
    this.steps.push({ kind: 'syncDirectory', path: at, node, covers: this.steps.length })
  }

  lock(path: string) {
    return this.#memory.lock(path)
  }

  noteBytes(step: DiskStep): void {
    this.steps.push(step)
  }

  #noteCreated(path: string, node: MemoryFile | MemoryDirectory): void {
    const directory = this.#directoryId(parentOf(path))
    const isDirectory = node instanceof Map
    this.steps.push({ kind: 'create', path, node: this.idOf(node), directory, isDirectory })
  }

  #noteRemoved(path: string, node: number): void {
    const directory = this.#directoryId(parentOf(path))
    this.steps.push({ kind: 'remove', path, node, directory })
  }

  #directoryId(path: string): number {
    return this.idOf(this.tree.directory(path))
  }

  #nodeAt(path: string): number | undefined {
    const directory = this.tree.directories.get(path)
    const node = directory ?? this.tree.file(path)
    return node && this.idOf(node)
  }
}

class RecordingHandle implements FileHandle {
  readonly path: string
  readonly #disk: Recording
  readonly #handle: FileHandle
  readonly #node: number

  constructor(disk: Recording, handle: FileHandle, node: number) {
    this.path = handle.path
    this.#disk = disk
    this.#handle = handle
    this.#node = node
  }

  size(): number {
    return this.#handle.size()
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#handle.readSync(into, position)
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#handle.read(into, position)
  }

  writevSync(chunks: readonly Uint8Array[], position: number): number {
    const written = this.#handle.writevSync(chunks, position)
    const bytes = new Uint8Array(Buffer.concat(chunks))
    const { path } = this
    if (written > 0) {
      this.#disk.noteBytes({ kind: 'write', path, node: this.#node, position, bytes })
    }
    return written
  }

  truncateSync(sizeBytes: number): void {
    if (sizeBytes === this.#handle.size()) return
    this.#handle.truncateSync(sizeBytes)
    this.#disk.noteBytes({ kind: 'truncate', path: this.path, node: this.#node, sizeBytes })
  }

  syncData(done: (error: Error | null) => void): void {
    const covers = this.#disk.steps.length
    // It takes its time, so that appends come in between.
    setImmediate(() => {
      this.#disk.noteBytes({ kind: 'sync', path: this.path, node: this.#node, covers })
      done(null)
    })
  }

  close(): void {
    this.#handle.close()
  }
}
