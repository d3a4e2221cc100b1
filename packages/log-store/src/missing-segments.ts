import { StoreError } from './errors.js'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import type { LogHost } from './log-host.js'
import type { ListedLog } from './log-list.js'
import { unpackBases } from './packed-segments.js'

// What somebody took away while nobody had the directory. Kafka lets a log begin where its files
// do, and so does this store; but what is gone is said.

/** What is known of a log from before it was opened. */
interface KnownBefore {
  readonly name: string
  readonly path: string
  /** It was closed cleanly, by whomever. */
  readonly clean: boolean
  readonly recoveryPoint: number
  readonly logStartOffset: number | undefined
  readonly listed: ListedLog | undefined
}

/**
 * For a log without any segment. Throws KFK_STORE_CORRUPT when it had one: a new log would give
 * offsets out again.
 */
export function refuseEmptied({ path, recoveryPoint, logStartOffset = 0 }: KnownBefore): void {
  if (recoveryPoint <= logStartOffset) return
  throw new StoreError(
    'KFK_STORE_CORRUPT',
    `${path} holds no segment, but the log had been synced up to offset ${recoveryPoint}: ` +
      'restore its files, or delete the directory',
    { details: { path, position: 0, offset: logStartOffset } },
  )
}

/** Names segments that were there at the clean close and are not any more. */
export function reportMissing(
  host: LogHost,
  { name, path, clean, listed, logStartOffset }: KnownBefore,
  bases: readonly number[],
): void {
  if (!clean) return
  const present = new Set(bases)
  const before = listed === undefined ? [] : unpackBases(listed.sealed)
  const files = before
    .filter((base) => !present.has(base))
    .map((base) => segmentFileName(base, segmentSuffixes.log))
  const start = listed?.logStartOffset ?? logStartOffset ?? 0
  const first = bases[0]!
  const startsLate = (listed ?? logStartOffset) !== undefined && first > start
  if (files.length === 0 && !startsLate) return
  const what = files.length === 0 ? 'segments' : files.join(', ')
  const lost = startsLate ? `; offsets ${start} to ${first - 1} are lost` : ''
  host.report({
    kind: 'segments-missing',
    message: `${path}: gone since the last clean close: ${what}${lost}`,
    details: { log: name, path, files, ...(startsLate && { from: start, to: first - 1 }) },
  })
}
