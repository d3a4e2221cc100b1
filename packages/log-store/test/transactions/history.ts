// Random histories of producers with transactions, on a log that is compacted, cut and opened again.
import fc from 'fast-check'
import type { CrashOutcome } from '../../src/index'

export interface NewRecord {
  readonly key: string
  /** Null: without a value. */
  readonly bytes: number | null
}

export type Step =
  /** In the producer's transaction when it has one open; else in a new one, or in none. */
  | {
      readonly kind: 'append'
      readonly producer: number
      readonly transactional: boolean
      readonly records: readonly NewRecord[]
    }
  /** `fenced`: another took the producer's place, and its transaction is ended in a new epoch. */
  | {
      readonly kind: 'end'
      readonly producer: number
      readonly control: 'commit' | 'abort'
      readonly fenced: boolean
    }
  | { readonly kind: 'roll' }
  /** `stopAt`: the machine stops at this change of the disk, if compaction makes so many. */
  | {
      readonly kind: 'compact'
      readonly roll: boolean
      readonly stopAt: number | null
      readonly outcome: CrashOutcome
    }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'reopen' }
  /** `forget`: what was saved of the producers is gone, and must come from the batches again. */
  | { readonly kind: 'crash'; readonly outcome: CrashOutcome; readonly forget: boolean }
  | { readonly kind: 'cut'; readonly share: number }

export interface History {
  /** 0: three keys a pass. */
  readonly dedupeBufferBytes: number
  readonly segmentBytes: number
  readonly deleteRetentionMs: number
  readonly indexIntervalBytes: number
  /** Of one read. */
  readonly readBytes: number
  readonly steps: readonly Step[]
}

const kind = <Kind extends Step['kind']>(value: Kind) => fc.constant(value)
const producer = fc.constantFrom(1, 2, 3)
const outcome = fc.constantFrom<CrashOutcome>('lose-unsynced', 'keep-unsynced', 'tear-last-write')
const record = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  bytes: fc.option(fc.nat({ max: 60 }), { nil: null, freq: 4 }),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      kind: kind('append'),
      producer,
      transactional: fc.constantFrom(true, true, false),
      records: fc.array(record, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('end'),
      producer,
      control: fc.constantFrom('commit', 'abort'),
      fenced: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind('compact'),
      roll: fc.boolean(),
      stopAt: fc.option(fc.integer({ min: 1, max: 40 }), { nil: null, freq: 1 }),
      outcome,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('roll') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('wait'), ms: fc.constantFrom(1, 500, 2000) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('reopen') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('crash'), outcome, forget: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kind('cut'), share: fc.constantFrom(0, 0.25, 0.5, 0.75) }),
  },
)

export const histories: fc.Arbitrary<History> = fc.record({
  dedupeBufferBytes: fc.constantFrom(0, 200, 100_000),
  segmentBytes: fc.integer({ min: 900, max: 3000 }),
  deleteRetentionMs: fc.constantFrom(0, 0, 1000),
  indexIntervalBytes: fc.integer({ min: 100, max: 400 }),
  readBytes: fc.constantFrom(1, 700, 100_000),
  steps: fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }),
})
