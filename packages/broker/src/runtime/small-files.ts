import { StoreError } from '@kfk/log-store'
import type { FileSystem } from '@kfk/log-store'

/** What this broker keeps in small files is far below this; a larger file is not ours. */
const maxBytes = 64 * 1024 * 1024

/**
 * The whole of a small file; undefined when there is none.
 *
 * @throws {StoreError} KFK_STORE_IO, or KFK_STORE_CORRUPT for an impossible size; both name the
 *   file, which the errors of the system often do not
 */
export async function readSmallFile(
  fileSystem: FileSystem,
  path: string,
): Promise<Uint8Array | undefined> {
  try {
    return await read(fileSystem, path)
  } catch (error) {
    if (error instanceof StoreError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new StoreError('KFK_STORE_IO', `cannot read ${path}: ${reason}`, {
      details: { path },
      cause: error,
    })
  }
}

async function read(fileSystem: FileSystem, path: string): Promise<Uint8Array | undefined> {
  const stat = await fileSystem.stat(path)
  if (stat === undefined) return undefined
  if (stat.sizeBytes > maxBytes) {
    throw new StoreError('KFK_STORE_CORRUPT', `${path} is larger than ${maxBytes} bytes`)
  }
  const handle = fileSystem.open(path, 'read')
  try {
    const bytes = Buffer.alloc(stat.sizeBytes)
    let filled = 0
    while (filled < bytes.length) {
      const count = await handle.read(bytes.subarray(filled), filled)
      if (count === 0) break
      filled += count
    }
    return bytes.subarray(0, filled)
  } finally {
    handle.close()
  }
}

/**
 * Reads `key=value` lines as Java's Properties writes them; comments and blank lines are skipped.
 */
export function parseProperties(bytes: Uint8Array): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
    const text = line.trim()
    const separator = text.indexOf('=')
    if (text.startsWith('#') || separator < 0) continue
    properties.set(text.slice(0, separator).trim(), text.slice(separator + 1).trim())
  }
  return properties
}
