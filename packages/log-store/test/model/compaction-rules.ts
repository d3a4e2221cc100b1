// What compaction may do to a log, and what it must have done when it says so.
import { isDeepStrictEqual } from 'node:util'
import { type ModelBatch, type ModelLog, type ModelRecord, noValue } from './model-log'

/** The circumstances of compactions that may have run. */
export interface CompactionTerms {
  /** The first may have begun then. */
  readonly fromMs: number
  readonly deleteRetentionMs: readonly number[]
}

/** When somebody looks at what they have made. */
export interface CompactionMoment {
  readonly nowMs: number
  /** Only what is on the medium may supersede something, or go. */
  readonly durableOffset: number
}

/** Why `after` cannot be what compactions, whole or interrupted, made of `before`. */
export function whyNotCompacted(
  before: ModelLog,
  after: ModelLog,
  when: CompactionTerms & CompactionMoment,
): string | undefined {
  if (before.start !== after.start || before.end !== after.end) return 'it begins or ends elsewhere'
  const latest = new Map<string | null, number>()
  for (const { key, offset } of before.batches.flatMap(({ records }) => records)) {
    if (offset < when.durableOffset) latest.set(key, offset)
  }
  const mayGo = ({ key, offset, value }: ModelRecord, horizonMs: number | null) =>
    offset < when.durableOffset &&
    (key === null ||
      latest.get(key)! > offset ||
      (value === noValue && horizonMs !== null && horizonMs <= when.nowMs))
  const left = new Map(after.visible.map((batch) => [batch.base, batch]))
  for (const batch of before.visible) {
    const rewritten = left.get(batch.base)
    left.delete(batch.base)
    const kept = rewritten?.records ?? []
    if (rewritten !== undefined && !isRewriteOf(batch, rewritten, when)) {
      return `the batch at ${batch.base} is not what it was`
    }
    for (const record of batch.records) {
      const isKept = kept.some(({ offset }) => offset === record.offset)
      if (!isKept && !mayGo(record, batch.horizonMs)) return `${record.offset} had to stay`
    }
  }
  return left.size === 0 ? undefined : 'there are batches that nobody has appended'
}

function isRewriteOf(
  batch: ModelBatch,
  rewritten: ModelBatch,
  when: CompactionTerms & CompactionMoment,
) {
  const { base, last, epoch, horizonMs } = batch
  if (rewritten.last !== last || rewritten.epoch !== epoch || rewritten.records.length === 0) {
    return false
  }
  const fromBatch = rewritten.records.every((record) =>
    batch.records.some((other) => isDeepStrictEqual(other, record)),
  )
  const ascending = rewritten.records.every(
    ({ offset }, at) => offset > (rewritten.records[at - 1]?.offset ?? base - 1),
  )
  if (!fromBatch || !ascending) return false
  if (rewritten.horizonMs === horizonMs) return true
  // Set when a compaction meets the tombstone first, and never moved.
  const found = rewritten.horizonMs
  if (horizonMs !== null || found === null) return false
  if (!rewritten.records.some(({ value }) => value === noValue)) return false
  const bound = Number.MAX_SAFE_INTEGER
  return when.deleteRetentionMs.some(
    (ms) => found >= Math.min(when.fromMs + ms, bound) && found <= Math.min(when.nowMs + ms, bound),
  )
}

/** What a compaction that says that all is clean up to `cleanedTo` has left undone. */
export function leftUndone(
  after: ModelLog,
  { cleanedTo, fromMs }: { cleanedTo: number; fromMs: number },
): string | undefined {
  const keys = new Set<string>()
  for (const { records, horizonMs } of after.batches) {
    for (const { offset, key, value } of records) {
      if (offset < after.start || offset >= cleanedTo) continue
      if (key === null) return `${offset} has no key`
      if (keys.has(key)) return `${offset} has the key of a record before it`
      keys.add(key)
      if (value !== noValue) continue
      if (horizonMs === null) return `the tombstone ${offset} would never go`
      if (horizonMs < fromMs) return `the tombstone ${offset} should have gone at ${horizonMs}`
    }
  }
  return undefined
}
