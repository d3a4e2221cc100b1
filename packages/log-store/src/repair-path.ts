import { basename, dirname, join } from 'node:path'
import type { BatchFormat } from './batch-format.js'
import { errnoOf, explained, ioError, StoreError } from './errors.js'
import {
  parseLogName,
  parseSegmentFileName,
  segmentFileName,
  segmentSuffixes,
} from './file-names.js'
import { type DirectoryEntry, readRange, type FileSystem } from './fs/file-system.js'
import { nodeFileSystem } from './fs/node-file-system.js'
import { listSegments } from './repair-plan.js'
import { repairLocked, type RepairOptions, type RepairReport } from './repair.js'

/** So much of a segment is looked at to tell what its batches are. */
const headBytes = 64 * 1024
/** Of so many segments. */
const headSegments = 16

export interface RepairPathOptions extends Omit<RepairOptions, 'format'> {
  /** Those that the batches may have; which one it is the first segments of each log tell. */
  readonly formats: readonly BatchFormat[]
}

/**
 * Repairs a `.log` file, the log in a directory, or all logs of a data directory, one after the
 * other. Nothing may have the data directory open: it is locked until the last report was taken.
 * Throws as `repairLog` does, and KFK_STORE_INVALID_ARGUMENT when none of the formats fits.
 */
export async function* repairPath(
  path: string,
  options: RepairPathOptions,
): AsyncGenerator<RepairReport, void, undefined> {
  const fileSystem = options.fileSystem ?? nodeFileSystem
  const data = await dataDirectoryOf(fileSystem, path)
  const lock = await explained({ action: 'lock', path: data }, () => fileSystem.lock(data))
  try {
    if (isSegment(path)) yield await repairFile(fileSystem, path, options)
    else yield* repairLogs(fileSystem, path, options)
  } finally {
    await lock.release()
  }
}

async function repairFile(
  fileSystem: FileSystem,
  path: string,
  options: RepairPathOptions,
): Promise<RepairReport> {
  const { formats, ...rest } = options
  const format = await formatOf(fileSystem, [path], formats)
  if (format === undefined) throw unknownFormat(path, formats)
  const only = parseSegmentFileName(basename(path))!.baseOffset
  return repairLocked(dirname(path), only, { ...rest, format })
}

async function* repairLogs(
  fileSystem: FileSystem,
  path: string,
  options: RepairPathOptions,
): AsyncGenerator<RepairReport, void, undefined> {
  const { formats, ...rest } = options
  for (const directory of await logsIn(fileSystem, path)) {
    const format = await detectFormat(fileSystem, directory, formats)
    if (format === undefined) {
      if (await isEmpty(fileSystem, directory)) continue
      throw unknownFormat(directory, formats)
    }
    yield await repairLocked(directory, undefined, { ...rest, format })
  }
}

/** The directory to lock. Throws KFK_STORE_NOT_FOUND, so that no lock is left where no log is. */
async function dataDirectoryOf(fileSystem: FileSystem, path: string): Promise<string> {
  if (isSegment(path)) {
    await requireFile(fileSystem, path)
    return dirname(dirname(path))
  }
  const entries = await entriesOf(fileSystem, path)
  if (entries.some(isSegmentEntry)) return dirname(path)
  if (entries.some(isLogEntry)) return path
  throw holdsNothing(path)
}

function isSegment(path: string): boolean {
  return parseSegmentFileName(basename(path))?.suffix === segmentSuffixes.log
}

/** Which format the batches in a log's directory have; undefined when it cannot be told. */
export async function detectFormat(
  fileSystem: FileSystem,
  directory: string,
  formats: readonly BatchFormat[],
): Promise<BatchFormat | undefined> {
  const bases = (await listSegments(fileSystem, directory)).slice(0, headSegments)
  const paths = bases.map((base) => join(directory, segmentFileName(base, segmentSuffixes.log)))
  return formatOf(fileSystem, paths, formats)
}

async function formatOf(
  fileSystem: FileSystem,
  paths: readonly string[],
  formats: readonly BatchFormat[],
): Promise<BatchFormat | undefined> {
  let likely: BatchFormat | undefined
  for (const path of paths) {
    const head = await headOf(fileSystem, path)
    for (const format of formats) {
      if (format.sizeOf(head, 0) <= 0) continue
      if (format.check(head, 0) === undefined) return format
      // Damaged, or longer than what was read; another segment may say for certain.
      likely ??= format
    }
  }
  return likely
}

async function headOf(fileSystem: FileSystem, path: string): Promise<Uint8Array> {
  await requireFile(fileSystem, path)
  const handle = fileSystem.open(path, 'read')
  try {
    return await readRange(handle, 0, headBytes)
  } finally {
    handle.close()
  }
}

async function requireFile(fileSystem: FileSystem, path: string): Promise<void> {
  if ((await fileSystem.stat(path)) !== undefined) return
  throw new StoreError('KFK_STORE_NOT_FOUND', `there is no ${path}`, { details: { path } })
}

async function logsIn(fileSystem: FileSystem, path: string): Promise<string[]> {
  const entries = await entriesOf(fileSystem, path)
  if (entries.some(isSegmentEntry)) return [path]
  const found: string[] = []
  for (const { name } of entries.filter(isLogEntry)) {
    const directory = join(path, name)
    if ((await listSegments(fileSystem, directory)).length > 0) found.push(directory)
  }
  if (found.length > 0) return found.sort()
  throw holdsNothing(path)
}

async function entriesOf(fileSystem: FileSystem, path: string): Promise<DirectoryEntry[]> {
  return fileSystem.list(path).catch((cause: unknown) => {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(cause) ?? ''))
      throw ioError(cause, { action: 'list', path })
    throw new StoreError('KFK_STORE_NOT_FOUND', `there is no directory ${path}`, {
      details: { path },
      cause,
    })
  })
}

function isSegmentEntry({ name, isDirectory }: DirectoryEntry): boolean {
  return !isDirectory && isSegment(name)
}

function isLogEntry({ name, isDirectory }: DirectoryEntry): boolean {
  return isDirectory && parseLogName(name) !== undefined
}

function holdsNothing(path: string): StoreError {
  const message = `${path} holds neither segments nor directories of logs`
  return new StoreError('KFK_STORE_NOT_FOUND', message, { details: { path } })
}

async function isEmpty(fileSystem: FileSystem, directory: string): Promise<boolean> {
  for (const base of await listSegments(fileSystem, directory)) {
    const path = join(directory, segmentFileName(base, segmentSuffixes.log))
    if (((await fileSystem.stat(path))?.sizeBytes ?? 0) > 0) return false
  }
  return true
}

function unknownFormat(path: string, formats: readonly BatchFormat[]): StoreError {
  const names = formats.map(({ name }) => name).join(' or ')
  const message = `${path}: nothing in it looks like ${names} batches; nothing was changed`
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', message, { details: { path } })
}
