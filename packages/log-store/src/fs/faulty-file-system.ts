import type { FileHandle, FileSystem, OpenMode } from './file-system.js'
import {
  type MemoryDirectory,
  type MemoryFile,
  memoryFileSystemOver,
  MemoryTree,
  normalise,
  parentOf,
  systemError,
} from './memory-file-system.js'

// Fault model. Bytes are durable after `syncData` of their file, names after `syncDirectory` of
// their
// directory; a file whose name was lost is lost with its bytes. A crash keeps of everything else
// nothing, all, or all but a torn last write, as the test chooses. A failed sync makes no promise
// about the bytes, and later syncs succeed as if nothing had been wrong, as real kernels do.

export type FileOperation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'close'
  | 'list'
  | 'stat'
  | 'lock'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'removeDirectory'
  | 'syncDirectory'

/**
 * What survives of what was not synced: nothing; everything; everything, but the last write only by
 * half; everything, but zeros in place of the second half of the last write (its size was durable,
 * its
 * bytes were not).
 */
export type CrashOutcome = 'lose-unsynced' | 'keep-unsynced' | 'tear-last-write' | 'zero-last-write'

export interface Fault {
  /** Counts matching operations from 1; the fault happens at this one. */
  readonly at: number
  /** System error code, such as ENOSPC; `crash` stops the machine instead. */
  readonly error: string
  readonly operation?: FileOperation | readonly FileOperation[]
  /** Only operations whose path contains this. */
  readonly path?: string
  /** How many operations fail, from `at` on; default 1. */
  readonly times?: number
  /** A failing write still writes this fraction of its bytes; default 0. */
  readonly partialWrite?: number
}

export interface FaultyFileSystem extends FileSystem {
  /** Operations so far that change something or make it durable: the crash points of a workload. */
  readonly mutations: number
  /** How many operations a fault has struck so far. */
  readonly struck: number
  inject(fault: Fault): void
  clearFaults(): void
  /**
   * Stops the machine at the n-th mutation from now (1 = the next): it does not happen, nor
   * anything after.
   */
  crashAt(mutation: number): void
  /** The machine has stopped and waits for `crash`. */
  readonly stopped: boolean
  /** Power loss and restart: applies the outcome, invalidates handles, drops locks and faults. */
  crash(outcome: CrashOutcome): void
}

/** Undo of one unsynced change of a file. */
interface Change {
  readonly file: MemoryFile
  readonly oldSize: number
  readonly position: number
  readonly oldBytes: Uint8Array
  readonly newBytes: Uint8Array
}

const mutating: ReadonlySet<FileOperation> = new Set([
  'create',
  'write',
  'truncate',
  'sync',
  'makeDirectory',
  'rename',
  'remove',
  'removeDirectory',
  'syncDirectory',
])

/** A disk in memory that fails on demand and forgets what was not synced. For tests. */
export function faultyFileSystem(): FaultyFileSystem {
  return faultyFileSystemOver(new MemoryTree())
}

/** The same over a tree, all of which counts as durable. */
export function faultyFileSystemOver(tree: MemoryTree): FaultyFileSystem {
  return new Faulty(tree)
}

class Faulty implements FaultyFileSystem {
  readonly name = 'faulty'
  mutations = 0
  struck = 0
  stopped = false
  readonly tree: MemoryTree
  readonly memory: FileSystem
  generation = 0
  #faults: { fault: Fault; seen: number }[] = []
  #crashIn = 0
  /** Oldest first. */
  #changes: Change[] = []
  /** Names as of the last sync of each directory. */
  #durable = new Map<string, MemoryDirectory>()

  constructor(tree: MemoryTree) {
    this.tree = tree
    this.memory = memoryFileSystemOver(tree)
    this.#settleNames()
  }

  inject(fault: Fault): void {
    this.#faults.push({ fault, seen: 0 })
  }

  clearFaults(): void {
    this.#faults = []
  }

  crashAt(mutation: number): void {
    this.#crashIn = mutation
  }

  crash(outcome: CrashOutcome): void {
    if (outcome === 'lose-unsynced') this.#loseBytes(this.#changes)
    if (outcome === 'tear-last-write') this.#damageLast('tear')
    if (outcome === 'zero-last-write') this.#damageLast('zero')
    if (outcome === 'lose-unsynced') this.#loseNames()
    this.#changes = []
    this.#settleNames()
    this.#faults = []
    this.#crashIn = 0
    this.stopped = false
    this.generation++
    this.tree.locks.clear()
  }

