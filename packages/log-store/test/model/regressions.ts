// Histories that once failed, as short as they could be made.
import type { Operation } from './operations'

const append = { kind: 'append', log: 0, wait: 'acknowledged', newEpoch: false } as const
const one = [[{ timestamp: 1000, key: null, bytes: null }]]
const outOfSpace = { kind: 'fail', error: 'ENOSPC', at: 1, times: 1, partialWrite: null } as const

export const regressions: readonly { what: string; operations: readonly Operation[] }[] = [
  {
    what: 'a follower ended when an append was taken back for want of room',
    operations: [
      { kind: 'follow', log: 0, share: 0, durability: null },
      { ...outOfSpace, operation: 'write' },
      { kind: 'replicate', log: 0, batches: one, gap: 0 },
      { kind: 'wait', ms: 1 },
    ],
  },
  {
    what: 'what compaction had removed was still read from memory',
    operations: [
      { kind: 'retain', log: 1, retentionBytes: 0, retentionMs: -1, cleanupPolicy: 'delete' },
      { ...append, log: 1, batches: one },
      { kind: 'compact', log: 1, all: true, deleteRetentionMs: 0 },
    ],
  },
  {
    what: 'no room for the note of offset gaps: not an error of the store',
    operations: [
      { ...append, batches: one },
      { ...outOfSpace, operation: 'write', at: 9 },
      { kind: 'compact', log: 0, all: true, deleteRetentionMs: 0 },
    ],
  },
  {
    what: 'the recovery point lay below the log start after a cut that had failed',
    operations: [
      { kind: 'replicate', log: 2, batches: one, gap: 0 },
      { kind: 'deleteBefore', log: 2, share: 0.5 },
      { ...outOfSpace, operation: 'write' },
      { kind: 'truncate', log: 2, share: 0 },
    ],
  },
  {
    what: 'a replacement whose renames had failed could not be opened again',
    operations: [
      {
        kind: 'configure',
        log: 2,
        segmentBytes: 570,
        flushMessages: 1,
        flushMs: 5,
        segmentMs: 30,
        cleanupPolicy: 'delete',
        deleteRetentionMs: 0,
      },
      { ...append, log: 2, batches: [[{ timestamp: 1000, key: 'c', bytes: null }]] },
      { ...append, batches: one },
      { kind: 'replicate', log: 1, batches: one, gap: 0 },
      { kind: 'compact', log: 0, all: false, deleteRetentionMs: 0 },
      { ...append, log: 2, batches: [[{ timestamp: 1031, key: null, bytes: null }], ...one] },
      { ...outOfSpace, operation: 'rename', at: 7 },
      { kind: 'compact', log: 2, all: false, deleteRetentionMs: 10 },
      { kind: 'truncate', log: 0, share: 0.75 },
    ],
  },
  {
    what: 'a log inherited the recovery point of a deleted one that a full disk had kept',
    operations: [
      { kind: 'replicate', log: 0, batches: one, gap: 0 },
      { kind: 'compact', log: 0, all: false, deleteRetentionMs: 0 },
      { ...outOfSpace, operation: 'write' },
      { kind: 'delete', log: 0 },
      { kind: 'follow', log: 0, share: 0, durability: 'disk' },
      { kind: 'crashSoon', mutation: 13, outcome: 'lose-unsynced' },
      { kind: 'wait', ms: 1 },
    ],
  },
  {
    what: 'a cut that had failed half way left what was to go for reads to stumble over',
    operations: [
      { kind: 'replicate', log: 1, batches: one, gap: 0 },
      { kind: 'compact', log: 1, all: true, deleteRetentionMs: 0 },
      { ...append, log: 1, batches: [[...one[0]!, ...one[0]!]] },
      { kind: 'reopen', repair: false },
      { ...outOfSpace, operation: 'truncate', at: 2 },
      { kind: 'truncate', log: 1, share: 0.5 },
      { kind: 'wait', ms: 1 },
    ],
  },
  {
    what: 'after a cut that had failed half way searches by time found nothing',
    operations: [
      { ...append, batches: [[{ timestamp: 1021, key: null, bytes: null }, ...one[0]!], ...one] },
      { ...outOfSpace, operation: 'truncate' },
      { kind: 'truncate', log: 0, share: 0.875 },
    ],
  },
  {
    what: 'a cut that had failed before the file was cut left what was to go for searches to find',
    operations: [
      { ...append, batches: one },
      { ...append, log: 1, batches: one },
      { ...outOfSpace, operation: 'syncDirectory', at: 9 },
      { kind: 'truncate', log: 0, share: 0 },
    ],
  },
  {
    what: 'what was appended after a cut below the log start was lost when its end had failed',
    operations: [
      { ...append, log: 1, batches: one },
      { kind: 'deleteBefore', log: 1, share: 1 },
      { kind: 'compact', log: 0, all: false, deleteRetentionMs: 10 },
      { ...outOfSpace, operation: 'create', at: 3 },
      { kind: 'truncate', log: 1, share: 0.375 },
      { ...append, log: 1, batches: one },
      { kind: 'crashSoon', mutation: 12, outcome: 'lose-unsynced' },
    ],
  },
  {
    what: 'a start that had been refused was taken for durable once more was appended',
    operations: [
      { ...append, log: 2, batches: one },
      { ...outOfSpace, operation: 'open' },
      { kind: 'deleteBefore', log: 2, share: 0.5 },
      { kind: 'replicate', log: 2, batches: one, gap: 1 },
      { kind: 'crash', outcome: 'lose-unsynced' },
      { ...append, batches: one },
    ],
  },
]
