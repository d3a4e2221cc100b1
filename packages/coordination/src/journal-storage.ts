import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The one file of the journal, as bytes. A seam for tests of failing disks. */
export interface JournalStorage {
  /** The whole file, or undefined when there is none. */
  read(): Promise<Uint8Array | undefined>
  /**
   * Puts `bytes` in the place of the whole file: after a crash either the old or the new content is
   * there. Durable when resolved.
   */
  replace(bytes: Uint8Array): Promise<void>
  /**
   * Adds to the end of what {@link replace} wrote. Durable when resolved; a crash may leave any
   * part of it.
   */
  append(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** A file of the local file system. */
export function nodeJournalStorage(path: string): JournalStorage {
  let file: FileHandle | undefined
  return {
    async read() {
      try {
        return await readFile(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async replace(bytes) {
      const next = await open(`${path}.new`, 'w')
      try {
        await next.writeFile(bytes)
        await next.sync()
        await rename(`${path}.new`, path)
        await syncDirectory(dirname(path))
      } catch (error) {
        await next.close()
        throw error
      }
      await file?.close()
      file = next
    },
    async append(bytes) {
      if (!file) throw new Error('append before replace')
      await file.writeFile(bytes)
      await file.datasync()
    },
    async close() {
      await file?.close()
      file = undefined
    },
  }
}

/** Makes the rename itself durable. Windows cannot open directories and does not need it. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
