import { join } from 'node:path'
import { StoreError } from './errors.js'
import {
  cleanedSuffix,
  deletedSuffix,
  parseSegmentFileName,
  segmentFileName,
  segmentSuffixes,
  swapSuffix,
} from './file-names.js'
import type { LogHost } from './log-host.js'
import { gapsEverywhere, OffsetGaps, readOffsetGaps } from './offset-gaps.js'
import { syncNames } from './recovery-sync.js'
import { scanBatches } from './segment-scan.js'

// What a stop in the middle of a compaction leaves behind, ours (segment-swap.ts) or Kafka's, whose
// names and order are the same:
//   `.cleaned`  not complete: the old segments hold
//   `.swap`     complete: it holds, and the old segments that are still there go
// While a replacement is being renamed from `.cleaned` to `.swap`, one file at a time, it has both;
// then it is not complete, and no old segment has been touched.

/** A file of a replacement, under a passing name. */
interface PassingFile {
  readonly name: string
  readonly baseOffset: number
  /** `.log`, `.index` ... */
  readonly suffix: string
}

/** The names with one ending, without it. */
function passing(names: readonly string[], ending: string): PassingFile[] {
  const found: PassingFile[] = []
  for (const name of names) {
    if (!name.endsWith(ending)) continue
    const parsed = parseSegmentFileName(name.slice(0, -ending.length))
    if (parsed !== undefined) found.push({ name, ...parsed })
  }
  return found
}

/**
 * Finishes or takes back replacements that a stop interrupted. Answers the names that are in the
 * log's directory then. Throws KFK_STORE_CORRUPT when a replacement that counts is damaged.
 */
export async function settleSwaps(
  host: LogHost,
  directory: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const cleaned = names.filter((name) => name.endsWith(cleanedSuffix))
  const swaps = passing(names, swapSuffix)
  if (cleaned.length === 0 && swaps.length === 0) return names
  const present = new Set(names)
  const lowest = Math.min(...passing(cleaned, cleanedSuffix).map((file) => file.baseOffset))
  const { log } = segmentSuffixes
  const incomplete = (file: PassingFile) =>
    // Where the old segment is gone already, nothing else holds its records.
    file.baseOffset >= lowest && present.has(segmentFileName(file.baseOffset, log))
  const settling = { host, directory, present }
  await remove(settling, [
    ...swaps.filter(incomplete).map(({ name }) => name),
    // Last: as long as there is one of them, the next opening comes to the same end.
    ...cleaned,
  ])
  const complete = swaps.filter((file) => !incomplete(file))
  const bases = new Set(complete.map((file) => file.baseOffset))
  for (const baseOffset of [...bases].sort((a, b) => b - a)) {
    const files = complete.filter((file) => file.baseOffset === baseOffset)
    await finish(settling, baseOffset, files)
  }
  return [...present]
}

interface Settling {
  readonly host: LogHost
  readonly directory: string
  /** Names in the directory, as they are now. */
  readonly present: Set<string>
}

async function remove(settling: Settling, names: readonly string[]): Promise<void> {
  const { host, directory, present } = settling
  if (names.length === 0) return
  for (const name of names) {
    const path = join(directory, name)
    await host.fileSystem.remove(path)
    present.delete(name)
    const message = `removed ${path}, left by interrupted work`
    host.report({ kind: 'leftover-removed', message, details: { path } })
  }
  await syncNames(host, directory)
}

/** Puts the complete replacement with one base offset in its place. */
async function finish(
  settling: Settling,
  baseOffset: number,
  files: readonly PassingFile[],
): Promise<void> {
  const { host, directory, present } = settling
  const { log } = segmentSuffixes
  const data = files.find(({ suffix }) => suffix === log)
  const logName = segmentFileName(baseOffset, log)
  if (data === undefined && !present.has(logName)) {
    // Indexes of nothing.
    await remove(
      settling,
      files.map(({ name }) => name),
    )
    return
  }
  if (data !== undefined) {
    const endOffset = await endOf(host, join(directory, data.name), baseOffset)
    await raiseGaps(host, directory, endOffset)
    const covered = [...present].filter((name) => isCovered(name, baseOffset, endOffset))
    await remove(settling, covered)
  }
  // The data last: as long as it is not there, the next opening comes by here again.
  const ordered = [...files].sort((a, b) => Number(a.suffix === log) - Number(b.suffix === log))
  for (const { name, suffix } of ordered) {
    const final = segmentFileName(baseOffset, suffix)
    await host.fileSystem.rename(join(directory, name), join(directory, final))
    present.delete(name)
    present.add(final)
  }
  await syncNames(host, directory)
  const path = join(directory, logName)
  const message = `finished the interrupted compaction of ${path}`
  host.report({ kind: 'compaction-finished', message, details: { path } })
}

/**
 * The file belongs to a segment that is replaced by one with these offsets. Snapshots at its base
 * offset stay true.
 */
function isCovered(name: string, baseOffset: number, endOffset: number): boolean {
  const old = parseSegmentFileName(name.replace(/^kfk\./, ''))
  if (old === undefined || name.endsWith(swapSuffix) || name.endsWith(deletedSuffix)) return false
  if (old.baseOffset === baseOffset) return !old.suffix.startsWith(segmentSuffixes.producerSnapshot)
  return old.baseOffset > baseOffset && old.baseOffset < endOffset
}

/** Kafka notes no gaps. An unreadable note is for the loader to report. */
async function raiseGaps(host: LogHost, directory: string, endOffset: number): Promise<void> {
  const { fileSystem } = host
  const before = await readOffsetGaps(fileSystem, directory).catch(() => gapsEverywhere)
  const gaps = new OffsetGaps(fileSystem, directory, before)
  gaps.raise(endOffset)
  await gaps.save()
}

/** Offset after the last batch of a replacement, all of which must be sound. */
async function endOf(host: LogHost, path: string, baseOffset: number): Promise<number> {
  const handle = host.fileSystem.open(path, 'read')
  try {
    const scanned = await scanBatches({
      format: host.format,
      handle,
      from: 0,
      to: handle.size(),
      expectedOffset: baseOffset,
      gapsBelow: gapsEverywhere,
      verify: true,
    })
    if (scanned.problem === undefined) return scanned.nextOffset
    const { position, problem: reason } = scanned
    throw new StoreError('KFK_STORE_CORRUPT', `${path} at byte ${position}: ${reason}`, {
      details: { path, position, reason },
    })
  } finally {
    handle.close()
  }
}
