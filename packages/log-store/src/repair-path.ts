import { basename, join } from 'node:path'
import type { BatchFormat } from './batch-format.js'
import { StoreError } from './errors.js'
import {
  parseLogName,
  parseSegmentFileName,
  segmentFileName,
  segmentSuffixes,
} from './file-names.js'
import { readRange, type FileSystem } from './fs/file-system.js'
import { nodeFileSystem } from './fs/node-file-system.js'
import { listSegments } from './repair-plan.js'
import { repairLog, type RepairOptions, type RepairReport, repairSegment } from './repair.js'

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
 * other. Throws as `repairLog` does, and KFK_STORE_INVALID_ARGUMENT when none of the formats fits.
 */
export async function* repairPath(
  path: string,
  options: RepairPathOptions,
): AsyncGenerator<RepairReport, void, undefined> {
  const { formats, ...rest } = options
  const fileSystem = options.fileSystem ?? nodeFileSystem
  if (parseSegmentFileName(basename(path))?.suffix === segmentSuffixes.log) {
    const format = await formatOf(fileSystem, [path], formats)
    if (format === undefined) throw unknownFormat(path, formats)
    yield await repairSegment(path, { ...rest, format })
    return
  }
  for (const directory of await logsIn(fileSystem, path)) {
    const format = await detectFormat(fileSystem, directory, formats)
    if (format === undefined) {
      if (await isEmpty(fileSystem, directory)) continue
      throw unknownFormat(directory, formats)
    }
    yield await repairLog(directory, { ...rest, format })
  }
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
  if ((await fileSystem.stat(path)) === undefined) {
    throw new StoreError('KFK_STORE_NOT_FOUND', `there is no ${path}`, { details: { path } })
  }
  const handle = fileSystem.open(path, 'read')
  try {
    return await readRange(handle, 0, headBytes)
  } finally {
    handle.close()
  }
}

async function logsIn(fileSystem: FileSystem, path: string): Promise<string[]> {
  const entries = await fileSystem.list(path).catch((cause: unknown) => {
    throw new StoreError('KFK_STORE_NOT_FOUND', `there is no directory ${path}`, {
      details: { path },
      cause,
    })
  })
  const isSegment = (name: string) => parseSegmentFileName(name)?.suffix === segmentSuffixes.log
  if (entries.some(({ name, isDirectory }) => !isDirectory && isSegment(name))) return [path]
  const logs = entries.filter(
    ({ name, isDirectory }) => isDirectory && parseLogName(name) !== undefined,
  )
  const found: string[] = []
  for (const { name } of logs) {
    const directory = join(path, name)
    if ((await listSegments(fileSystem, directory)).length > 0) found.push(directory)
  }
  if (found.length > 0) return found.sort()
  const message = `${path} holds neither segments nor directories of logs`
  throw new StoreError('KFK_STORE_NOT_FOUND', message, { details: { path } })
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
