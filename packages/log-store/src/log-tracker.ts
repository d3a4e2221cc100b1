import type { BatchSummary } from './batch-format.js'

/** A transaction that ended with an abort marker; its records are not to be seen. */
export interface AbortedTransaction {
  readonly producerId: bigint
  /** Of its first record in this log. */
  readonly firstOffset: number
  /** Of the marker. */
  readonly lastOffset: number
  /** Where the oldest transaction began that was open then; else the offset after the marker. */
  readonly lastStableOffset: number
}

/** Where the state of a producer lies in the log. */
export interface ProducerEnd {
  /** Last offset of its last batch; -1: a marker has raised its epoch since, and no batch came. */
  readonly lastDataOffset: number
  readonly producerEpoch: number
}

/** What a tracker knew at some offset, as files. */
export interface TrackerSnapshot {
  /** `<offset>.snapshot`. */
  readonly state: Uint8Array
  /** What that file has no room for, in a file of its own; it may be lost without harm. */
  readonly detail?: Uint8Array
}

/**
 * Follows one log: state that is derived from its batches alone, so that whoever has applied the
 * same batches has the same state. The log feeds it every batch in order, appended or replicated,
 * keeps its snapshots beside the segments, and after a restart feeds it only what came behind the
 * newest snapshot. All methods are synchronous and must not throw.
 */
export interface LogTracker {
  /** Nothing is known: state that need not be restored after a truncation. */
  readonly isEmpty: boolean
  /**
   * Forgets everything and takes a snapshot instead (undefined: none). False when it is damaged;
   * then an older one is tried, and nothing must have been taken.
   */
  restore(snapshot: TrackerSnapshot | undefined): boolean
  /** The batch at `position` of `bytes`, with its offsets, comes next. Answers what it aborted. */
  apply(bytes: Uint8Array, position: number, batch: BatchSummary): AbortedTransaction | undefined
  /** All that was applied is in the file. */
  settle(): void
  /** What was applied since `settle` could not be written: as if it had never been. */
  rollBack(): void
  /** Captures the state as it is now; what it answers makes the files of it, any time later. */
  capture(): () => TrackerSnapshot
  /**
   * Where the oldest transaction begins that is open, or whose marker is not below `highWatermark`.
   */
  firstUnstableOffset(highWatermark: number): number | undefined
  /**
   * The end of a producer that is remembered: compaction keeps that batch, without records if need
   * be, so that the state can be had from the log again.
   */
  producerEnd?(producerId: bigint): ProducerEnd | undefined
  /** Forgets what has been silent for too long. */
  expire(nowMs: number): void
}
