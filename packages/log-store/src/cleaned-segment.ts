import { join } from 'node:path'
import type { BatchSummary } from './batch-format.js'
import { cleanedSuffix, segmentFileName, segmentSuffixes } from './file-names.js'
import { ioError, StoreError } from './errors.js'
import { syncFile, writeFully, type FileHandle } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import type { AbortedTransaction } from './log-tracker.js'
import { poisonUnlessItPasses } from './poisoning.js'
import { Segment } from './segment.js'
import { IndexBuilder } from './segment-scan.js'
import { encodeTransactionIndex } from './transaction-index.js'

/** Bytes are gathered to writes of this size. */
const writeBytes = 512 * 1024
/** File positions are int32. */
const maxSegmentBytes = 2 ** 31 - 1
/** Synced this often, so that the last sync is short and others' syncs do not wait behind it. */
const syncEveryBytes = 16 * 1024 ** 2

/** The replacement of a group of segments while it is being written, under `.cleaned` names. */
export class CleanedSegment {
  readonly baseOffset: number
  readonly #host: LogHost
  readonly #directory: string
  readonly #builder: IndexBuilder
  readonly #handle: FileHandle
  readonly #buffer = Buffer.allocUnsafeSlow(writeBytes)
  #buffered = 0
  #written = 0
  #synced = 0
  #closed = false
  #transactions: AbortedTransaction[] = []

  /** Creates the file. Throws the system's error. */
  constructor(
    host: LogHost,
    place: { directory: string; baseOffset: number; indexIntervalBytes: number },
  ) {
    this.#host = host
    this.#directory = place.directory
    this.baseOffset = place.baseOffset
    this.#builder = new IndexBuilder(place.baseOffset, place.indexIntervalBytes)
    this.#handle = host.fileSystem.open(this.#path(segmentSuffixes.log), 'write')
    this.#handle.truncateSync(0)
  }

  get sizeBytes(): number {
    return this.#written + this.#buffered
  }

  /** Bytes that the larger one of the indexes has so far. */
  get indexBytes(): number {
    const { offsets, times } = this.#builder.indexes
    return Math.max(offsets.count * 8, times.count * 12)
  }

  /** Adds a batch, which may lie in a larger buffer. Blocks for a write now and then. */
  append(batch: BatchSummary, bytes: Uint8Array, at: number): void {
    const { sizeInBytes } = batch
    this.#builder.add(batch, this.sizeBytes)
    if (this.#buffered + sizeInBytes > writeBytes) this.#flush()
    if (sizeInBytes > writeBytes) {
      this.#write(bytes.subarray(at, at + sizeInBytes))
      return
    }
    this.#buffer.set(bytes.subarray(at, at + sizeInBytes), this.#buffered)
    this.#buffered += sizeInBytes
  }

  /** An aborted transaction whose marker stays here. */
  appendTransaction(transaction: AbortedTransaction): void {
    this.#transactions.push(transaction)
  }

  /** Brings what was written to the medium when it has become much. Answers the bytes synced. */
  async syncIfDue(): Promise<void> {
    if (this.#written - this.#synced < syncEveryBytes) return
    const upTo = this.#written
    await this.#sync()
    this.#synced = upTo
  }

  /** All files are on the medium, under their `.cleaned` names, when it resolves. */
  async finish(): Promise<Segment> {
    this.#flush()
    await this.#sync()
    this.close()
    const { fileSystem, files, clock } = this.#host
    const segment = new Segment(files, {
      directory: this.#directory,
      baseOffset: this.baseOffset,
      createdMs: clock.now(),
      sizeBytes: this.#written,
    })
    this.#builder.install(segment, true)
    segment.markSealed()
    const { offsets, times } = segment.indexes!
    await this.#writeSide(segmentSuffixes.offsetIndex, [offsets.bytes(0)])
    await this.#writeSide(segmentSuffixes.timeIndex, [times.bytes(0)])
    if (this.#transactions.length > 0) {
      const entries = encodeTransactionIndex(this.#transactions)
      await this.#writeSide(segmentSuffixes.transactionIndex, [entries])
    }
    segment.noteIndexesSaved()
    await fileSystem.syncDirectory(this.#directory)
    return segment
  }

  /** Those whose markers stay here; none: there is no transaction index. */
  get transactions(): readonly AbortedTransaction[] {
    return this.#transactions
  }

  /** Suffixes of the files that `finish` wrote. */
  get suffixes(): string[] {
    const { log, offsetIndex, timeIndex, transactionIndex } = segmentSuffixes
    const suffixes: string[] = [log, offsetIndex, timeIndex]
    return this.#transactions.length > 0 ? [...suffixes, transactionIndex] : suffixes
  }

  /** Gives the replacement up. */
  async discard(): Promise<void> {
    this.close()
    for (const suffix of Object.values(segmentSuffixes)) {
      await this.#host.fileSystem.remove(this.#path(suffix))
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#handle.close()
  }

  #flush(): void {
    if (this.#buffered === 0) return
    this.#write(this.#buffer.subarray(0, this.#buffered))
    this.#buffered = 0
  }

  #write(bytes: Uint8Array): void {
    if (this.#written + bytes.length > maxSegmentBytes) {
      const message = `a cleaned segment of ${this.#directory} would exceed 2 GiB`
      throw new StoreError('KFK_STORE_TOO_LARGE', message)
    }
    try {
      this.#written += writeFully(this.#handle, [bytes], this.#written)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async #sync(): Promise<void> {
    try {
      await syncFile(this.#handle)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** A disk that does not take bytes is not trusted with appends either. */
  #failure(error: unknown): StoreError {
    const failure = ioError(error, { action: 'compact to', path: this.#handle.path })
    return poisonUnlessItPasses(this.#host, failure)
  }

  async #writeSide(suffix: string, chunks: readonly Uint8Array[]): Promise<void> {
    const handle = this.#host.fileSystem.open(this.#path(suffix), 'write')
    try {
      handle.truncateSync(0)
      writeFully(handle, chunks, 0)
      await syncFile(handle)
    } catch (error) {
      throw this.#failure(error)
    } finally {
      handle.close()
    }
  }

  #path(suffix: string): string {
    return join(this.#directory, segmentFileName(this.baseOffset, suffix) + cleanedSuffix)
  }
}
