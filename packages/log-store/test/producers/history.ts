// Random histories of producers with transactions, on a log that is cut at both ends and stopped.
import fc from 'fast-check'
import type { CrashOutcome } from '../../src/index'

export interface NewBatch {
  readonly producer: number
  readonly transactional: boolean
  readonly records: number
  /** Of the producer, before this batch. */
  readonly raise: boolean
}

export type Step =
  | { readonly kind: 'append'; readonly batches: readonly NewBatch[]; readonly write: boolean }
  | {
      readonly kind: 'end'
      readonly producer: number
      readonly control: 'commit' | 'abort'
      readonly raise: boolean
    }
  /** The next write finds no room. */
  | { readonly kind: 'full'; readonly share: number }
  | { readonly kind: 'roll' | 'flush' | 'checkpoint' | 'retain' | 'reopen' }
  /** From both ends of what there is. */
  | { readonly kind: 'cut' | 'forget'; readonly share: number }
  | { readonly kind: 'crash'; readonly outcome: CrashOutcome }
  /** The machine stops at this change of the disk, if the next step makes so many. */
  | { readonly kind: 'stop'; readonly at: number; readonly outcome: CrashOutcome }
  /** The n-th of these fails in the next step. */
  | { readonly kind: 'fail'; readonly operation: 'open' | 'list' | 'sync'; readonly at: number }
  /** Files of what was derived are lost, or have another byte; then it is opened again. */
  | {
      readonly kind: 'damage'
      readonly suffix: string
      readonly garble: boolean
      readonly nth: number
    }

export interface History {
  readonly segmentBytes: number
  readonly indexIntervalBytes: number
  readonly flushMessages: number
  readonly maxOpenFiles: number
  readonly steps: readonly Step[]
}

const kind = <Kind extends Step['kind']>(value: Kind) => fc.constant(value)
const producer = fc.constantFrom(1, 2, 3)
const raise = fc.constantFrom(false, false, false, false, true)
const outcome = fc.constantFrom<CrashOutcome>('lose-unsynced', 'keep-unsynced', 'tear-last-write')
const share = fc.constantFrom(0, 0.1, 0.3, 0.5, 0.8, 0.9, 1)
const batch = fc.record({
  ...{ producer, raise },
  transactional: fc.constantFrom(true, true, false),
  records: fc.integer({ min: 1, max: 3 }),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: kind('append'),
      batches: fc.array(batch, { minLength: 1, maxLength: 3 }),
      write: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: kind('end'), producer, raise },
      control: fc.constantFrom('commit', 'abort', 'abort'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('full'), share: fc.constantFrom(0, 0.5) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('roll', 'flush', 'checkpoint', 'retain', 'reopen'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('cut', 'forget'), share }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('crash'), outcome }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('stop'), at: fc.integer({ min: 1, max: 25 }), outcome }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('fail'),
      operation: fc.constantFrom('open', 'list', 'sync'),
      at: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('damage'),
      suffix: fc.constantFrom('.snapshot', '.txnindex'),
      garble: fc.boolean(),
      nth: fc.nat({ max: 3 }),
    }),
  },
)

export const histories: fc.Arbitrary<History> = fc.record({
  segmentBytes: fc.integer({ min: 900, max: 2500 }),
  indexIntervalBytes: fc.integer({ min: 100, max: 400 }),
  flushMessages: fc.constantFrom(1, 1, Number.MAX_SAFE_INTEGER),
  maxOpenFiles: fc.constantFrom(1, 2, 100),
  steps: fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }),
})
