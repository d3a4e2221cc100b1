import { StoreError } from './errors.js'

/** Settings of one log. The names in brackets are Kafka's topic configs. */
export interface LogOptions {
  /** A segment is rolled before it would exceed this many bytes [segment.bytes]. */
  readonly segmentBytes: number
  /** A segment is rolled when a record is this much younger than its first [segment.ms]. */
  readonly segmentMs: number
  /** One index entry for about so many bytes of batches [index.interval.bytes]. */
  readonly indexIntervalBytes: number
  /** Bound of an index file; a full index rolls the segment [segment.index.bytes]. */
  readonly segmentIndexBytes: number
  /** Records older than this are deleted, a segment at a time; -1 keeps all [retention.ms]. */
  readonly retentionMs: number
  /**
   * Oldest segments are deleted while more bytes than this would remain; -1 keeps all
   * [retention.bytes].
   */
  readonly retentionBytes: number
  /**
   * 1: acknowledge after fdatasync. More: acknowledge at the write, and sync after so many records;
   * Number.MAX_SAFE_INTEGER leaves the sync to the operating system [flush.messages].
   */
  readonly flushMessages: number
  /**
   * Sync at the latest so many ms after a write; Number.MAX_SAFE_INTEGER: never by time [flush.ms].
   */
  readonly flushMs: number
  /** A larger batch is refused with KFK_STORE_TOO_LARGE [max.message.bytes]. */
  readonly maxBatchBytes: number
  /** Deleted files stay this long under their `.deleted` name [file.delete.delay.ms]. */
  readonly fileDeleteDelayMs: number
  /** Before more bytes than this are queued, the queue is written at once. */
  readonly maxQueuedBytes: number
  /**
   * `delete`: by age and size; `compact`: keep the latest record of each key [cleanup.policy].
   */
  readonly cleanupPolicy: CleanupPolicy
  /**
   * A log is compacted when this share of it has been written since the last time
   * [min.cleanable.dirty.ratio].
   */
  readonly minCleanableDirtyRatio: number
  /** Records younger than this are not compacted yet [min.compaction.lag.ms]. */
  readonly minCompactionLagMs: number
  /** Older than this they are, whatever the ratio says [max.compaction.lag.ms]. */
  readonly maxCompactionLagMs: number
  /** Tombstones stay this long after a compaction has met them [delete.retention.ms]. */
  readonly deleteRetentionMs: number
}

export type CleanupPolicy = 'delete' | 'compact' | 'compact,delete'

/**
 * Kafka's defaults, but for `flushMessages` (Kafka leaves the sync to the system) and
 * `maxBatchBytes`.
 */
export const defaultLogOptions: LogOptions = {
  segmentBytes: 1024 ** 3,
  segmentMs: 7 * 24 * 3_600_000,
  indexIntervalBytes: 4096,
  // 1 GiB of batches at one 8-byte entry for 4 KiB needs 2 MiB; Kafka's bound leaves room for finer
  // intervals.
  segmentIndexBytes: 10 * 1024 ** 2,
  retentionMs: 7 * 24 * 3_600_000,
  retentionBytes: -1,
  flushMessages: 1,
  flushMs: Number.MAX_SAFE_INTEGER,
  // A sanity bound against impossible sizes; a broker narrows it to Kafka's 1 MiB.
  maxBatchBytes: 128 * 1024 ** 2,
  fileDeleteDelayMs: 60_000,
  maxQueuedBytes: 256 * 1024 ** 2,
  cleanupPolicy: 'delete',
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 24 * 3_600_000,
}

/** The options that are whole numbers. */
type IntegerOption = Exclude<keyof LogOptions, 'cleanupPolicy' | 'minCleanableDirtyRatio'>

const lowest: Readonly<Record<IntegerOption, number>> = {
  segmentBytes: 14,
  segmentMs: 1,
  indexIntervalBytes: 0,
  segmentIndexBytes: 12,
  retentionMs: -1,
  retentionBytes: -1,
  flushMessages: 1,
  flushMs: 0,
  maxBatchBytes: 1,
  fileDeleteDelayMs: 0,
  maxQueuedBytes: 1,
  minCompactionLagMs: 0,
  maxCompactionLagMs: 1,
  deleteRetentionMs: 0,
}

const cleanupPolicies: readonly CleanupPolicy[] = ['delete', 'compact', 'compact,delete']

// File positions and index entries are int32, as in Kafka.
const highestSegmentBytes = 2 ** 31 - 1

/** Most logs of a process have one of a few sets of settings, which they share. */
const mostShared = 32
const shared: LogOptions[] = []

function share(options: LogOptions): LogOptions {
  const names = Object.keys(options) as (keyof LogOptions)[]
  const known = shared.find((other) => names.every((name) => other[name] === options[name]))
  if (known !== undefined) return known
  if (shared.length === mostShared) shared.shift()
  shared.push(Object.freeze(options))
  return options
}

/** Merges over `base` and checks every value. Throws KFK_STORE_INVALID_ARGUMENT. */
export function resolveLogOptions(base: LogOptions, changes: Partial<LogOptions> = {}): LogOptions {
  const merged: { -readonly [name in IntegerOption]: number } = { ...base }
  for (const name of Object.keys(lowest) as IntegerOption[]) {
    const value = changes[name] ?? base[name]
    if (!Number.isSafeInteger(value) || value < lowest[name]) {
      throw refuse(name, value, { lowest: lowest[name] })
    }
    merged[name] = value
  }
  if (merged.segmentBytes > highestSegmentBytes) {
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', 'segmentBytes must be below 2 GiB')
  }
  const cleanupPolicy = changes.cleanupPolicy ?? base.cleanupPolicy
  if (!cleanupPolicies.includes(cleanupPolicy)) {
    throw refuse('cleanupPolicy', cleanupPolicy, { known: cleanupPolicies })
  }
  const minCleanableDirtyRatio = changes.minCleanableDirtyRatio ?? base.minCleanableDirtyRatio
  if (!(minCleanableDirtyRatio >= 0 && minCleanableDirtyRatio <= 1)) {
    throw refuse('minCleanableDirtyRatio', minCleanableDirtyRatio, { lowest: 0, highest: 1 })
  }
  return share({ ...merged, cleanupPolicy, minCleanableDirtyRatio })
}

function refuse(option: string, value: unknown, allowed: Record<string, unknown>): StoreError {
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', `${option} cannot be ${String(value)}`, {
    details: { option, value, ...allowed },
  })
}
