import { join } from 'node:path'
import { atomicWriteFile, readWholeFile } from './checkpoint-file.js'
import { StoreError } from './errors.js'
import { fileNames } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'
import {
  decodeListedLog,
  encodeListedLog,
  encodeLogList,
  type ListedLog,
  maxLogListBytes,
  splitLogList,
} from './log-list.js'
import type { StoreReport } from './report.js'
import { cleanShutdownMarker } from './takeover.js'

/** A closed log that can say what the next opening has to know. */
export interface ClosedLog {
  readonly name: string
  /** Undefined: its directory has to be listed. */
  describe(): Promise<ListedLog | undefined>
}

/** Each asks the file system for two dates. */
const concurrentLogs = 64

type Report = (report: StoreReport) => void

/**
 * What is in a directory from a clean close to the next opening: the marker, and the list of logs.
 * Of logs that are not opened in between the entries are handed on.
 */
export class CleanShutdown {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #listPath: string
  readonly #markerPath: string
  #records: Map<string, Buffer> | undefined
  #hasMarker = false

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#listPath = join(directory, fileNames.logs)
    this.#markerPath = join(directory, fileNames.cleanShutdown)
  }

  /** Whether the directory was closed cleanly; by whomever, but the list counts only if by us. */
  async load(report: Report): Promise<boolean> {
    const found = await readWholeFile(this.#fileSystem, this.#markerPath)
    if (found === undefined) return false
    this.#hasMarker = true
    if (Buffer.from(found).toString('latin1') === cleanShutdownMarker) await this.#loadList(report)
    return true
  }

  /**
   * Both are about to become untrue. Durable when it resolves. A list without a marker would look
   * like the doing of Kafka, which knows nothing of it: the marker takes the place of the list, so
   * that no crash leaves that.
   */
  async forgetAll(): Promise<void> {
    if (this.#hasMarker) await this.#fileSystem.rename(this.#markerPath, this.#listPath)
    await this.#fileSystem.remove(this.#listPath)
    await this.#fileSystem.syncDirectory(this.#directory)
  }

  /** What the list says of a log that is being opened; once, for then it speaks for itself. */
  take(name: string): ListedLog | undefined {
    const record = this.#records?.get(name)
    this.forget(name)
    return record && decodeListedLog(record)
  }

  /** Logs of the list whose directories are gone; they are not spoken of any more. */
  takeMissing(present: ReadonlySet<string>): string[] {
    const missing = [...(this.#records?.keys() ?? [])].filter((name) => !present.has(name))
    for (const name of missing) this.forget(name)
    return missing
  }

  /** The log has been deleted. */
  forget(name: string): void {
    this.#records?.delete(name)
    if (this.#records?.size === 0) this.#records = undefined
  }

  /**
   * Everything has been synced. The marker comes first: see `forgetAll`; without the list the next
   * opening only takes longer. Durable when it resolves.
   */
  async write(logs: Iterable<ClosedLog>, report: Report): Promise<void> {
    await atomicWriteFile(this.#fileSystem, this.#markerPath, Buffer.from(cleanShutdownMarker))
    try {
      await this.#writeList(logs)
    } catch (error) {
      const message = `cannot write ${this.#listPath}; the next opening takes longer`
      report({ kind: 'background-failure', message, details: { path: this.#listPath, error } })
    }
  }

  async #loadList(report: Report): Promise<void> {
    try {
      const bytes = await readWholeFile(this.#fileSystem, this.#listPath)
      if (bytes !== undefined) this.#records = splitLogList(Buffer.from(bytes), this.#listPath)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) throw error
      const message = `${this.#listPath} is unreadable; directories of logs are listed instead`
      report({ kind: 'checkpoint-unreadable', message, details: { path: this.#listPath, error } })
    }
  }

  async #writeList(logs: Iterable<ClosedLog>): Promise<void> {
    const records = [...(this.#records?.values() ?? [])]
    const closed = [...logs]
    for (let from = 0; from < closed.length; from += concurrentLogs) {
      const some = closed.slice(from, from + concurrentLogs).map((log) => log.describe())
      for (const listed of await Promise.all(some)) {
        if (listed !== undefined) records.push(encodeListedLog(listed))
      }
    }
    if (records.length === 0) return
    const bytes = encodeLogList(records)
    if (bytes.length > maxLogListBytes) return
    await atomicWriteFile(this.#fileSystem, this.#listPath, bytes)
  }
}
