import { dirname, join, basename } from 'node:path'
import { crc32 } from './crc32.js'
import { errnoOf, ioError, isOutOfSpace, StoreError } from './errors.js'
import { parseLogName, temporarySuffix } from './file-names.js'
import { readRange, syncFile, writeFully, type FileSystem } from './fs/file-system.js'

// Kafka refuses any extra line in its checkpoints, so their checksums live in side files
// `kfk.<name>.crc`: one accepted CRC-32 (8 hex digits) a line. The side file is written first and
// names the old content as well, so that a crash between the two renames leaves a pair that agrees.

/** A checkpoint is small; anything larger is not one. */
const maxFileBytes = 64 * 1024 ** 2

/**
 * Replaces a file as a whole: temporary file, sync, rename, sync of the directory. Durable when it
 * resolves; a crash leaves the old or the new content.
 */
export async function atomicWriteFile(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = path + temporarySuffix
  const handle = fileSystem.open(temporary, 'write')
  try {
    handle.truncateSync(0)
    writeFully(handle, [bytes], 0)
    await syncFile(handle)
  } finally {
    handle.close()
  }
  await fileSystem.rename(temporary, path)
  await syncRenamed(fileSystem, dirname(path))
}

/** A sync that fails is not for want of room, whatever the system says: it is not to be retried. */
async function syncRenamed(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    await fileSystem.syncDirectory(path)
  } catch (error) {
    if (!isOutOfSpace(error)) throw error
    throw new StoreError('KFK_STORE_IO', `cannot sync the names in ${path}`, {
      details: { errno: errnoOf(error), path },
      cause: error,
    })
  }
}

/**
 * The whole of a small file, or undefined when there is none. Throws KFK_STORE_IO, _CORRUPT, which
 * name it.
 */
export async function readWholeFile(
  fileSystem: FileSystem,
  path: string,
): Promise<Uint8Array | undefined> {
  try {
    return await readAll(fileSystem, path)
  } catch (error) {
    throw ioError(error, { action: 'read', path })
  }
}

async function readAll(fileSystem: FileSystem, path: string): Promise<Uint8Array | undefined> {
  const stat = await fileSystem.stat(path)
  if (stat === undefined) return undefined
  if (stat.sizeBytes > maxFileBytes) {
    throw new StoreError('KFK_STORE_CORRUPT', `${path} is too large for a checkpoint`)
  }
  const handle = fileSystem.open(path, 'read')
  try {
    return await readRange(handle, 0, stat.sizeBytes)
  } finally {
    handle.close()
  }
}

function sidePath(path: string): string {
  return join(dirname(path), `kfk.${basename(path)}.crc`)
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes, 0, bytes.length).toString(16).padStart(8, '0')
}

/** Writes `path` and its checksum; see `atomicWriteFile`. */
export async function writeCheckedFile(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const old = await soundContent(fileSystem, path)
  const accepted = [checksum(bytes), ...(old === undefined ? [] : [checksum(old)])]
  await atomicWriteFile(fileSystem, sidePath(path), Buffer.from(`${accepted.join('\n')}\n`))
  await atomicWriteFile(fileSystem, path, bytes)
}

/** Damaged content must not be believed because a crash keeps the new one from coming after it. */
async function soundContent(fileSystem: FileSystem, path: string): Promise<Uint8Array | undefined> {
  try {
    return await readCheckedFile(fileSystem, path)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return undefined
    throw error
  }
}

/**
 * Undefined when absent. Throws KFK_STORE_CORRUPT when it disagrees with its side file, if it has
 * one.
 */
export async function readCheckedFile(
  fileSystem: FileSystem,
  path: string,
): Promise<Uint8Array | undefined> {
  const bytes = await readWholeFile(fileSystem, path)
  const side = await readWholeFile(fileSystem, sidePath(path))
  if (side === undefined) return bytes
  if (bytes === undefined) {
    // A crash before the first rename leaves the side file alone, with one line.
    if (Buffer.from(side).toString('latin1').trimEnd().split('\n').length === 1) return undefined
    throw new StoreError('KFK_STORE_CORRUPT', `${path} is gone`, { details: { path } })
  }
  const accepted = Buffer.from(side).toString('latin1').trimEnd().split('\n')
  if (accepted.includes(checksum(bytes))) return bytes
  throw new StoreError('KFK_STORE_CORRUPT', `${path} does not match its checksum`, {
    details: { path, accepted, found: checksum(bytes) },
  })
}

/**
 * Somebody who knows nothing of the checksum may have written or removed the file since: takes it
 * as it is. True when it had changed. Durable when it resolves.
 */
export async function renewChecksum(fileSystem: FileSystem, path: string): Promise<boolean> {
  const side = await readWholeFile(fileSystem, sidePath(path))
  if (side === undefined) return false
  const bytes = await readWholeFile(fileSystem, path)
  if (bytes === undefined) {
    await fileSystem.remove(sidePath(path))
    await fileSystem.syncDirectory(dirname(path))
    return true
  }
  const current = checksum(bytes)
  if (Buffer.from(side).toString('latin1').trimEnd().split('\n').includes(current)) return false
  await atomicWriteFile(fileSystem, sidePath(path), Buffer.from(`${current}\n`))
  return true
}

/** Kafka's offset checkpoint: `0`, the number of lines, `<topic> <partition> <offset>` a line. */
export function encodeOffsets(offsets: ReadonlyMap<string, number>): Buffer {
  const lines: string[] = []
  for (const [name, offset] of offsets) {
    const parsed = parseLogName(name)
    if (parsed !== undefined) lines.push(`${parsed.topic} ${parsed.partition} ${offset}\n`)
  }
  return Buffer.from(`0\n${lines.length}\n${lines.join('')}`)
}

/** Throws KFK_STORE_CORRUPT. */
export function decodeOffsets(bytes: Uint8Array, path: string): Map<string, number> {
  const corrupt = () =>
    new StoreError('KFK_STORE_CORRUPT', `${path} is not an offset checkpoint`, {
      details: { path },
    })
  // Kafka creates its checkpoints empty.
  if (bytes.length === 0) return new Map()
  const lines = Buffer.from(bytes).toString('utf8').split('\n')
  if (lines[0] !== '0' || Number(lines[1]) !== lines.length - 3 || lines.at(-1) !== '')
    throw corrupt()
  const offsets = new Map<string, number>()
  for (const line of lines.slice(2, -1)) {
    const match = /^(\S+) (\d{1,10}) (\d{1,16})$/.exec(line)
    if (match === null) throw corrupt()
    offsets.set(`${match[1]}-${match[2]}`, Number(match[3]))
  }
  return offsets
}

/** Writes an offset checkpoint with its checksum. Durable when it resolves. */
export async function writeCheckpoint(
  fileSystem: FileSystem,
  path: string,
  offsets: ReadonlyMap<string, number>,
): Promise<void> {
  await writeCheckedFile(fileSystem, path, encodeOffsets(offsets))
}

/** Empty when absent. Throws KFK_STORE_CORRUPT; callers then recover from offset 0. */
export async function readCheckpoint(
  fileSystem: FileSystem,
  path: string,
): Promise<Map<string, number>> {
  const bytes = await readCheckedFile(fileSystem, path)
  return bytes === undefined ? new Map() : decodeOffsets(bytes, path)
}
