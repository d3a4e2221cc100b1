import { explained, outOfRange, requireInteger, StoreError } from './errors.js'
import type { EpochIndex } from './epoch-index.js'
import type { LogFlush } from './log-flush.js'
import type { LogHost } from './log-host.js'
import type { LogStructure } from './log-structure.js'

/** What moving its ends needs of a log. */
interface MovedLog {
  readonly name: string
  readonly path: string
  readonly epochs: EpochIndex
  readonly logEndOffset: number
  readonly writtenOffset: number
  readonly recoveryPoint: number
  logStartOffset: number
  /** Why appends are refused; retriable: it passes. */
  refusal: StoreError | undefined
  requireOpen(): void
  flushNow(): void
  whenWritten(offset: number): Promise<void>
}

/**
 * The start of a log moved on, its end moved back. Both go through the queue of structural changes
 * from their first change to their last sync: whoever asks for what another call is about to do
 * waits until that has been done, or has failed. What a failure has left to be made durable is made
 * so before anything else is moved.
 */
export class LogEnds {
  readonly #host: LogHost
  readonly #log: MovedLog
  readonly #flush: LogFlush
  readonly #structure: LogStructure
  /** A cut that may not be durable yet. */
  #unsettled = false
  /** A start that may be on the medium, or not yet. */
  #startUnsettled = false
  /**
   * Why appends are refused after such a cut below the start: a crash would take the start that was
   * noted for that of the log, and what was appended below it for gone.
   */
  #owed: StoreError | undefined
  #settling = false

  constructor(
    host: LogHost,
    log: MovedLog,
    parts: { readonly flush: LogFlush; readonly structure: LogStructure },
  ) {
    this.#host = host
    this.#log = log
    this.#flush = parts.flush
    this.#structure = parts.structure
  }

  /** See `Log.advanceLogStart`. */
  async advanceStart(offset: number): Promise<void> {
    const log = this.#log
    if (!(offset <= log.logEndOffset)) {
      throw outOfRange(offset, log.logStartOffset, log.logEndOffset)
    }
    requireInteger(offset)
    if (offset > log.writtenOffset) await log.whenWritten(offset)
    await this.#structure.exclusively(() => this.#advanceStart(offset))
  }

  async #advanceStart(offset: number): Promise<void> {
    const log = this.#log
    log.requireOpen()
    await this.#settle()
    if (offset <= log.logStartOffset) {
      // Old segments could not be deleted: that they are none of the log's may be in memory alone.
      if (this.#structure.discarding) await this.#host.checkpoint()
      return
    }
    if (offset > log.writtenOffset) {
      throw outOfRange(offset, log.logStartOffset, log.writtenOffset)
    }
    // Otherwise a crash could leave a log that ends before it begins.
    if (offset > log.recoveryPoint) await this.#flush.through(offset)
    // For good: when a checkpoint fails that start may be on the medium nevertheless, and a crash
    // must not move a log on that was read from an earlier one meanwhile.
    log.logStartOffset = offset
    this.#startUnsettled = true
    await this.#settleStart()
  }

  /** See `Log.truncateTo`. */
  async truncateTo(offset: number): Promise<number> {
    const log = this.#log
    if (log.refusal !== undefined && log.refusal !== this.#owed) throw log.refusal
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `cannot truncate to ${offset}`)
    }
    if (offset >= log.logEndOffset) {
      // Perhaps because of a cut that failed in its last sync.
      if (this.#unsettled) await this.#structure.exclusively(() => this.#settle())
      return log.logEndOffset
    }
    log.refusal = new StoreError('KFK_STORE_IO', `log ${log.name} is being truncated`, {
      retriable: true,
    })
    try {
      // Not before appends are refused: whoever is told of this write may append.
      log.flushNow()
      // What was queued may have been taken back.
      if (offset >= log.logEndOffset) return log.logEndOffset
      await this.#structure.endCompaction('the log is being truncated')
      return await this.#structure.exclusively(() => this.#cut(offset))
    } finally {
      if (log.refusal.retriable) log.refusal = this.#owed
    }
  }

  async #cut(offset: number): Promise<number> {
    const log = this.#log
    await this.#flush.through(log.writtenOffset)
    const startOffset = log.logStartOffset
    await explained({ action: 'cut', path: log.path }, () => this.#structure.truncate(offset))
    this.#unsettled = true
    if (log.logStartOffset < startOffset) {
      const message = `log ${log.name} was cut below its start, which cannot be noted yet`
      this.#owed = new StoreError('KFK_STORE_IO', message, { retriable: true })
    }
    const endOffset = log.logEndOffset
    await this.#settle()
    return endOffset
  }

  /** Somebody wants to append. Tries again to do what appends are refused for, if that is known. */
  retry(): void {
    if (this.#owed === undefined || this.#owed !== this.#log.refusal || this.#settling) return
    this.#settling = true
    const settled = () => {
      this.#settling = false
    }
    this.#structure.exclusively(() => this.#settle()).then(settled, settled)
  }

  /** Makes the last cut and the start durable, where they are not. */
  async #settle(): Promise<void> {
    if (this.#unsettled) await this.#settleCut()
    if (this.#startUnsettled) await this.#settleStart()
  }

  async #settleStart(): Promise<void> {
    const log = this.#log
    try {
      await this.#host.checkpoint()
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'KFK_STORE_NO_SPACE')) throw error
      // What is to go may be what fills the disk. After a crash the log starts no further on.
      await this.#structure.makeRoomBelowStart()
      await this.#host.checkpoint()
    }
    this.#startUnsettled = false
    // Not before: a crash would bring the records back without their epochs.
    log.epochs.truncateFromStart(log.logStartOffset)
    await this.#structure.dropBelowStart()
  }

  async #settleCut(): Promise<void> {
    const log = this.#log
    await this.#flush.through(log.writtenOffset)
    await this.#host.checkpoint()
    this.#unsettled = false
    if (log.refusal === this.#owed) log.refusal = undefined
    this.#owed = undefined
  }
}
