import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import type { LogOptions } from './options.js'
import type { StoreError } from './errors.js'

/** Where appended batches went. */
export interface AppendInfo {
  readonly baseOffset: number
  readonly lastOffset: number
  /** Largest record timestamp in ms, -1 when there is none. */
  readonly maxTimestamp: number
  readonly sizeInBytes: number
}

export interface ReadRequest {
  /** Offset of the first record wanted, from log start offset to log end offset. */
  readonly from: number
  /** Upper bound of the answer, but for `minOneBatch`. */
  readonly maxBytes: number
  /** Exclusive bound, for instance the high watermark; batches that reach it are left out. */
  readonly maxOffset?: number
  /**
   * Answer the first batch even when it exceeds `maxBytes`, so that a reader cannot get stuck.
   * Default true.
   */
  readonly minOneBatch?: boolean
  /**
   * Where to read to when the bytes come from the file; saves an allocation. The answer is then a
   * view on it, and a little shorter than `maxBytes` when the first batch had to be searched for.
   */
  readonly into?: Uint8Array
}

export interface LogSlice {
  /**
   * Whole batches, the first of which may begin before `from`; empty when there is nothing to read.
   * Yours to keep, never to change: it may be shared with other readers of the tail. It may be
   * shorter
   * than `maxBytes` although more is there (a read does not cross a segment): read on from
   * `nextOffset`.
   */
  readonly bytes: Uint8Array
  /**
   * Offset after the last record in `bytes`. When empty: `from`, or the end that was read to when
   * compaction has removed all records before it.
   */
  readonly nextOffset: number
  readonly logStartOffset: number
}

/** Where a log is not what was synced. */
export interface LogDamage {
  readonly log: string
  readonly path: string
  /** Byte in the file: the end of the last good batch. */
  readonly position: number
  /** First offset that cannot be read. */
  readonly offset: number
  /** Where reading can go on: the base offset of the next segment, if there is one. */
  readonly nextSoundOffset: number | undefined
  readonly reason: string
}

export interface TimestampOffset {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** Batches that were queued and could not be written: their offsets are free again. */
export interface Rollback {
  /** The log end offset now; every appended offset from here on is gone. */
  readonly endOffset: number
  readonly error: StoreError
}

export interface LogStats {
  readonly segments: number
  readonly sizeInBytes: number
  readonly queuedBytes: number
  readonly writes: number
  readonly writtenBytes: number
  readonly syncs: number
  /** Answered from memory. */
  readonly hotReads: number
  /** Answered from the file without waiting. */
  readonly warmReads: number
  /** Answered in the thread pool. */
  readonly coldReads: number
}

/**
 * One ordered, append-only log in segments. Single writer: this process holds the directory's lock.
 * `logStartOffset <= recoveryPoint <= writtenOffset <= logEndOffset`; readers see what is written.
 */
export interface Log {
  readonly name: string
  /** Directory of the segment files. */
  readonly path: string
  readonly options: LogOptions
  /** First offset that can be read. */
  readonly logStartOffset: number
  /** Next offset to assign. */
  readonly logEndOffset: number
  /** All below is in the file (not necessarily on the medium). */
  readonly writtenOffset: number
  /** All below has been synced to the medium. */
  readonly recoveryPoint: number
  /**
   * All below may be acknowledged: `recoveryPoint` when `flushMessages` is 1, else `writtenOffset`.
   */
  readonly acknowledgedOffset: number
  /** Leader epoch of the last entry of the epoch checkpoint. */
  readonly latestEpoch: number | undefined

  /**
   * Synchronous: assigns offsets, stamps them in place and queues. What is queued in one turn of
   * the event loop goes out as one vectored write at its end, or at `flushNow`. The bytes belong to
   * the log until written. Throws KFK_STORE_INVALID_ARGUMENT (also: an epoch below that of the last
   * batch, which recovery would take for damage), _TOO_LARGE, _CLOSED, _IO (directory is poisoned),
   * _NO_SPACE. A later failure of the write is told by `whenAcknowledged` and `onRollback`.
   */
  append(batches: Uint8Array, options: { readonly leaderEpoch: number }): AppendInfo
  /**
   * Keeps offsets and epochs that the batches carry: the first offset must be >= logEndOffset, both
   * in order, and no epoch below that of the last batch. Throws as `append` does.
   */
  appendReplicated(batches: Uint8Array): AppendInfo
  /** Writes what is queued at once. Worth it when only one request is pending. */
  flushNow(): void
  /**
   * Resolves when all below `offset` may be acknowledged. Rejects with KFK_STORE_IO when the
   * directory
   * is poisoned, with _NO_SPACE (EMFILE, ENFILE: a retriable _IO) when the append was rolled back,
   * _DELAYED (retriable: wait again) when it stays and no sync could begin for a second, _CLOSED,
   * or the signal's reason.
   */
  whenAcknowledged(offset: number, signal?: AbortSignal): Promise<void>
  /**
   * Resolves when all below `offset` is in the file: it survives the end of the process, not that
   * of the machine. Rejects as `whenAcknowledged` does.
   */
  whenWritten(offset: number, signal?: AbortSignal): Promise<void>
  /**
   * Resolves when all below `offset` is on the medium, whatever `flushMessages` says; whoever waits
   * starts a sync, or joins one. Rejects as `whenAcknowledged` does.
   */
  whenDurable(offset: number, signal?: AbortSignal): Promise<void>
  /** Called after every advance of `acknowledgedOffset`. Returns the unsubscriber. */
  onAcknowledged(listener: (acknowledgedOffset: number) => void): () => void
  /** Called when queued appends were given up because they could not be written (disk full). */
  onRollback(listener: (rollback: Rollback) => void): () => void
  /**
   * Called when `truncateTo` has cut the log, before anything can be appended in the place of what
   * is gone.
   */
  onTruncated(listener: (endOffset: number) => void): () => void
  /** Called once, when the directory stops taking appends for good after a failed write or sync. */
  onPoisoned(listener: (error: StoreError) => void): () => void

