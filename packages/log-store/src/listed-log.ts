import { join } from 'node:path'
import { EpochIndex } from './epoch-index.js'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'
import type { ListedLog } from './log-list.js'
import type { LogTracking } from './log-tracking.js'
import { gapsEverywhere, type OffsetGaps } from './offset-gaps.js'
import type { SegmentList } from './segment-list.js'

/** When something in a log's directory was last changed, as its entry in the list has it. */
export interface LogDates {
  readonly directoryMs: number
  readonly fileMs: number
  /** Size of the active segment. */
  readonly sizeBytes: number
}

/** Undefined when the directory or the active segment is gone. */
export async function readDates(
  fileSystem: FileSystem,
  path: string,
  activeBase: number,
): Promise<LogDates | undefined> {
  const file = join(path, segmentFileName(activeBase, segmentSuffixes.log))
  const [directory, active] = await Promise.all([fileSystem.stat(path), fileSystem.stat(file)])
  if (directory === undefined || active === undefined) return undefined
  const { modifiedMs: directoryMs } = directory
  return { directoryMs, fileMs: active.modifiedMs, sizeBytes: active.sizeBytes }
}

/**
 * Whether nobody has touched the log since its entry was made: another program, a restore, a
 * person. Names and the active segment are looked at; whoever changes other bytes in place and
 * leaves no trace in either is not noticed here, nor would a listing notice.
 */
export async function isUntouched(
  fileSystem: FileSystem,
  path: string,
  listed: ListedLog,
): Promise<boolean> {
  const { active, directoryMs, fileMs } = listed
  const dates = await readDates(fileSystem, path, active.baseOffset)
  return (
    dates?.directoryMs === directoryMs &&
    dates.fileMs === fileMs &&
    dates.sizeBytes === active.sizeBytes
  )
}

/** The state of a log that goes into its entry. */
interface DescribedLog {
  readonly name: string
  readonly path: string
  readonly segments: SegmentList
  readonly logStartOffset: number
  readonly writtenOffset: number
  readonly epochs: EpochIndex
  readonly offsetGaps: OffsetGaps
  readonly tracking: LogTracking | undefined
  readonly truncations: number
}

/** The entry of a log that has been closed; undefined when its directory has to be listed. */
export async function describeLog(
  fileSystem: FileSystem,
  log: DescribedLog,
  known: LogDates | undefined,
): Promise<ListedLog | undefined> {
  const { name, path, segments, writtenOffset, epochs, offsetGaps, tracking } = log
  const active = segments.active.appendFacts()
  if (active === undefined) return undefined
  const dates = known ?? (await readDates(fileSystem, path, active.baseOffset))
  if (dates?.sizeBytes !== active.sizeBytes) return undefined
  const { directoryMs, fileMs } = dates
  return {
    ...{ name, directoryMs, fileMs, active },
    logStartOffset: log.logStartOffset,
    logEndOffset: writtenOffset,
    gapsBelow: offsetGaps.bound === gapsEverywhere ? undefined : offsetGaps.bound,
    newestSnapshot: tracking?.newestSnapshot,
    indexed: tracking?.indexed ?? [],
    epochs: epochs.entries,
    sealed: segments.packSealed(),
  }
}

/** What tells whether an open log still is as its entry says. */
export class UnchangedLog implements LogDates {
  readonly directoryMs: number
  readonly fileMs: number
  readonly sizeBytes: number
  readonly #segments: SegmentList
  readonly #endOffset: number
  readonly #epochChanges: number
  readonly #newestSnapshot: number | undefined

  /** `log` has just been opened. */
  constructor(log: DescribedLog, dates: LogDates) {
    this.directoryMs = dates.directoryMs
    this.fileMs = dates.fileMs
    this.sizeBytes = dates.sizeBytes
    this.#segments = log.segments
    this.#endOffset = log.writtenOffset
    this.#epochChanges = log.epochs.changes
    this.#newestSnapshot = log.tracking?.newestSnapshot
  }

  /** Nothing has come that would have to be saved. */
  holds(log: DescribedLog): boolean {
    return (
      log.segments === this.#segments &&
      log.writtenOffset === this.#endOffset &&
      log.epochs.changes === this.#epochChanges &&
      !log.segments.active.indexesDirty &&
      !log.offsetGaps.unsaved &&
      log.tracking?.newestSnapshot === this.#newestSnapshot &&
      log.tracking?.isSaved !== false &&
      log.truncations === 0
    )
  }
}
