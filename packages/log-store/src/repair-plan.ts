import { join } from 'node:path'
import type { BatchFormat } from './batch-format.js'
import { parseSegmentFileName, segmentFileName, segmentSuffixes } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'
import { decodeOffsetIndex, offsetIndexName, type OffsetIndex } from './offset-index.js'
import { readWholeFile } from './checkpoint-file.js'
import { scanForRepair } from './repair-scan.js'
import type { MissingOffsets, RepairScan } from './repair-selector.js'
import { IndexBuilder } from './segment-scan.js'
import { setAsidePath } from './set-aside.js'
import { decodeTimeIndex, timeIndexName } from './time-index.js'

/** One segment and what is to be done with it. */
export interface SegmentPlan {
  readonly baseOffset: number
  readonly path: string
  readonly sizeBytes: number
  readonly scan: RepairScan
  /** Where the bytes of `scan.bad` will be kept. */
  readonly asides: readonly string[]
  /** An index file is missing or says something that is not so. */
  readonly indexesWrong: boolean
  /** The indexes of what is kept. */
  readonly indexes: IndexBuilder
}

/** Offsets that are gone for good, or were never there: nobody can tell after compaction. */
export interface LostOffsets extends MissingOffsets {
  /** Compaction may have removed them before. */
  readonly maybe: boolean
}

/** What is to be done with a log. */
export interface RepairPlan {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly segments: readonly SegmentPlan[]
  readonly lost: readonly LostOffsets[]
  readonly logEndOffset: number
  readonly recoveryPoint: number
  readonly gapsBelow: number
  /** `kfk.quarantine` names places. */
  readonly noted: boolean
  /** Only one segment was looked at. */
  readonly partial: boolean
  readonly indexIntervalBytes: number
}

export interface PlanRequest {
  readonly fileSystem: FileSystem
  readonly format: BatchFormat
  readonly directory: string
  readonly gapsBelow: number
  readonly indexIntervalBytes: number
  readonly signal?: AbortSignal | undefined
}

/** Base offsets of the segments in a log's directory, in order. */
export async function listSegments(fileSystem: FileSystem, directory: string): Promise<number[]> {
  const bases: number[] = []
  for (const { name, isDirectory } of await fileSystem.list(directory)) {
    const parsed = isDirectory ? undefined : parseSegmentFileName(name)
    if (parsed?.suffix === segmentSuffixes.log) bases.push(parsed.baseOffset)
  }
  return bases.sort((a, b) => a - b)
}

/** Reads a segment whole. `limitOffset`: base of the next one. Changes nothing. */
export async function planSegment(
  request: PlanRequest,
  baseOffset: number,
  limitOffset: number,
): Promise<SegmentPlan> {
  const { fileSystem, format, directory, gapsBelow, signal } = request
  const path = join(directory, segmentFileName(baseOffset, segmentSuffixes.log))
  const handle = fileSystem.open(path, 'read')
  try {
    const sizeBytes = handle.size()
    const indexes = new IndexBuilder(baseOffset, request.indexIntervalBytes)
    const files = await readIndexFiles(request, baseOffset, sizeBytes)
    const check = new IndexCheck(files, baseOffset)
    let keptBytes = 0
    const scan = await scanForRepair({
      format,
      handle,
      sizeBytes,
      baseOffset,
      limitOffset,
      gapsBelow,
      signal,
      onBatch(batch, position) {
        // Where it will be: what is kept moves together.
        indexes.add(batch, keptBytes)
        keptBytes += batch.sizeInBytes
        check.take(batch, position)
      },
    })
    const asides: string[] = []
    for (const { from, to } of scan.bad) {
      const bytes = { directory, baseOffset, source: handle, from, to }
      asides.push(await setAsidePath(fileSystem, bytes))
    }
    return { baseOffset, path, sizeBytes, scan, asides, indexes, indexesWrong: check.wrong }
  } finally {
    handle.close()
  }
}

interface IndexFiles {
  readonly offsets: OffsetIndex | undefined
  readonly times: ReturnType<typeof decodeTimeIndex>
}

async function readIndexFiles(
  { fileSystem, directory }: PlanRequest,
  baseOffset: number,
  sizeBytes: number,
): Promise<IndexFiles> {
  const offsets = await readWholeFile(fileSystem, join(directory, offsetIndexName(baseOffset)))
  const times = await readWholeFile(fileSystem, join(directory, timeIndexName(baseOffset)))
  return {
    offsets: offsets && decodeOffsetIndex(offsets, sizeBytes),
    times: times && decodeTimeIndex(times),
  }
}

/** Compares the entries of index files with the batches as they come. */
class IndexCheck {
  readonly #files: IndexFiles
  readonly #baseOffset: number
  #wrong: boolean
  #offsetEntry = 0
  #timeEntry = 0

  constructor(files: IndexFiles, baseOffset: number) {
    this.#files = files
    this.#baseOffset = baseOffset
    this.#wrong = files.offsets === undefined || files.times === undefined
  }

  get wrong(): boolean {
    const { offsets, times } = this.#files
    // Entries that no batch has answered to.
    return this.#wrong || this.#offsetEntry < offsets!.count || this.#timeEntry < times!.count
  }

  take(batch: { lastOffset: number; maxTimestamp: number }, position: number): void {
    const { offsets, times } = this.#files
    if (offsets === undefined || times === undefined) return
    const relativeOffset = batch.lastOffset - this.#baseOffset
    const at = this.#offsetEntry
    if (at < offsets.count && offsets.positionAt(at) <= position) {
      const right =
        offsets.positionAt(at) === position && offsets.relativeOffsetAt(at) === relativeOffset
      if (!right) this.#wrong = true
      this.#offsetEntry++
    }
    const time = this.#timeEntry
    if (time < times.count && times.relativeOffsetAt(time) <= relativeOffset) {
      const right =
        times.relativeOffsetAt(time) === relativeOffset &&
        times.timestampAt(time) === batch.maxTimestamp
      if (!right) this.#wrong = true
      this.#timeEntry++
    }
  }
}
