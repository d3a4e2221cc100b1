// What is asked for while other things are under way. Offsets are given as shares of the log and
// distances in turns of the event loop, so that a shortened history still means something.
import fc from 'fast-check'
import type { CleanupPolicy, CrashOutcome, Durability, FileOperation } from '../../src/index'

type Wait = 'acknowledged' | 'durable' | 'written'

export type Call =
  | { readonly kind: 'append'; readonly log: number; readonly records: number; readonly wait: Wait }
  /** For so many offsets behind the end, which may never come. */
  | { readonly kind: 'wait'; readonly log: number; readonly beyond: number; readonly wait: Wait }
  | { readonly kind: 'truncate' | 'advance' | 'read'; readonly log: number; readonly share: number }
  | {
      readonly kind: 'follow'
      readonly log: number
      readonly share: number
      readonly durability: Durability | null
    }
  | {
      readonly kind: 'delete' | 'open' | 'roll' | 'flush' | 'compact' | 'scrub'
      readonly log: number
    }
  | { readonly kind: 'retain' | 'checkpoint' | 'close' }
  | { readonly kind: 'tick'; readonly ms: number }
  /** From now on the disk fails at this. */
  | {
      readonly kind: 'fail'
      readonly operation: FileOperation
      readonly path: string
      readonly error: 'ENOSPC' | 'EMFILE' | 'EIO'
      readonly at: number
      readonly times: number
    }

export interface Step {
  /** After the beginning of the step before. */
  readonly turns: number
  readonly call: Call
}

/** How the life ends that the calls are made in. */
export type Ending =
  /** `settled`: when all calls have ended, and all that they said has been looked at. */
  | { readonly kind: 'close'; readonly when: 'settled' | number }
  /** `when`: so many turns after the last step began. `at`: right when this step's call resolves. */
  | {
      readonly kind: 'crash'
      readonly when: 'settled' | number
      readonly at: number | null
      readonly outcome: CrashOutcome
    }

export interface History {
  /** Turns that the disk takes. */
  readonly slow: number
  readonly flushMessages: number
  readonly maxConcurrentSyncs: number
  readonly maxOpenFiles: number
  readonly hotTailBytes: number
  /** Of each log. */
  readonly policies: readonly CleanupPolicy[]
  /** -1: only what is too much goes; else all records are older than that. */
  readonly retentionMs: number
  /** How much of the first log is forgotten before. */
  readonly startShare: number
  readonly steps: readonly Step[]
  readonly ending: Ending
}

const log = fc.constantFrom(0, 0, 0, 1)
const share = fc.integer({ min: 0, max: 8 }).map((eighths) => eighths / 8)
const wait = fc.constantFrom<Wait>('acknowledged', 'durable', 'written')
const kind = <Kind extends string>(...kinds: Kind[]) => fc.constantFrom(...kinds)

const failures = fc.constantFrom<[FileOperation, string]>(
  ['write', '.log'],
  ['write', 'checkpoint'],
  ['rename', 'checkpoint'],
  ['rename', 'log-start'],
  ['rename', '.log'],
  ['create', '.log'],
  ['create', 'checkpoint'],
  ['open', '.log'],
  ['open', ''],
  ['sync', '.log'],
  ['syncDirectory', ''],
  ['list', ''],
  ['truncate', ''],
)

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('append'),
      log,
      records: fc.integer({ min: 1, max: 3 }),
      wait,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('wait'), log, beyond: fc.integer({ min: 0, max: 2 }), wait }),
  },
  { weight: 5, arbitrary: fc.record({ kind: kind('truncate'), log, share }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('advance'), log, share }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('read'), log, share }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('follow'),
      log,
      share,
      durability: fc.constantFrom<Durability | null>('disk', 'os', null),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kind('delete', 'open'), log }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('roll', 'flush', 'compact', 'scrub'), log }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('retain', 'retain', 'checkpoint', 'close') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('tick'), ms: fc.constantFrom(10, 100, 1100) }) },
  {
    weight: 3,
    arbitrary: fc
      .record({
        failure: failures,
        error: fc.constantFrom<'ENOSPC' | 'EMFILE' | 'EIO'>('ENOSPC', 'ENOSPC', 'EMFILE', 'EIO'),
        at: fc.integer({ min: 1, max: 4 }),
        times: fc.constantFrom(1, 1, 2, 100),
      })
      .map(({ failure: [operation, path], ...rest }) => ({
        kind: 'fail' as const,
        operation,
        path,
        ...rest,
      })),
  },
)

const step: fc.Arbitrary<Step> = fc.record({
  turns: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 40 })),
  call,
})

const when = fc.oneof(fc.constant('settled' as const), fc.integer({ min: 0, max: 40 }))

const ending: fc.Arbitrary<Ending> = fc.oneof(
  fc.record({ kind: kind('close'), when }),
  fc.record({
    kind: kind('crash'),
    when,
    at: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 4 })),
    outcome: fc.constantFrom<CrashOutcome>('lose-unsynced', 'lose-unsynced', 'keep-unsynced'),
  }),
)

const policy = fc.constantFrom<CleanupPolicy>('delete', 'delete', 'compact', 'compact,delete')

export const histories: fc.Arbitrary<History> = fc.record({
  slow: fc.integer({ min: 0, max: 3 }),
  flushMessages: fc.constantFrom(1, 3, Number.MAX_SAFE_INTEGER),
  maxConcurrentSyncs: fc.constantFrom(1, 3),
  maxOpenFiles: fc.constantFrom(100, 3),
  hotTailBytes: fc.constantFrom(0, 2000),
  retentionMs: fc.constantFrom(-1, 1000),
  policies: fc.tuple(policy, policy),
  startShare: fc.constantFrom(0, 0, 0.5, 0.75),
  steps: fc.array(step, { minLength: 1, maxLength: 6, size: 'max' }),
  ending,
})
