// Histories of calls at the same time that once failed, as short as they could be made.
import type { Call, Ending, History, Step } from './history'

const usual = {
  slow: 1,
  flushMessages: 1,
  maxConcurrentSyncs: 3,
  maxOpenFiles: 100,
  hotTailBytes: 0,
  policies: ['delete', 'delete'],
  retentionMs: -1,
  startShare: 0,
} as const

const settled: Ending = { kind: 'close', when: 'settled' }
const once = { kind: 'fail', at: 1, times: 1 } as const

const at = (turns: number, call: Call): Step => ({ turns, call })

interface Regression {
  readonly what: string
  readonly history: History
}

function regression(
  what: string,
  steps: readonly Step[],
  other: Partial<History> = {},
): Regression {
  return { what, history: { ...usual, steps, ending: settled, ...other } }
}

export const regressions: readonly Regression[] = [
  regression('a log that was opened while it was deleted', [
    at(0, { kind: 'delete', log: 0 }),
    at(1, { kind: 'open', log: 0 }),
  ]),
  regression('a start that was put back to where retention had deleted', [
    at(0, { ...once, operation: 'rename', path: 'log-start', error: 'ENOSPC' }),
    at(0, { kind: 'advance', log: 0, share: 0.75 }),
    at(0, { kind: 'retain' }),
  ]),
  regression(
    'a start that was put back came with the next crash',
    [
      at(0, { ...once, operation: 'rename', path: 'recovery-point', error: 'ENOSPC' }),
      at(0, { kind: 'advance', log: 0, share: 0.75 }),
    ],
    { ending: { kind: 'crash', when: 'settled', at: null, outcome: 'lose-unsynced' } },
  ),
  regression(
    'a cut below the start failed because another log was deleted',
    [
      at(0, { kind: 'truncate', log: 0, share: 0.25 }),
      at(0, { kind: 'append', log: 1, records: 1, wait: 'acknowledged' }),
      at(0, { kind: 'delete', log: 1 }),
    ],
    { startShare: 0.5 },
  ),
  regression(
    'a cut below the start poisoned because the log was deleted',
    [at(0, { kind: 'truncate', log: 0, share: 0.25 }), at(0, { kind: 'delete', log: 0 })],
    { startShare: 0.5 },
  ),
  regression(
    'segments were removed after the close',
    [at(0, { kind: 'advance', log: 0, share: 0.75 })],
    { ending: { kind: 'close', when: 0 } },
  ),
  regression('a follower ended with an append that was taken back for want of handles', [
    at(0, { kind: 'follow', log: 0, share: 0, durability: 'os' }),
    at(10, { ...once, operation: 'write', path: '.log', error: 'EMFILE' }),
    at(0, { kind: 'append', log: 0, records: 1, wait: 'written' }),
  ]),
  regression('a wait for a log that was deleted while it was cut did not end', [
    at(0, { kind: 'truncate', log: 0, share: 0.625 }),
    at(0, { kind: 'delete', log: 0 }),
    at(5, { kind: 'wait', log: 0, beyond: 1, wait: 'written' }),
  ]),
  regression('two deletions of a log at once', [
    at(0, { kind: 'delete', log: 0 }),
    at(0, { kind: 'delete', log: 0 }),
  ]),
  regression('a log that was opened anew between its deletions', [
    at(0, { kind: 'delete', log: 0 }),
    at(0, { kind: 'open', log: 0 }),
    at(0, { kind: 'delete', log: 0 }),
  ]),
  regression('a cut within what was taken back meanwhile answered another end', [
    at(0, { ...once, operation: 'write', path: '.log', error: 'ENOSPC' }),
    at(0, { kind: 'append', log: 0, records: 3, wait: 'written' }),
    at(0, { kind: 'truncate', log: 0, share: 0.95 }),
  ]),
  regression(
    'two checkpoints were written at once',
    [
      at(1, { kind: 'advance', log: 0, share: 0.875 }),
      at(9, { kind: 'advance', log: 1, share: 0.75 }),
      at(1, { kind: 'open', log: 0 }),
    ],
    {
      flushMessages: 3,
      maxOpenFiles: 3,
      policies: ['compact', 'compact,delete'],
      startShare: 0.5,
    },
  ),
  regression(
    'a start that two had failed to move was taken for durable',
    [
      at(0, { ...once, operation: 'rename', path: 'log-start', error: 'EMFILE', times: 2 }),
      at(0, { kind: 'advance', log: 0, share: 0.25 }),
      at(0, { kind: 'advance', log: 0, share: 0.5 }),
      at(400, { kind: 'advance', log: 0, share: 0 }),
    ],
    { ending: { kind: 'crash', when: 'settled', at: 3, outcome: 'lose-unsynced' } },
  ),
  regression(
    'a cut to where another was about to be durable was so at once',
    [
      at(0, { kind: 'truncate', log: 0, share: 0.625 }),
      at(51, { kind: 'truncate', log: 0, share: 1 }),
    ],
    { ending: { kind: 'crash', when: 'settled', at: 1, outcome: 'lose-unsynced' } },
  ),
]
