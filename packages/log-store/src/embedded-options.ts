import type { BatchFormat } from './batch-format.js'
import { StoreError } from './errors.js'
import type { RecordCodec } from './frame-format.js'
import type { FrameRecord } from './frame-layout.js'
import type { DirectoryStats, LogDirectoryOptions } from './log-directory.js'
import type { LogStats } from './log.js'
import type { LogOptions } from './options.js'

/**
 * What a record survives. `disk`: it is on the medium, and survives the loss of power. `os`: it is
 * in the operating system's page cache, and survives the end of the process, however it ends, but
 * not that of the machine.
 */
export type Durability = 'disk' | 'os'

/**
 * Acknowledged as `os` is, and synced after so many records or so many ms after a write, whichever
 * comes first: what a crash of the machine may take is bounded by that.
 */
export interface DurabilityBounds {
  readonly records?: number
  readonly ms?: number
}

/** Settings of one log; `durability` stands for `flushMessages` and `flushMs`. */
export interface EmbeddedLogSettings extends Partial<
  Omit<LogOptions, 'flushMessages' | 'flushMs'>
> {
  /**
   * When an append is acknowledged, unless it says otherwise itself. Default: as `flushMessages`
   * and `flushMs` of the log are, with `openLog` `disk`.
   */
  readonly durability?: Durability | DurabilityBounds
}

/** Of a log that has a directory for itself. */
export interface EmbeddedLogOptions
  extends EmbeddedLogSettings, Omit<LogDirectoryOptions, 'defaults' | 'optionsFor' | 'format'> {
  /**
   * How records lie in the file. One that only knows batches (not `RecordCodec`) appends encoded
   * batches and reads bytes. Default: `frameFormat`.
   */
  readonly format?: BatchFormat & Partial<RecordCodec>
}

/** What can be appended as it is: bytes, or text that is written as UTF-8. */
export type Payload = Uint8Array | string

/** A record to append. A null value is a tombstone: compaction then forgets its key. */
export type NewRecord = FrameRecord

export interface AppendOptions {
  /** What the record survives when the promise resolves. Default: the log's `durability`. */
  readonly durability?: Durability
  /** Of one record that does not say. */
  readonly key?: Payload | null
  /** Ms since 1970, for records that do not say. Default: now. */
  readonly timestamp?: number
}

/** Where several records went: they have consecutive offsets. */
export interface AppendedRange {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly count: number
}

export interface ReadOptions {
  /** First offset; default: the log's first. */
  readonly from?: number
  /** Only records that are so safe; default: those that the log's own `durability` acknowledges. */
  readonly durability?: Durability
}

export interface PageOptions extends ReadOptions {
  /** Bound of a page; one batch (what one append wrote) is read even if larger. Default 256 KiB. */
  readonly maxBytes?: number
}

export interface RecordsOptions extends ReadOptions {
  /** Exclusive end; default: what may be read when the iteration begins. */
  readonly to?: number
  /** Rejects the iteration with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface FollowOptions extends ReadOptions {
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal
  /**
   * When the next record was deleted, or when records that were given have been truncated away:
   * `throw` KFK_STORE_OFFSET_OUT_OF_RANGE, or `skip`: go on at the first record that is there, or
   * at the end that truncation left. Default `throw`.
   */
  readonly ifLost?: 'throw' | 'skip'
}

export interface EmbeddedLogStats extends LogStats {
  readonly startOffset: number
  readonly endOffset: number
  /** All below is on the medium. */
  readonly durableOffset: number
  /** Counters and histograms of the whole directory. */
  readonly directory: DirectoryStats
}

/**
 * What `openLog` assumes when nothing is said: nothing is deleted that nobody asked to delete, and
 * what is acknowledged is on the medium.
 */
export const soleLogDefaults = { retentionMs: -1, retentionBytes: -1, durability: 'disk' } as const

/** The log's options, only those that are set. Throws KFK_STORE_INVALID_ARGUMENT. */
export function logOptionsOf(settings: EmbeddedLogSettings): Partial<LogOptions> {
  const { durability, ...options } = settings
  return { ...options, ...(durability === undefined ? {} : flushOptionsOf(durability)) }
}

function flushOptionsOf(
  durability: Durability | DurabilityBounds,
): Pick<LogOptions, 'flushMessages' | 'flushMs'> {
  const never = Number.MAX_SAFE_INTEGER
  if (durability === 'disk') return { flushMessages: 1, flushMs: never }
  if (durability === 'os') return { flushMessages: never, flushMs: never }
  const { records, ms } = durability
  if (records === undefined && ms === undefined) throw refuseDurability(durability)
  return { flushMessages: records ?? never, flushMs: ms ?? never }
}

const durabilities: readonly Durability[] = ['disk', 'os']

/** Also for JavaScript, where a misspelt word must not silently mean less safety. */
export function requireDurability(durability: Durability | undefined): Durability | undefined {
  if (durability === undefined || durabilities.includes(durability)) return durability
  throw refuseDurability(durability)
}

function refuseDurability(durability: unknown): StoreError {
  const said = typeof durability === 'string' ? durability : JSON.stringify(durability)
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', `durability cannot be ${said}`, {
    details: { durability },
  })
}

function isPayload(what: unknown): what is Payload | null {
  return typeof what === 'string' || what instanceof Uint8Array || what === null
}

/** What is appended as one batch. `Array.isArray` does not tell a readonly array apart. */
export function isList(what: unknown): what is readonly (Payload | NewRecord)[] {
  return Array.isArray(what)
}

/** Also for JavaScript: whatever is neither text nor bytes must say what its value is. */
export function toRecord(what: Payload | NewRecord): NewRecord {
  if (typeof what === 'string' || what instanceof Uint8Array) return { value: what }
  const { value } = (what as Partial<NewRecord> | null) ?? {}
  if (value !== undefined) return what
  throw new StoreError('KFK_STORE_INVALID_ARGUMENT', 'a record is bytes, text or { value, key }')
}

/** The one record of an append. */
export function toSoleRecord(
  what: Payload | null | NewRecord,
  key: Payload | null | undefined,
): NewRecord {
  if (isPayload(what)) return { value: what, key }
  const record = toRecord(what)
  return record.key === undefined ? { ...record, key } : record
}

/** Also for JavaScript: with NaN a page would have no bound, and no record would be that late. */
export function requireSize(maxBytes: number): void {
  if (typeof maxBytes === 'number' && maxBytes >= 0) return
  throw refuseNumber('maxBytes takes a number from 0 on', maxBytes)
}

export function requireTime(timestampMs: number): void {
  if (typeof timestampMs === 'number' && !Number.isNaN(timestampMs)) return
  throw refuseNumber('a timestamp is a number of ms since 1970', timestampMs)
}

function refuseNumber(what: string, value: unknown): StoreError {
  const message = `${what}, not ${String(value)}`
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', message, { details: { value } })
}

/** Compaction keeps the latest record of each key, so one without a key would vanish silently. */
export function requireKey(record: { readonly key?: Payload | null | undefined }): void {
  if (record.key !== null && record.key !== undefined) return
  throw new StoreError('KFK_STORE_INVALID_ARGUMENT', 'a log that is compacted needs keys')
}
