import { hash } from 'node:crypto'
import type { DiskChange, DiskStep, DiskSync, Survival } from './disk-step.js'
import type { FileSystem } from './file-system.js'
import { MemoryFile, memoryFileSystemOver, MemoryTree, nameOf } from './memory-file-system.js'
import type { MemoryDirectory } from './memory-file-system.js'

/** A disk as a power cut left it. */
export interface CrashedDisk {
  /** To be opened; what runs on it changes this disk alone. */
  readonly fileSystem: FileSystem
  readonly tree: MemoryTree
  /** The same for disks with the same names and bytes. */
  fingerprint(): string
  /** By directory, the same for directories with the same names and bytes in them. */
  fingerprints(): ReadonlyMap<string, string>
}

/** A moment at which the power goes. */
export interface CrashPoint {
  /** Changes that no sync has covered, oldest first: each may survive or not. */
  readonly pending: readonly DiskChange[]
  /** The disk that is left when of each pending change this survives. */
  restart(survives: (change: DiskChange, index: number) => Survival): CrashedDisk
}

/** Node number of a directory to its names. */
type Names = Map<number, Map<string, number>>

/** What is on the medium, by node number. */
export interface Medium {
  readonly files: ReadonlyMap<number, MemoryFile>
  readonly names: ReadonlyMap<number, ReadonlyMap<string, number>>
  readonly root: number
}

type IdOf = (node: MemoryFile | MemoryDirectory) => number

/** All of a tree. */
export function mediumOf(tree: MemoryTree, idOf: IdOf): Medium {
  const files = new Map<number, MemoryFile>()
  const names: Names = new Map()
  for (const [path, directory] of tree.directories) {
    const entries = new Map<string, number>()
    for (const [name, entry] of directory) {
      const inner = path === '/' ? `/${name}` : `${path}/${name}`
      entries.set(name, idOf(entry === 'directory' ? tree.directory(inner) : entry))
      if (entry !== 'directory') files.set(idOf(entry), entry.copy())
    }
    names.set(idOf(directory), entries)
  }
  return { files, names, root: idOf(tree.directory('/')) }
}

/** Follows a recording, keeping apart what is durable and what is not. */
export class CrashReplay implements CrashPoint {
  readonly #steps: readonly DiskStep[]
  readonly #initial: Medium
  #files = new Map<number, MemoryFile>()
  #names: Names = new Map()
  #pending: { readonly change: DiskChange; readonly at: number }[] = []
  #count = 0

  constructor(initial: Medium, steps: readonly DiskStep[]) {
    this.#steps = steps
    this.#initial = initial
    this.#rewind()
  }

