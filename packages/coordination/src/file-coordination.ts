import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from './clock.js'
import { CoordinationError } from './coordination-error.js'
import { EmbeddedCoordination } from './embedded-coordination.js'
import { EmbeddedHub } from './embedded-hub.js'
import { type JournalStorage, nodeJournalStorage } from './journal-storage.js'
import { Journal, readJournal } from './journal.js'
import { DEFAULT_MAX_VALUE_BYTES } from './limits.js'
import { acquireProcessLock } from './process-lock.js'

/** Name of the journal in the data directory. */
export const JOURNAL_FILE_NAME = 'kfk.coordination'

export interface FileCoordinationOptions {
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** Longest value in UTF-8 bytes. Default 1 MiB. */
  readonly maxValueBytes?: number
  /** Default: `kfk.coordination` in the directory. Another storage brings its own exclusion. */
  readonly storage?: JournalStorage
}

/**
 * Coordination kept in one file of `directory`, for a broker on its own; brokers of the same
 * process share it by `connect()`.
 *
 * Plain values survive, fsynced before `compareAndSet` resolves; sessions and leases are of the
 * process and do not; versions and epochs go on where they were. When the disk refuses a write,
 * calls reject with `KFK_COORDINATION_UNAVAILABLE` (the step is seen by this process, but may be
 * gone after a restart) and the next write tries to write the whole file anew.
 *
 * Rejects with `KFK_COORDINATION_LOCKED` when a running process has the file,
 * `KFK_COORDINATION_INVALID_VALUE` when it is damaged anywhere but at its end,
 * `KFK_COORDINATION_UNAVAILABLE` when it cannot be read or written.
 */
export async function fileCoordination(
  directory: string,
  options: FileCoordinationOptions = {},
): Promise<EmbeddedCoordination> {
  const maxValueBytes = options.maxValueBytes ?? DEFAULT_MAX_VALUE_BYTES
  try {
    if (options.storage) return await openJournal(options.storage, options, maxValueBytes)
    await mkdir(directory, { recursive: true })
    const path = join(await realpath(directory), JOURNAL_FILE_NAME)
    const lock = await acquireProcessLock(`${path}.lock`)
    try {
      const file = nodeJournalStorage(path)
      const storage: JournalStorage = {
        ...file,
        async close() {
          await file.close()
          await lock.release()
        },
      }
      return await openJournal(storage, options, maxValueBytes)
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    if (error instanceof CoordinationError) throw error
    throw new CoordinationError(
      'KFK_COORDINATION_UNAVAILABLE',
      `the coordination journal in ${directory} could not be opened`,
      { cause: error },
    )
  }
}

async function openJournal(
  storage: JournalStorage,
  options: FileCoordinationOptions,
  maxValueBytes: number,
): Promise<EmbeddedCoordination> {
  const bytes = await storage.read()
  const kept = bytes && readJournal(bytes, maxValueBytes)
  const hub = new EmbeddedHub(options.clock ?? systemClock)
  const { state } = hub
  if (kept) state.restore(kept)
  const journal = new Journal(storage, () => ({
    entries: state.plainEntries(),
    version: state.version,
    epoch: state.epoch,
  }))
  await journal.rewrite()
  hub.keepIn(journal)
  return new EmbeddedCoordination('file', hub, maxValueBytes)
}