  /**
   * Reads without waiting: hot tail or page cache. Undefined: may have to wait for the disk, use
   * `read`.
   * Throws KFK_STORE_OFFSET_OUT_OF_RANGE, _CORRUPT, _IO, _CLOSED.
   */
  readNow(request: ReadRequest): LogSlice | undefined
  /** The same, reading in the thread pool when the bytes are cold. */
  read(request: ReadRequest): Promise<LogSlice>
  /**
   * Reads the segment that holds `offset` again and verifies order and checksums, which reads do
   * not (whoever decodes does). Answers the first place that is wrong; in a sealed segment it is
   * noted, and reads stop there from now on. Undefined: all is sound. Takes as long as reading a
   * segment.
   */
  verify(offset: number, signal?: AbortSignal): Promise<LogDamage | undefined>
  /** First record with a timestamp >= `timestampMs` (the batch's first when records are opaque). */
  offsetForTimestamp(timestampMs: number, maxOffset?: number): Promise<TimestampOffset | undefined>
  /** First record that has the largest timestamp of the log. */
  maxTimestampOffset(): Promise<TimestampOffset | undefined>

  /**
   * Where `epoch` ends: the largest known epoch <= `epoch` and the offset after its last record.
   * Both -1 when nothing is known of it (KIP-101, KIP-279).
   */
  epochEnd(epoch: number): { leaderEpoch: number; endOffset: number }
  /** Leader epoch that wrote `offset`; undefined when the epoch checkpoint does not say. */
  epochAt(offset: number): number | undefined
  /** Notes a new leader epoch that starts at the log end; ignored unless larger than the latest. */
  assignEpoch(leaderEpoch: number): void

  /** What follows this log's batches; the one that the directory's option `tracker` made. */
  readonly tracker: LogTracker | undefined
  /**
   * All below is decided: no transaction is open there, and none ended whose marker is not below
   * `highWatermark`. At most `highWatermark`; what may be acknowledged when it is left out.
   */
  lastStableOffset(highWatermark?: number): number
  /**
   * Aborted transactions that have records or their marker from `from` to below `to`, in the order
   * of their markers: what a reader at isolation `read_committed` has to leave out. Complete up to
   * `lastStableOffset`. Undefined: indexes have to be read, use `abortedTransactions`. Throws
   * KFK_STORE_OFFSET_OUT_OF_RANGE when the log begins behind `from`: who has read there before it
   * was deleted cannot tell any more what was aborted.
   */
  abortedTransactionsNow(from: number, to: number): readonly AbortedTransaction[] | undefined
  /** The same, reading indexes when they are not in memory; rejects with what it throws. */
  abortedTransactions(from: number, to: number): Promise<readonly AbortedTransaction[]>

  /**
   * Forgets all below `offset` (DeleteRecords); durable when it resolves. Never moves back. On a
   * full disk what it forgets makes room for the note that it is forgotten. Rejects with
   * KFK_STORE_OFFSET_OUT_OF_RANGE when the log ends before that, KFK_STORE_IO; with a retriable
   * error (NO_SPACE, DELAYED, IO) when it may work later: until then nothing has changed, or the
   * start has moved and is not durable yet; the same call again makes it so.
   */
  advanceLogStart(offset: number): Promise<void>
  /**
   * Cuts everything from `offset` on; a batch that holds `offset` goes as a whole. Durable when it
   * resolves, with the new end. Below the log start offset: empties the log, which then starts at
   * `offset`. At the end or beyond it: cuts nothing. Appends are refused meanwhile (KFK_STORE_IO,
   * retriable). Rejects with a retriable error when handles or room are missing: either nothing has
   * changed, or the log is cut and the same call makes that durable; a log cut below its start
   * refuses appends, each of which tries that again, until then.
   */
  truncateTo(offset: number): Promise<number>
  /** Seals the active segment and starts a new one at the log end; nothing when it is empty. */
  roll(): void
  configure(options: Partial<LogOptions>): void
  /** Waits until all that was appended is on the medium, whatever `flushMessages` says. */
  flush(): Promise<void>
  stats(): LogStats
  /** Writes and syncs what is queued, closes the files. Later calls throw KFK_STORE_CLOSED. */
  close(): Promise<void>
}
