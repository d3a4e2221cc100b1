// The steps of a random history. Offsets are given as shares of the log, so that a shortened history
// still means something.
import fc from 'fast-check'
import type { CrashOutcome } from '../../src/index'

export interface NewRecord {
  readonly timestamp: number
  readonly key: string | null
  /** Null: a tombstone. */
  readonly bytes: number | null
}

export type Operation =
  /** Batches of records; appended at once, acknowledged as said. */
  | {
      readonly kind: 'append'
      readonly log: number
      readonly batches: readonly (readonly NewRecord[])[]
      readonly wait: 'acknowledged' | 'durable' | 'written' | 'no'
      readonly newEpoch: boolean
    }
  | {
      readonly kind: 'replicate'
      readonly log: number
      readonly batches: readonly (readonly NewRecord[])[]
      readonly gap: number
    }
  | { readonly kind: 'roll'; readonly log: number }
  | { readonly kind: 'flush'; readonly log: number }
  | { readonly kind: 'delete'; readonly log: number }
  | { readonly kind: 'assignEpoch'; readonly log: number }
  | { readonly kind: 'truncate'; readonly log: number; readonly share: number }
  | { readonly kind: 'deleteBefore'; readonly log: number; readonly share: number }
  | { readonly kind: 'retain'; readonly log: number; readonly retentionBytes: number }
  | {
      readonly kind: 'configure'
      readonly log: number
      readonly segmentBytes: number
      readonly flushMessages: number
      readonly flushMs: number
      readonly segmentMs: number
    }
  | { readonly kind: 'follow'; readonly log: number; readonly share: number }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'crash'; readonly outcome: CrashOutcome }
  /** The machine stops at the n-th change of the disk from now. */
  | { readonly kind: 'crashSoon'; readonly mutation: number; readonly outcome: CrashOutcome }
  | {
      readonly kind: 'fail'
      readonly operation: 'write' | 'sync' | 'create' | 'rename' | 'syncDirectory' | 'truncate'
      readonly error: 'ENOSPC' | 'EIO' | 'EMFILE'
      readonly at: number
    }

const never = Number.MAX_SAFE_INTEGER
const log = fc.nat({ max: 2 })
const record: fc.Arbitrary<NewRecord> = fc.record({
  timestamp: fc.integer({ min: 1000, max: 1050 }),
  key: fc.constantFrom(null, 'a', 'b', 'c'),
  bytes: fc.option(fc.integer({ min: 0, max: 30 }), { nil: null, freq: 8 }),
})
const batches = fc.array(fc.array(record, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 3,
})
const share = fc.integer({ min: 0, max: 8 }).map((eighths) => eighths / 8)
const outcome = fc.constantFrom<CrashOutcome>(
  'lose-unsynced',
  'keep-unsynced',
  'tear-last-write',
  'zero-last-write',
)

const kind = <Kind extends Operation['kind']>(value: Kind) => fc.constant(value)

const kinds = <Kind extends Operation['kind']>(...values: Kind[]) => fc.constantFrom(...values)

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: kind('append'),
      log,
      batches,
      wait: fc.constantFrom('acknowledged', 'durable', 'written', 'no'),
      newEpoch: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind('replicate'), log, batches, gap: fc.nat({ max: 2 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kinds('roll', 'flush', 'delete', 'assignEpoch'), log }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kinds('truncate', 'deleteBefore'), log, share }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kind('retain'), log, retentionBytes: fc.nat({ max: 600 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('configure'),
      log,
      segmentBytes: fc.integer({ min: 570, max: 900 }),
      flushMessages: fc.constantFrom(1, 3, never),
      flushMs: fc.constantFrom(5, never),
      segmentMs: fc.constantFrom(30, never),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('follow'), log, share }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds('checkpoint', 'reopen') }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('wait'), ms: fc.constantFrom(1, 6, 20) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('crash'), outcome }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('crashSoon'),
      mutation: fc.integer({ min: 1, max: 12 }),
      outcome,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('fail'),
      operation: fc.constantFrom('write', 'sync', 'create', 'rename', 'syncDirectory', 'truncate'),
      error: fc.constantFrom('ENOSPC', 'EIO', 'EMFILE'),
      at: fc.integer({ min: 1, max: 3 }),
    }),
  },
)

export const history: fc.Arbitrary<Operation[]> = fc.array(operation, {
  minLength: 1,
  maxLength: 40,
  size: 'max',
})
