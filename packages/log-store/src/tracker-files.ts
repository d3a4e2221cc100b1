import { join } from 'node:path'
import { readCheckedFile, readWholeFile, writeCheckedFile } from './checkpoint-file.js'
import { StoreError } from './errors.js'
import {
  companionFileName,
  parseSegmentFileName,
  segmentFileName,
  segmentSuffixes,
} from './file-names.js'
import { syncFile, writeFully, type FileSystem } from './fs/file-system.js'
import type { AbortedTransaction, TrackerSnapshot } from './log-tracker.js'
import { decodeTransactionIndex, encodeTransactionIndex } from './transaction-index.js'

/** What lies in a log's directory for its tracker. */
export interface TrackerFileNames {
  /** Offsets of snapshots, ascending. */
  readonly snapshots: readonly number[]
  /** Base offsets of segments that have, or should have, a transaction index; ascending. */
  readonly indexed: readonly number[]
}

/** Finds them among the names in the directory. */
export function trackerFilesAmong(names: Iterable<string>): TrackerFileNames {
  const snapshots = new Set<number>()
  const indexed = new Set<number>()
  for (const name of names) {
    const parsed = parseSegmentFileName(name.replace(/^kfk\./, ''))
    if (parsed === undefined) continue
    const { baseOffset, suffix } = parsed
    if (name.startsWith('kfk.')) {
      // The checksum of an index that is gone tells that there was one.
      if (suffix === `${segmentSuffixes.transactionIndex}.crc`) indexed.add(baseOffset)
    } else if (suffix === segmentSuffixes.transactionIndex) indexed.add(baseOffset)
    else if (suffix === segmentSuffixes.producerSnapshot) snapshots.add(baseOffset)
  }
  const ascending = (offsets: Set<number>) => [...offsets].sort((a, b) => a - b)
  return { snapshots: ascending(snapshots), indexed: ascending(indexed) }
}

/** Snapshots and transaction indexes of one log, on the disk. */
export class TrackerFiles {
  readonly #fileSystem: FileSystem
  readonly directory: string

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem
    this.directory = directory
  }

  async list(): Promise<TrackerFileNames> {
    const entries = await this.#fileSystem.list(this.directory)
    return trackerFilesAmong(entries.map((entry) => entry.name))
  }

  /** Undefined when there is none at that offset. */
  async readSnapshot(offset: number): Promise<TrackerSnapshot | undefined> {
    const state = await readWholeFile(this.#fileSystem, this.snapshotPath(offset))
    if (state === undefined) return undefined
    const detail = await readWholeFile(this.#fileSystem, this.#detailPath(offset))
    return detail === undefined ? { state } : { state, detail }
  }

  /**
   * Durable after a sync of the directory. Its own checksum tells when a crash left half of it; the
   * detail comes first, so that a whole snapshot has a whole detail.
   */
  async writeSnapshot(offset: number, snapshot: TrackerSnapshot): Promise<void> {
    try {
      if (snapshot.detail !== undefined)
        await this.#write(this.#detailPath(offset), snapshot.detail)
      await this.#write(this.snapshotPath(offset), snapshot.state)
    } catch (error) {
      await this.removeSnapshot(offset).catch(() => undefined)
      throw error
    }
  }

  async removeSnapshot(offset: number): Promise<void> {
    await this.#fileSystem.remove(this.snapshotPath(offset))
    await this.#fileSystem.remove(this.#detailPath(offset))
  }

  /** Of a segment that has one. Undefined when it is damaged or gone: it has to be built anew. */
  async readIndex(segment: {
    readonly baseOffset: number
    readonly endOffset: number
  }): Promise<AbortedTransaction[] | undefined> {
    try {
      const bytes = await readCheckedFile(this.#fileSystem, this.indexPath(segment.baseOffset))
      return bytes && decodeTransactionIndex(bytes, segment)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return undefined
      throw error
    }
  }

  /** Durable when it resolves; without entries there is no file. */
  async writeIndex(baseOffset: number, entries: readonly AbortedTransaction[]): Promise<void> {
    const path = this.indexPath(baseOffset)
    if (entries.length > 0) {
      await writeCheckedFile(this.#fileSystem, path, encodeTransactionIndex(entries))
      return
    }
    await this.#fileSystem.remove(this.#path(companionFileName(baseOffset, '.txnindex.crc')))
    await this.#fileSystem.remove(path)
    await this.#fileSystem.syncDirectory(this.directory)
  }

  snapshotPath(offset: number): string {
    return this.#path(segmentFileName(offset, segmentSuffixes.producerSnapshot))
  }

  indexPath(baseOffset: number): string {
    return this.#path(segmentFileName(baseOffset, segmentSuffixes.transactionIndex))
  }

  #detailPath(offset: number): string {
    return this.#path(companionFileName(offset, '.snapshot-detail'))
  }

  #path(name: string): string {
    return join(this.directory, name)
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const handle = this.#fileSystem.open(path, 'write')
    try {
      writeFully(handle, [bytes], 0)
      handle.truncateSync(bytes.length)
      await syncFile(handle)
    } finally {
      handle.close()
    }
  }
}
