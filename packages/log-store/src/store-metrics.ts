import { Histogram, type HistogramSnapshot } from './histogram.js'

/** What a directory did since it was opened, over all its logs. */
export interface StoreMetricsSnapshot {
  /** Records that were written to files. */
  readonly writtenRecords: number
  /** Bytes of each write to a segment: all that was queued in one turn of the event loop. */
  readonly writeBytes: HistogramSnapshot
  /** Time of each such call to the system, in microseconds. */
  readonly writeMicros: HistogramSnapshot
  /** Time of each sync that succeeded, in microseconds. */
  readonly syncMicros: HistogramSnapshot
  /** Segments begun. */
  readonly rolls: number
  /** Reads answered from memory. They are too short to be worth the reading of a clock. */
  readonly hotReads: number
  /** Time of each read of a file that had not to wait, in microseconds. */
  readonly warmReadMicros: HistogramSnapshot
  /** Time of each read in the thread pool, in microseconds. */
  readonly coldReadMicros: HistogramSnapshot
  /** Bytes of all answers. */
  readonly readBytes: number
  /** Time to open each log that was on disk, recovery included, in microseconds. */
  readonly openMicros: HistogramSnapshot
  /** Bytes that were read and checked to open them: 0 after a clean close. */
  readonly recoveryScannedBytes: number
  /** Bytes that recovery cut from their ends. */
  readonly recoveryCutBytes: number
  /** Time of each compaction that ended, its pauses included, in microseconds. */
  readonly compactionMicros: HistogramSnapshot
  /** By how many bytes compactions made the logs smaller. */
  readonly compactedBytes: number
  /** Bytes of sealed segments that were read again, to find damage. */
  readonly scrubbedBytes: number
  /** Segments that scrubbing found damaged. */
  readonly scrubbedDamages: number
}

/**
 * The counters of a directory, always on: a write, a sync or a read of a file pays some 20 ns and
 * one more look at the clock (20 to 100 ns), a read from memory 5 ns; nothing is allocated.
 */
export class StoreMetrics {
  writtenRecords = 0
  rolls = 0
  hotReads = 0
  readBytes = 0
  recoveryScannedBytes = 0
  recoveryCutBytes = 0
  compactedBytes = 0
  scrubbedBytes = 0
  scrubbedDamages = 0
  readonly #writeBytes = new Histogram()
  readonly #writeMicros = new Histogram()
  readonly #syncMicros = new Histogram()
  readonly #warmReadMicros = new Histogram()
  readonly #coldReadMicros = new Histogram()
  readonly #openMicros = new Histogram()
  readonly #compactionMicros = new Histogram()

  noteWrite(bytes: number, records: number, durationMs: number): void {
    this.writtenRecords += records
    this.#writeBytes.record(bytes)
    this.#writeMicros.record(durationMs * 1000)
  }

  noteSync(durationMs: number): void {
    this.#syncMicros.record(durationMs * 1000)
  }

  noteHotRead(bytes: number): void {
    this.hotReads++
    this.readBytes += bytes
  }

  noteWarmRead(bytes: number, durationMs: number): void {
    this.readBytes += bytes
    this.#warmReadMicros.record(durationMs * 1000)
  }

  noteColdRead(bytes: number, durationMs: number): void {
    this.readBytes += bytes
    this.#coldReadMicros.record(durationMs * 1000)
  }

  noteOpen(scannedBytes: number, cutBytes: number, durationMs: number): void {
    this.recoveryScannedBytes += scannedBytes
    this.recoveryCutBytes += cutBytes
    this.#openMicros.record(durationMs * 1000)
  }

  noteCompaction(bytesLess: number, durationMs: number): void {
    this.compactedBytes += bytesLess
    this.#compactionMicros.record(durationMs * 1000)
  }

  noteScrub(bytes: number, damaged: boolean): void {
    this.scrubbedBytes += bytes
    if (damaged) this.scrubbedDamages++
  }

  snapshot(): StoreMetricsSnapshot {
    return {
      writtenRecords: this.writtenRecords,
      writeBytes: this.#writeBytes.snapshot(),
      writeMicros: this.#writeMicros.snapshot(),
      syncMicros: this.#syncMicros.snapshot(),
      rolls: this.rolls,
      hotReads: this.hotReads,
      warmReadMicros: this.#warmReadMicros.snapshot(),
      coldReadMicros: this.#coldReadMicros.snapshot(),
      readBytes: this.readBytes,
      openMicros: this.#openMicros.snapshot(),
      recoveryScannedBytes: this.recoveryScannedBytes,
      recoveryCutBytes: this.recoveryCutBytes,
      compactionMicros: this.#compactionMicros.snapshot(),
      compactedBytes: this.compactedBytes,
      scrubbedBytes: this.scrubbedBytes,
      scrubbedDamages: this.scrubbedDamages,
    }
  }
}
