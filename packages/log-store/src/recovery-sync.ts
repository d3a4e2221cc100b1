import { ioError, isOutOfHandles } from './errors.js'
import { syncFile } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import type { Segment } from './segment.js'

// What opening a log makes durable. A sync that fails ends appends here as anywhere else: opening
// the log once more would sync again, and be told of success over bytes or names that are gone.

/** Syncs the data of a segment as it is. Poisons the directory when that fails. */
export async function syncRecovered(host: LogHost, segment: Segment): Promise<void> {
  const { files } = host
  const handle = files.pin(segment.data)
  try {
    await syncFile(handle)
  } catch (error) {
    throw host.poison(ioError(error, { action: 'sync', path: segment.path }))
  } finally {
    files.unpin(segment.data)
  }
}

/** Syncs the names in a log's directory. Poisons unless no handle was left to open it. */
export async function syncNames(host: LogHost, path: string): Promise<void> {
  try {
    await host.fileSystem.syncDirectory(path)
  } catch (error) {
    if (isOutOfHandles(error)) throw error
    throw host.poison(ioError(error, { action: 'sync the names in', path }))
  }
}
