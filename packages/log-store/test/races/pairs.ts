// Every two calls, at every distance: the second begins so many turns after the first, on the same log
// or the other one.
import type { Call, Ending, History } from './history'

const a = 0
const b = 1

/** What may be under way. */
const first: readonly Call[] = [
  { kind: 'append', log: a, records: 2, wait: 'durable' },
  { kind: 'truncate', log: a, share: 0.625 },
  // Below the start, which has moved to the half.
  { kind: 'truncate', log: a, share: 0.25 },
  { kind: 'advance', log: a, share: 0.75 },
  { kind: 'delete', log: a },
  { kind: 'retain' },
  { kind: 'compact', log: a },
  { kind: 'checkpoint' },
  { kind: 'flush', log: a },
  { kind: 'scrub', log: a },
  { kind: 'follow', log: a, share: 0, durability: 'disk' },
]

/** What comes meanwhile. */
const second: readonly Call[] = [
  ...first,
  { kind: 'open', log: a },
  { kind: 'advance', log: a, share: 0.25 },
  { kind: 'delete', log: b },
  { kind: 'truncate', log: b, share: 0.5 },
  { kind: 'append', log: b, records: 1, wait: 'acknowledged' },
  { kind: 'wait', log: a, beyond: 1, wait: 'written' },
  // Within what the append of two is about to write.
  { kind: 'truncate', log: a, share: 0.95 },
  { kind: 'close' },
]

/** What fails meanwhile, of every few. */
const fails: readonly (Call | undefined)[] = [
  undefined,
  undefined,
  { kind: 'fail', operation: 'rename', path: 'log-start', error: 'ENOSPC', at: 1, times: 1 },
  { kind: 'fail', operation: 'write', path: '.log', error: 'EMFILE', at: 1, times: 1 },
  { kind: 'fail', operation: 'sync', path: '.log', error: 'EIO', at: 1, times: 1 },
]

const endings: readonly Ending[] = [
  { kind: 'close', when: 'settled' },
  { kind: 'close', when: 3 },
  { kind: 'crash', when: 'settled', at: 1, outcome: 'lose-unsynced' },
  { kind: 'crash', when: 'settled', at: 2, outcome: 'lose-unsynced' },
]

const policies: readonly History['policies'][] = [
  ['delete', 'delete'],
  ['compact', 'delete'],
  ['compact,delete', 'compact,delete'],
]

/** The longest of the calls takes about as many turns as the last of them. */
const distances = [...Array(10).keys(), 12, 15, 18, 21, 24, 27, 30, 33, 36, 39]

/** What is not one of the two calls changes from case to case, always in the same way. */
export function* pairs(): Generator<History> {
  let n = 0
  for (const one of first) {
    for (const other of second) {
      for (const turns of distances) {
        n++
        const fail = fails[n % fails.length]
        // Also where nothing fails there is a first step, so that the calls have their numbers.
        const before: Call = fail ?? { kind: 'tick', ms: 10 }
        yield {
          slow: 1 + (n % 3),
          flushMessages: n % 7 === 0 ? 3 : 1,
          maxConcurrentSyncs: 1 + (n % 2),
          maxOpenFiles: n % 11 === 0 ? 3 : 100,
          hotTailBytes: n % 2 === 0 ? 0 : 2000,
          retentionMs: n % 4 === 0 ? 1000 : -1,
          policies: policies[one.kind === 'compact' ? 1 + (n % 2) : n % 3]!,
          startShare: 0.5,
          steps: [
            { turns: 0, call: before },
            { turns: 0, call: one },
            { turns, call: other },
          ],
          ending: endings[Math.floor(n / fails.length) % endings.length]!,
        }
      }
    }
  }
}