  at(count: number): this {
    if (count < this.#count) this.#rewind()
    for (; this.#count < count; this.#count++) {
      const step = this.#steps[this.#count]!
      if ('covers' in step) this.#settle(step)
      else this.#pending.push({ change: step, at: this.#count })
    }
    return this
  }

  get pending(): readonly DiskChange[] {
    return this.#pending.map(({ change }) => change)
  }

  /** What is durable at this moment. */
  get medium(): Medium {
    const files = new Map([...this.#files].map(([node, file]) => [node, file.copy()]))
    return { files, names: copyOf(this.#names), root: this.#initial.root }
  }

  /** As `restart` with all changes kept; `number` is told the nodes of the tree. */
  whole(number: (node: MemoryFile | MemoryDirectory, id: number) => void): MemoryTree {
    return this.#treeWith(() => 'kept', number)
  }

  restart(survives: (change: DiskChange, index: number) => Survival): CrashedDisk {
    return new Crashed(this.#treeWith(survives))
  }

  #treeWith(
    survives: (change: DiskChange, index: number) => Survival,
    number?: (node: MemoryFile | MemoryDirectory, id: number) => void,
  ): MemoryTree {
    const files = new Map<number, MemoryFile>()
    const state = { files, names: copyOf(this.#names), durable: this.#files }
    for (const [index, { change }] of this.#pending.entries()) {
      applyChange(state, change, survives(change, index))
    }
    return treeOf(state, this.#initial.root, number)
  }

  #rewind(): void {
    this.#count = 0
    this.#pending = []
    this.#files = new Map()
    this.#names = copyOf(this.#initial.names)
    for (const [node, file] of this.#initial.files) this.#files.set(node, file.copy())
  }

  #settle(sync: DiskSync): void {
    // Durable content is replaced, never changed: its digest can be kept.
    const state = { files: new Map<number, MemoryFile>(), names: this.#names, durable: this.#files }
    this.#pending = this.#pending.filter(({ change, at }) => {
      const concerns =
        placeOf(change) === sync.node && isName(change) === (sync.kind === 'syncDirectory')
      if (!concerns || at >= sync.covers) return true
      applyChange(state, change, 'kept')
      return false
    })
    for (const [node, file] of state.files) this.#files.set(node, file)
  }
}

function copyOf(names: Medium['names']): Names {
  const copy: Names = new Map()
  for (const [node, entries] of names) copy.set(node, new Map(entries))
  return copy
}

class Crashed implements CrashedDisk {
  readonly fileSystem: FileSystem
  readonly tree: MemoryTree

  constructor(tree: MemoryTree) {
    this.tree = tree
    this.fileSystem = memoryFileSystemOver(tree)
  }

  fingerprint(): string {
    const parts = [...this.fingerprints()].map(([path, digest]) => `${path} ${digest}`)
    return sha1(parts.sort().join('\n'))
  }

  fingerprints(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const [path, names] of this.tree.directories) {
      const parts: string[] = []
      for (const [name, entry] of names) {
        parts.push(entry === 'directory' ? name : `${name} ${digestOf(entry)}`)
      }
      found.set(path, sha1(parts.sort().join('\n')))
    }
    return found
  }
}

const sha1 = (bytes: string | Uint8Array) => hash('sha1', bytes, 'base64')

/** By the bytes of a file: most files are the same on disk after disk. */
const digests = new WeakMap<Uint8Array, { readonly sizeBytes: number; readonly digest: string }>()

function digestOf({ bytes, sizeBytes, isCopy }: MemoryFile): string {
  const known = digests.get(bytes)
  if (known?.sizeBytes === sizeBytes) return known.digest
  const digest = sha1(bytes.subarray(0, sizeBytes))
  if (isCopy) digests.set(bytes, { sizeBytes, digest })
  return digest
}

interface DiskState {
  readonly files: Map<number, MemoryFile>
  readonly names: Names
  /** Copied from when a file changes first. */
  readonly durable: ReadonlyMap<number, MemoryFile>
}

function isName(change: DiskChange): boolean {
  return change.kind !== 'write' && change.kind !== 'truncate'
}

/** The file or the directory whose sync makes the change durable. */
function placeOf(change: DiskChange): number {
  if (change.kind === 'write' || change.kind === 'truncate') return change.node
  return change.directory
}

function applyChange(state: DiskState, change: DiskChange, survival: Survival): void {
  if (survival === 'lost') return
  if (isName(change)) applyName(state.names, change)
  else applyBytes(ownFile(state, change.node), change, survival)
}

function ownFile(state: DiskState, node: number): MemoryFile {
  const own = state.files.get(node) ?? state.durable.get(node)?.copy() ?? new MemoryFile()
  state.files.set(node, own)
  return own
}

function applyBytes(file: MemoryFile, change: DiskChange, survival: Survival): void {
  if (change.kind === 'truncate') file.truncate(change.sizeBytes)
  if (change.kind !== 'write') return
  const { bytes, position } = change
  if (typeof survival === 'string') {
    file.write(bytes, position)
    return
  }
  if (survival.zeros) file.write(new Uint8Array(bytes.length), position)
  if (survival.to <= survival.from) return
  file.write(bytes.subarray(survival.from, survival.to), position + survival.from)
}

function applyName(names: Names, change: DiskChange): void {
  if (change.kind === 'write' || change.kind === 'truncate') return
  const name = nameOf(change.path)
  const from = entriesOf(names, change.directory)
  if (change.kind === 'create') {
    from.set(name, change.node)
    if (change.isDirectory) entriesOf(names, change.node)
    return
  }
  // Another file may have the name by now, when the change before this one was lost.
  if (from.get(name) === change.node) from.delete(name)
  if (change.kind === 'rename') entriesOf(names, change.into).set(change.to, change.node)
}

function entriesOf(names: Names, directory: number): Map<string, number> {
  const entries = names.get(directory) ?? new Map<string, number>()
  names.set(directory, entries)
  return entries
}

function treeOf(
  state: DiskState,
  root: number,
  number?: (node: MemoryFile | MemoryDirectory, id: number) => void,
): MemoryTree {
  const tree = new MemoryTree()
  const visit = (node: number, path: string) => {
    const entries: MemoryDirectory = new Map()
    tree.directories.set(path, entries)
    number?.(entries, node)
    for (const [name, inner] of state.names.get(node) ?? []) {
      if (state.names.has(inner)) {
        entries.set(name, 'directory')
        visit(inner, path === '/' ? `/${name}` : `${path}/${name}`)
        continue
      }
      const file = ownFile(state, inner)
      entries.set(name, file)
      number?.(file, inner)
    }
  }
  visit(root, '/')
  return tree
}
