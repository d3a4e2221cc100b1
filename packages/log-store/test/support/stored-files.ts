import { join } from 'node:path'
import { memoryFileSystem } from '../../src/index'
import type { FileSystem } from '../../src/index'
import { readWholeFile } from '../../src/checkpoint-file'

/** Content of a directory and of the directories in it, by path. */
export type StoredFiles = Map<string, Uint8Array>

/** What lies on the disk now: what a process that dies leaves behind. */
export async function storedFiles(fileSystem: FileSystem, path = '/data'): Promise<StoredFiles> {
  const found: StoredFiles = new Map()
  for (const entry of await fileSystem.list(path)) {
    const at = join(path, entry.name)
    if (entry.isDirectory) for (const file of await storedFiles(fileSystem, at)) found.set(...file)
    else found.set(at, Uint8Array.from((await readWholeFile(fileSystem, at))!))
  }
  return found
}

/** The same on a fresh disk, or on the one that is given; a crash leaves no clean-shutdown marker. */
export async function diskOf(
  files: StoredFiles,
  options: { readonly crashed: boolean; readonly fileSystem?: FileSystem },
): Promise<FileSystem> {
  const fileSystem = options.fileSystem ?? memoryFileSystem()
  await fileSystem.makeDirectory('/data')
  for (const [path, bytes] of files) {
    if (options.crashed && path.endsWith('.kafka_cleanshutdown')) continue
    await fileSystem.makeDirectory(join(path, '..'))
    writeFile(fileSystem, path, bytes)
  }
  return fileSystem
}

/** Replaces a file. */
export function writeFile(fileSystem: FileSystem, path: string, bytes: Uint8Array): void {
  const handle = fileSystem.open(path, 'write')
  handle.truncateSync(0)
  handle.writevSync([bytes], 0)
  handle.close()
}

/** The paths that end like this, in order. */
export function pathsOf(files: StoredFiles, suffix: string): string[] {
  return [...files.keys()].filter((path) => path.endsWith(suffix)).sort()
}

export function flipped(bytes: Uint8Array, position: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[position]! ^= 1 << bit
  return copy
}
