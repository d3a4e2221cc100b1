// The workloads that the crash explorer goes through in CI.
import * as cuts from './crash-cut-work'
import * as keyed from './crash-keyed-work'
import type { CrashWorkload } from './crash-workload'
import * as work from './crash-workload'

/** Every append is acknowledged by its sync. */
export const syncedWorkload: CrashWorkload = {
  name: 'acknowledged by syncs',
  options: {
    defaults: {
      segmentBytes: 220,
      indexIntervalBytes: 60,
      fileDeleteDelayMs: 10,
      retentionMs: -1,
    },
  },
  steps: [
    work.append('a-0', 3, 1),
    work.append('b-0', 2, 1),
    work.stream('a-0', 4, 2),
    work.checkpoint,
    work.append('a-0', 5, 3),
    work.interleave(['a-0', 'b-0', 'c-1'], 3, 4),
    work.advanceStart('a-0', 4),
    work.truncate('a-0', 6),
    work.append('a-0', 4, 6),
    work.restart,
    work.append('a-0', 7, 7),
    work.interleave(['c-1', 'a-0', 'b-0'], 2, 8),
    work.rollWhileSyncing('a-0', 9),
    work.retain('a-0', 300),
    work.remove('b-0'),
    work.stream('c-1', 6, 10),
    work.append('b-0', 3, 8),
    work.retain('c-1', 200),
    work.interleave(['b-0', 'c-1', 'a-0'], 4, 11),
    work.truncateWhileFlushing('c-1', 1),
    work.advanceStart('c-1', 4),
    work.stream('c-1', 4, 13),
    cuts.whileFollowed('a-0', 2, cuts.truncateAndAppend('a-0', 2, 12)),
    cuts.truncateWhileAdvancing('a-0', 2, 3),
    work.restart,
    work.interleave(['a-0', 'b-0', 'c-1'], 3, 14),
  ],
}

/**
 * Logs that are compacted, also when they have been before, cut or shortened, or are shortened too;
 * tombstones go when their time is over.
 */
export const compactedWorkload: CrashWorkload = {
  name: 'compacted',
  options: {
    checkpointMs: 0,
    cleaner: { intervalMs: 0, dedupeBufferBytes: 300 },
    defaults: {
      segmentBytes: 300,
      indexIntervalBytes: 60,
      fileDeleteDelayMs: 10,
      retentionMs: -1,
      deleteRetentionMs: 1_000_000_000,
    },
  },
  steps: [
    keyed.put('a-0', 12, 3, 1),
    keyed.compact('a-0'),
    keyed.put('a-0', 8, 5, 2),
    keyed.put('b-0', 6, 2, 2),
    keyed.compact('a-0'),
    work.truncate('a-0', 5),
    keyed.put('a-0', 9, 4, 3),
    keyed.compact('a-0'),
    work.restart,
    keyed.put('b-0', 9, 3, 3),
    work.roll('b-0'),
    keyed.compact('b-0'),
    work.truncate('b-0', 4),
    keyed.put('b-0', 7, 2, 4),
    work.advanceStart('b-0', 3),
    keyed.compact('b-0'),
    work.retain('a-0', 300),
    keyed.compact('a-0'),
    keyed.put('a-0', 3, 2, 5),
    keyed.bury('b-0', ['k1', 'k2'], 5),
    keyed.compact('b-0'),
    keyed.put('b-0', 5, 2, 6),
    keyed.compact('b-0'),
    keyed.compactLater('b-0'),
    keyed.put('b-0', 12, 12, 6),
    keyed.compactAndRetain('b-0', 200),
    keyed.put('b-0', 3, 3, 6),
  ],
}

/**
 * The sync is left to the system for a while, so that much is unsynced at any time, in several files.
 */
export const unsyncedWorkload: CrashWorkload = {
  name: 'acknowledged by writes',
  options: {
    checkpointMs: 50,
    defaults: {
      flushMessages: 6,
      segmentBytes: 260,
      indexIntervalBytes: 60,
      fileDeleteDelayMs: 30,
      retentionMs: -1,
    },
  },
  steps: [
    work.append('a-0', 3, 1),
    work.append('b-0', 2, 1),
    work.stream('a-0', 4, 2),
    work.append('a-0', 5, 3),
    work.append('b-0', 5, 3),
    work.checkpoint,
    work.interleave(['a-0', 'b-0'], 3, 4),
    work.roll('b-0'),
    work.append('b-0', 2, 5),
    work.append('a-0', 2, 5),
    work.advanceStart('a-0', 4),
    work.truncate('a-0', 6),
    work.append('a-0', 4, 6),
    work.truncateWhileFlushing('b-0', 2),
    work.append('a-0', 2, 6),
    work.restart,
    work.append('a-0', 7, 7),
    work.append('b-0', 7, 7),
    work.rollWhileSyncing('a-0', 7),
    work.retain('a-0', 300),
    work.append('b-0', 3, 8),
    work.flush('b-0'),
    work.retain('b-0', 200),
    work.append('b-0', 3, 8),
    work.remove('a-0'),
    work.append('a-0', 3, 9),
    cuts.whileFollowed('b-0', 2, cuts.truncateAndAppend('b-0', 2, 9)),
    cuts.truncateWhileAdvancing('b-0', 1, 2),
    work.interleave(['a-0', 'b-0'], 2, 10),
  ],
}

export const workloads = {
  synced: syncedWorkload,
  unsynced: unsyncedWorkload,
  compacted: compactedWorkload,
}