  /** Every operation comes through here first. */
  enter(operation: FileOperation, path: string): Fault | undefined {
    if (this.stopped) throw systemError('ESTOPPED', path)
    if (mutating.has(operation)) {
      this.mutations++
      if (this.#crashIn > 0 && --this.#crashIn === 0) this.#stop(path)
    }
    for (const entry of this.#faults) {
      const { fault } = entry
      if (![fault.operation ?? operation].flat().includes(operation)) continue
      if (fault.path !== undefined && !path.includes(fault.path)) continue
      entry.seen++
      if (entry.seen < fault.at || entry.seen >= fault.at + (fault.times ?? 1)) continue
      this.struck++
      if (fault.error === 'crash') this.#stop(path)
      if (fault.partialWrite === undefined) throw systemError(fault.error, path)
      return fault
    }
    return undefined
  }

  noteChange(file: MemoryFile, position: number, newBytes: Uint8Array): void {
    const oldBytes = file.bytes.slice(position, Math.max(position, file.sizeBytes))
    this.#changes.push({ file, oldSize: file.sizeBytes, position, oldBytes, newBytes })
  }

  /** Changes that a sync of `file` asked for now will cover. */
  unsynced(file: MemoryFile): ReadonlySet<unknown> {
    return new Set(this.#changes.filter((change) => change.file === file))
  }

  noteSynced(covered: ReadonlySet<unknown>): void {
    this.#changes = this.#changes.filter((change) => !covered.has(change))
  }

  open(path: string, mode: OpenMode): FileHandle {
    const at = normalise(path)
    this.enter(this.tree.file(at) === undefined && mode === 'write' ? 'create' : 'open', at)
    const handle = this.memory.open(path, mode)
    return new FaultyHandle(this, handle, this.tree.file(at)!)
  }

  async list(path: string) {
    this.enter('list', path)
    return this.memory.list(path)
  }

  async stat(path: string) {
    this.enter('stat', path)
    return this.memory.stat(path)
  }

  async makeDirectory(path: string) {
    if (this.tree.directories.has(normalise(path))) return
    this.enter('makeDirectory', path)
    await this.memory.makeDirectory(path)
    for (let at = normalise(path); at !== '/'; at = parentOf(at)) this.#syncNames(parentOf(at))
    this.#syncNames(normalise(path))
  }

  async rename(from: string, to: string) {
    this.enter('rename', from)
    await this.memory.rename(from, to)
  }

  async remove(path: string) {
    const at = normalise(path)
    if (this.tree.file(at) === undefined && !this.stopped) return
    this.enter('remove', at)
    await this.memory.remove(path)
  }

  async removeDirectory(path: string) {
    this.enter('removeDirectory', path)
    await this.memory.removeDirectory(path)
  }

  async syncDirectory(path: string) {
    this.enter('syncDirectory', path)
    await this.memory.syncDirectory(path)
    this.#syncNames(normalise(path))
  }

  async lock(path: string) {
    this.enter('lock', path)
    return this.memory.lock(path)
  }

  #stop(path: string): never {
    this.stopped = true
    throw systemError('ESTOPPED', path)
  }

  #loseBytes(changes: readonly Change[]): void {
    for (const change of changes.toReversed()) undo(change)
  }

  /** The last write reached the medium by half, everything before it whole. */
  #damageLast(damage: 'tear' | 'zero'): void {
    const last = this.#changes.findLast((change) => change.newBytes.length > 1)
    if (last === undefined) return
    const after = this.#changes.slice(this.#changes.indexOf(last))
    this.#loseBytes(after)
    const half = last.newBytes.length >> 1
    const survives = last.newBytes.slice(0, damage === 'tear' ? half : undefined)
    last.file.write(survives.fill(0, half), last.position)
  }

  #syncNames(path: string): void {
    const names = this.tree.directories.get(path)
    if (names !== undefined) this.#durable.set(path, new Map(names))
  }

  /** Every directory goes back to its names as of the last sync. */
  #loseNames(): void {
    const now = new Map<string, MemoryDirectory>()
    const visit = (path: string) => {
      const names = new Map(this.#durable.get(path) ?? [])
      now.set(path, names)
      for (const [name, entry] of names) {
        if (entry === 'directory') visit(path === '/' ? `/${name}` : `${path}/${name}`)
      }
    }
    visit('/')
    this.tree.directories.clear()
    for (const [path, names] of now) this.tree.directories.set(path, names)
  }

  #settleNames(): void {
    this.#durable = new Map()
    for (const path of this.tree.directories.keys()) this.#syncNames(path)
  }
}

function undo(change: Change): void {
  const { file, oldSize, position, oldBytes } = change
  if (oldBytes.length > 0) file.write(oldBytes, position)
  file.truncate(oldSize)
}

class FaultyHandle implements FileHandle {
  readonly path: string
  readonly #disk: Faulty
  readonly #handle: FileHandle
  readonly #file: MemoryFile
  readonly #generation: number

  constructor(disk: Faulty, handle: FileHandle, file: MemoryFile) {
    this.path = handle.path
    this.#disk = disk
    this.#handle = handle
    this.#file = file
    this.#generation = disk.generation
  }

  size(): number {
    this.#alive()
    return this.#handle.size()
  }

  readSync(into: Uint8Array, position: number): number {
    this.#alive()
    this.#disk.enter('read', this.path)
    return this.#handle.readSync(into, position)
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return this.readSync(into, position)
  }

  writevSync(chunks: readonly Uint8Array[], position: number): number {
    this.#alive()
    const fault = this.#disk.enter('write', this.path)
    let bytes: Uint8Array = Buffer.concat(chunks)
    if (fault?.partialWrite !== undefined) {
      bytes = bytes.subarray(0, Math.floor(bytes.length * fault.partialWrite))
    }
    this.#disk.noteChange(this.#file, position, bytes)
    this.#handle.writevSync([bytes], position)
    if (fault !== undefined) throw systemError(fault.error, this.path)
    return bytes.length
  }

  truncateSync(sizeBytes: number): void {
    this.#alive()
    if (sizeBytes === this.#file.sizeBytes) return
    this.#disk.enter('truncate', this.path)
    this.#disk.noteChange(this.#file, sizeBytes, new Uint8Array(0))
    this.#handle.truncateSync(sizeBytes)
  }

  syncData(done: (error: Error | null) => void): void {
    const covered = this.#disk.unsynced(this.#file)
    // It takes its time, so that appends come in between.
    setImmediate(() => {
      try {
        this.#alive()
        this.#disk.enter('sync', this.path)
        this.#disk.noteSynced(covered)
        done(null)
      } catch (error) {
        done(error as Error)
      }
    })
  }

  close(): void {
    if (this.#generation !== this.#disk.generation || this.#disk.stopped) return
    this.#disk.enter('close', this.path)
    this.#handle.close()
  }

  #alive(): void {
    if (this.#generation !== this.#disk.generation || this.#disk.stopped) {
      throw systemError('ESTOPPED', this.path)
    }
  }
}
