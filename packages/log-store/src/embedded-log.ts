import type { Clock } from './clock.js'
import { systemClock } from './clock.js'
import { StoreError } from './errors.js'
import { frameFormat } from './frame-format.js'
import type { LogDirectory, LogDirectoryOptions } from './log-directory.js'
import type { Log } from './log.js'
import { openLogDirectory } from './open-log-directory.js'
import type { LogOptions } from './options.js'

/** One record of an embedded log. */
export interface EmbeddedRecord {
  readonly offset: number
  /** Ms since 1970. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array
}

export interface EmbeddedLogOptions extends Partial<LogOptions> {
  readonly fileSystem?: LogDirectoryOptions['fileSystem']
  readonly clock?: Clock
  readonly onReport?: LogDirectoryOptions['onReport']
}

export interface EmbeddedReadOptions {
  /** First offset; default: the log start. */
  readonly from?: number
  readonly signal?: AbortSignal
}

/** The only log of an embedded directory; a directory may hold more through `openLogDirectory`. */
const logName = 'log-0'
/** An embedded log has one writer for good. */
const leaderEpoch = 0
const readBytes = 256 * 1024

/**
 * A log of its own in a directory: records in, records out, durable when `append` resolves. Throws
 * KFK_STORE_LOCKED when another process has the directory.
 */
export async function openLog(
  path: string,
  options: EmbeddedLogOptions = {},
): Promise<EmbeddedLog> {
  const { fileSystem, clock, onReport, ...logOptions } = options
  const directory = await openLogDirectory(path, {
    ...(fileSystem && { fileSystem }),
    ...(clock && { clock }),
    ...(onReport && { onReport }),
  })
  try {
    const log = await directory.open(logName, logOptions)
    return new EmbeddedLog(directory, log, clock ?? systemClock)
  } catch (error) {
    await directory.close()
    throw error
  }
}

/** See `openLog`. */
export class EmbeddedLog implements AsyncDisposable {
  readonly #directory: LogDirectory
  readonly #log: Log
  readonly #clock: Clock

  constructor(directory: LogDirectory, log: Log, clock: Clock) {
    this.#directory = directory
    this.#log = log
    this.#clock = clock
  }

  /** First offset that can be read. */
  get startOffset(): number {
    return this.#log.logStartOffset
  }

  /** Offset that the next record gets. */
  get endOffset(): number {
    return this.#log.logEndOffset
  }

  /** Adds one record; resolves with its offset when it is on the medium. */
  async append(
    value: Uint8Array | string,
    options: { readonly key?: Uint8Array | string | null; readonly timestamp?: number } = {},
  ): Promise<number> {
    const frame = frameFormat.encode(toBytes(value), {
      key: options.key == null ? null : toBytes(options.key),
      timestamp: options.timestamp ?? this.#clock.now(),
    })
    const { baseOffset, lastOffset } = this.#log.append(frame, { leaderEpoch })
    await this.#log.whenAcknowledged(lastOffset + 1)
    return baseOffset
  }

  /** The records that are durable now, in order. Checksums are verified. */
  async *read(options: EmbeddedReadOptions = {}): AsyncGenerator<EmbeddedRecord, void, undefined> {
    yield* this.#range(options, this.#log.acknowledgedOffset)
  }

  /** The same, then those that come, until the signal or `close`. */
  async *follow(
    options: EmbeddedReadOptions = {},
  ): AsyncGenerator<EmbeddedRecord, void, undefined> {
    let from = options.from ?? this.#log.logStartOffset
    while (options.signal?.aborted !== true) {
      const until = this.#log.acknowledgedOffset
      for await (const record of this.#range({ ...options, from }, until)) yield record
      from = Math.max(from, until)
      if (!(await this.#moreThan(from, options.signal))) return
    }
  }

  /** Offset of the first record with a timestamp >= `timestampMs`. */
  async offsetAt(timestampMs: number): Promise<number | undefined> {
    const found = await this.#log.offsetForTimestamp(timestampMs, this.#log.acknowledgedOffset)
    return found?.offset
  }

  /** Deletes what is older or more than `retentionMs` and `retentionBytes` allow. */
  async applyRetention(): Promise<void> {
    await this.#directory.applyRetention()
  }

  /** Syncs and closes; the next opening is instant. Iterations end. */
  async close(): Promise<void> {
    await this.#directory.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async *#range(
    options: EmbeddedReadOptions,
    until: number,
  ): AsyncGenerator<EmbeddedRecord, void, undefined> {
    let from = options.from ?? this.#log.logStartOffset
    while (from < until && options.signal?.aborted !== true) {
      const slice = await this.#log.read({ from, maxBytes: readBytes, maxOffset: until })
      if (slice.bytes.length === 0) return
      for (const frame of frameFormat.decode(slice.bytes)) if (frame.offset >= from) yield frame
      from = slice.nextOffset
    }
  }

  /** Resolves with true when there is a record at `offset`, with false at the signal or `close`. */
  async #moreThan(offset: number, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#log.whenAcknowledged(offset + 1, signal)
      return true
    } catch (error) {
      if (signal?.aborted === true) return false
      if (error instanceof StoreError && error.code === 'KFK_STORE_CLOSED') return false
      throw error
    }
  }
}

function toBytes(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value
}
