import { join } from 'node:path'
import type { CleanedSegment } from './cleaned-segment.js'
import { assert, ioError, StoreError } from './errors.js'
import { cleanedSuffix, segmentFileName, segmentSuffixes, swapSuffix } from './file-names.js'
import { despiteShortage } from './handle-shortage.js'
import type { LogHost } from './log-host.js'
import type { LogTracking } from './log-tracking.js'
import type { SegmentList } from './segment-list.js'
import type { SegmentRemover } from './segment-files.js'
import type { Segment } from './segment.js'

// Order on the disk, each step durable before the next, so that a crash leaves either all of the
// old segments or all of the new one, and opening can tell which (see interrupted-swaps.ts):
//   1. the replacement is complete under `.cleaned` names
//   2. all of its files are renamed to `.swap`          (from here on it counts)
//   3. the old segments are renamed to `.deleted`
//   4. the `.swap` files get their final names, indexes first

interface SwappedLog {
  readonly path: string
  segments: SegmentList
  readonly tracking: LogTracking | undefined
}

export interface Swap {
  readonly cleaned: CleanedSegment
  /** What `cleaned.finish()` answered. */
  readonly segment: Segment
  /** Consecutive segments of the log whose place it takes. */
  readonly group: readonly Segment[]
  readonly remover: SegmentRemover
  readonly fileDeleteDelayMs: number
}

/**
 * Puts a finished replacement into its log, which must have the group as it was read. Readers of
 * the old segments finish undisturbed. Poisons the directory when the disk fails in the middle.
 */
export async function swapSegments(host: LogHost, log: SwappedLog, swap: Swap): Promise<void> {
  const { cleaned, segment, group } = swap
  const at = log.segments.floor(segment.baseOffset)
  const whole = group.every((member, n) => log.segments.at(at + n) === member)
  assert(whole && at + group.length <= log.segments.sealedCount, 'the old segments are still there')
  const path = (suffix: string, ending = '') =>
    join(log.path, segmentFileName(segment.baseOffset, suffix) + ending)
  segment.renamed(cleanedSuffix)
  // While its names change the file stays open.
  host.files.pin(segment.data)
  try {
    await renameToSwap(host, log, cleaned, path)
    segment.renamed(swapSuffix)
    // In memory the replacement holds from here on, for a crash would also find it from here on.
    log.segments = log.segments.replace(at, at + group.length, [segment])
    log.tracking?.forget(group.map(({ baseOffset }) => baseOffset))
    log.tracking?.replaced(segment.baseOffset, cleaned.transactions)
    await finishSwap(host, log, swap, path)
  } finally {
    host.files.unpin(segment.data)
  }
}

type PathOf = (suffix: string, ending?: string) => string

async function finishSwap(host: LogHost, log: SwappedLog, swap: Swap, path: PathOf): Promise<void> {
  const { cleaned, segment, group } = swap
  const { baseOffset } = segment
  try {
    await swap.remover.discardReplaced(group, { baseOffset, delayMs: swap.fileDeleteDelayMs })
    for (const suffix of [...cleaned.suffixes].reverse()) {
      await host.fileSystem.rename(path(suffix, swapSuffix), path(suffix))
      // At once: reads go on when the next step fails, and may have to open it.
      if (suffix === segmentSuffixes.log) segment.renamed('')
    }
    log.tracking?.named()
    await despiteShortage(host, () => host.fileSystem.syncDirectory(log.path))
    segment.releaseIndexes()
  } catch (error) {
    throw host.poison(ioError(error, { action: 'replace segments of', path: log.path }))
  }
}

async function renameToSwap(
  host: LogHost,
  log: SwappedLog,
  cleaned: CleanedSegment,
  path: PathOf,
): Promise<void> {
  const { fileSystem } = host
  try {
    for (const suffix of cleaned.suffixes) {
      await fileSystem.rename(path(suffix, cleanedSuffix), path(suffix, swapSuffix))
    }
    await fileSystem.syncDirectory(log.path)
  } catch (error) {
    const failure = ioError(error, { action: 'rename a cleaned segment of', path: log.path })
    try {
      await takeBack(host, log, cleaned, path)
    } catch (cause) {
      // Left behind it would replace, at the next opening, what the log has become by then.
      const message = `cannot take back a cleaned segment of ${log.path}`
      throw host.poison(new StoreError('KFK_STORE_IO', message, { cause }))
    }
    throw failure
  }
}

async function takeBack(
  host: LogHost,
  log: SwappedLog,
  cleaned: CleanedSegment,
  path: PathOf,
): Promise<void> {
  for (const suffix of cleaned.suffixes) await host.fileSystem.remove(path(suffix, swapSuffix))
  await cleaned.discard()
  await despiteShortage(host, () => host.fileSystem.syncDirectory(log.path))
}
