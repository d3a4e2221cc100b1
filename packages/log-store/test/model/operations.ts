// The steps of a random history. Offsets are given as shares of the log, so that a shortened history
// still means something.
import fc from 'fast-check'
import type { CleanupPolicy, CrashOutcome, Durability, FileOperation } from '../../src/index'
import type { LostIndex } from './between-runs'

export interface NewRecord {
  readonly timestamp: number
  readonly key: string | null
  /** Null: a tombstone. */
  readonly bytes: number | null
}

export type Operation =
  /** Batches of records; appended at once, waited for as said. */
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
  | {
      readonly kind: 'retain'
      readonly log: number
      readonly retentionBytes: number
      /** 0: all are too old. */
      readonly retentionMs: number
      readonly cleanupPolicy: CleanupPolicy
    }
  | {
      readonly kind: 'configure'
      readonly log: number
      readonly segmentBytes: number
      readonly flushMessages: number
      readonly flushMs: number
      readonly segmentMs: number
      readonly segmentIndexBytes?: number
      /** Where it is not `delete` the background compacts. */
      readonly cleanupPolicy: CleanupPolicy
      readonly deleteRetentionMs: number
    }
  /** Now; of a log that is not compacted as a rule, this once. */
  | {
      readonly kind: 'compact'
      readonly log: number
      /** The active segment is rolled and synced before, so that all can be compacted. */
      readonly all: boolean
      readonly deleteRetentionMs: number
    }
  | {
      readonly kind: 'follow'
      readonly log: number
      readonly share: number
      readonly durability: Durability | null
    }
  | { readonly kind: 'scrub'; readonly log: number }
  | { readonly kind: 'checkpoint' }
  /** Somebody may run the repair in between, which must find nothing, or spoil an index then. */
  | { readonly kind: 'reopen'; readonly repair: boolean; readonly lostIndex?: LostIndex | null }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'crash'; readonly outcome: CrashOutcome }
  /** The machine stops at the n-th change of the disk from now. */
  | { readonly kind: 'crashSoon'; readonly mutation: number; readonly outcome: CrashOutcome }
  | {
      readonly kind: 'fail'
      readonly operation: FileOperation
      readonly error: 'ENOSPC' | 'EIO' | 'EMFILE'
      readonly at: number
      readonly times: number
      /** Of a failing write so much is in the file. */
      readonly partialWrite: number | null
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

const policy = fc.constantFrom<CleanupPolicy>('delete', 'compact', 'compact,delete')
const deleteRetentionMs = fc.constantFrom(0, 10, never)

const kind = <Kind extends Operation['kind']>(value: Kind) => fc.constant(value)

const kinds = <Kind extends Operation['kind']>(...values: Kind[]) => fc.constantFrom(...values)

function failure(operations: FileOperation[], errors: ('ENOSPC' | 'EIO' | 'EMFILE')[]) {
  return fc.record({
    kind: kind('fail'),
    operation: fc.constantFrom(...operations),
    error: fc.constantFrom(...errors),
    at: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 12 })),
    times: fc.constantFrom(1, 1, 1, 100),
    partialWrite: fc.constantFrom(null, null, 0.5, 1),
  })
}

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
    arbitrary: fc.record({ kind: kinds('roll', 'flush', 'delete', 'assignEpoch', 'scrub'), log }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kinds('truncate', 'deleteBefore'), log, share }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('retain'),
      log,
      retentionBytes: fc.oneof(fc.constant(-1), fc.nat({ max: 600 })),
      retentionMs: fc.constantFrom(-1, -1, 0),
      cleanupPolicy: policy,
    }),
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
      segmentIndexBytes: fc.constantFrom(24, 40, never),
      cleanupPolicy: policy,
      deleteRetentionMs,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind('compact'), log, all: fc.boolean(), deleteRetentionMs }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('follow'),
      log,
      share,
      durability: fc.constantFrom('disk', 'os', null),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('checkpoint') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('reopen'),
      repair: fc.boolean(),
      lostIndex: fc.option(
        fc.record({ which: share, keptTwelfths: fc.constantFrom(null, 0, 6, 11) }),
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('wait'), ms: fc.constantFrom(1, 6, 20, 60) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('crash'), outcome }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('crashSoon'),
      mutation: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 13, max: 40 })),
      outcome,
    }),
  },
  { weight: 2, arbitrary: failure(['open', 'create'], ['ENOSPC', 'EIO', 'EMFILE']) },
  {
    weight: 2,
    arbitrary: failure(
      ['write', 'write', 'sync', 'rename', 'syncDirectory', 'truncate', 'read', 'list', 'remove'],
      ['ENOSPC', 'EIO'],
    ),
  },
)

export const history: fc.Arbitrary<Operation[]> = fc.array(operation, {
  minLength: 1,
  maxLength: 40,
  size: 'max',
})
