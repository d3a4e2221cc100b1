import { basename, dirname, join } from 'node:path'
import type { BatchFormat } from './batch-format.js'
import { readCheckpoint, encodeOffsets } from './checkpoint-file.js'
import { CleanShutdown } from './clean-shutdown.js'
import { systemClock } from './clock.js'
import { errnoOf, explained, ioError, StoreError } from './errors.js'
import {
  cleanedSuffix,
  fileNames,
  parseLogName,
  parseSegmentFileName,
  segmentSuffixes,
  swapSuffix,
} from './file-names.js'
import { frameFormat } from './frame-format.js'
import type { FileSystem } from './fs/file-system.js'
import { nodeFileSystem } from './fs/node-file-system.js'
import { gapsEverywhere, readOffsetGaps } from './offset-gaps.js'
import { readQuarantine } from './quarantine.js'
import { RecoveryNotes } from './recovery-notes.js'
import { applyRepair } from './repair-apply.js'
import {
  listSegments,
  type LostOffsets,
  planSegment,
  type PlanRequest,
  type RepairPlan,
  type SegmentPlan,
} from './repair-plan.js'

export interface RepairOptions {
  /** Default: the machine's disks. */
  readonly fileSystem?: FileSystem
  /** Default: the frame format. */
  readonly format?: BatchFormat
  /** Say what would be done, and change nothing. */
  readonly dryRun?: boolean
  /**
   * The log is compacted, so offsets may be missing between batches; else that is a loss, but below
   * the bound that the log's directory names.
   */
  readonly offsetGaps?: boolean
  /** For the indexes that are built anew [index.interval.bytes]. Default 4096. */
  readonly indexIntervalBytes?: number
  readonly signal?: AbortSignal
}

/** A stretch of bytes that was, or would be, taken out of a segment. */
export interface RepairCut {
  readonly path: string
  readonly position: number
  readonly bytes: number
  readonly reason: string
  /** Where the bytes are kept. */
  readonly setAside: string
}

export interface RepairReport {
  /** Directory of the log. */
  readonly path: string
  readonly dryRun: boolean
  /** There was nothing to repair. */
  readonly sound: boolean
  readonly segments: number
  readonly batches: number
  readonly cuts: readonly RepairCut[]
  readonly lost: readonly LostOffsets[]
  /** Segments whose indexes were built anew. */
  readonly reindexed: readonly string[]
  /** Offset that the next append gets. */
  readonly logEndOffset: number
  /** All below had been synced before. */
  readonly recoveryPoint: number
}

/**
 * Repairs the log in a directory: keeps every valid batch, also behind damage, and leaves nothing
 * that is not valid. Bytes that are taken out are first set aside, durably, in
 * `kfk.quarantine.<position>.<base>.log.cut`, or `.log.2.cut` and so on when other bytes are kept
 * there already. Offsets that are lost are not given out again: the log goes on where it had been
 * synced. Nothing may have the directory open. A crash in the middle does no harm: run it again.
 * Throws KFK_STORE_LOCKED, _NOT_FOUND, _INVALID_ARGUMENT, _IO, _NO_SPACE.
 */
export function repairLog(path: string, options: RepairOptions = {}): Promise<RepairReport> {
  return repair(path, undefined, options)
}

/** The same for one `.log` file; its neighbours are not looked at. */
export function repairSegment(path: string, options: RepairOptions = {}): Promise<RepairReport> {
  const parsed = parseSegmentFileName(basename(path))
  if (parsed?.suffix !== segmentSuffixes.log) {
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `${path} is not named like a segment`)
  }
  return repair(dirname(path), parsed.baseOffset, options)
}

async function repair(
  directory: string,
  only: number | undefined,
  options: RepairOptions,
): Promise<RepairReport> {
  const fileSystem = options.fileSystem ?? nodeFileSystem
  // Before the lock, too: it leaves files behind where there is no log.
  await segmentsOf(fileSystem, directory)
  const data = dirname(directory)
  const lock = await explained({ action: 'lock', path: data }, () => fileSystem.lock(data))
  try {
    return await repairLocked(directory, only, options)
  } finally {
    await lock.release()
  }
}

/**
 * `repairLog`, or `repairSegment` when `only` is a base offset, for who has locked the directory
 * above.
 */
export async function repairLocked(
  directory: string,
  only: number | undefined,
  options: RepairOptions,
): Promise<RepairReport> {
  const fileSystem = options.fileSystem ?? nodeFileSystem
  const bases = await segmentsOf(fileSystem, directory)
  if (only !== undefined && !bases.includes(only)) {
    throw new StoreError('KFK_STORE_NOT_FOUND', `there is no segment ${only} in ${directory}`)
  }
  try {
    const plan = await makePlan({ fileSystem, directory, bases, only, options })
    refuseStranger(plan)
    const report = reportOf(plan, options.dryRun === true)
    if (!report.sound && !report.dryRun) await applyRepair(plan)
    return report
  } catch (error) {
    throw ioError(error, { action: 'repair', path: directory })
  }
}

async function segmentsOf(fileSystem: FileSystem, directory: string): Promise<number[]> {
  let bases: number[]
  try {
    bases = await listSegments(fileSystem, directory)
  } catch (cause) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(cause) ?? ''))
      throw ioError(cause, { action: 'list', path: directory })
    throw new StoreError('KFK_STORE_NOT_FOUND', `there is no directory ${directory}`, { cause })
  }
  if (bases.length > 0) return bases
  throw new StoreError('KFK_STORE_NOT_FOUND', `there is no segment in ${directory}`, {
    details: { path: directory },
  })
}

interface PlanInput {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly bases: readonly number[]
  readonly only: number | undefined
  readonly options: RepairOptions
}

async function makePlan(input: PlanInput): Promise<RepairPlan> {
  const { fileSystem, directory, bases, only, options } = input
  await refusePassingFiles(fileSystem, directory)
  const indexIntervalBytes = options.indexIntervalBytes ?? 4096
  const gapsBelow = options.offsetGaps === true ? gapsEverywhere : await gapsOf(input)
  const request: PlanRequest = {
    fileSystem,
    format: options.format ?? frameFormat,
    directory,
    gapsBelow,
    indexIntervalBytes,
    signal: options.signal,
  }
  const segments: SegmentPlan[] = []
  for (const [at, baseOffset] of bases.entries()) {
    if (only !== undefined && only !== baseOffset) continue
    const next = bases[at + 1]
    segments.push(
      next === undefined
        ? await planLast(request, baseOffset)
        : await planSegment(request, baseOffset, next),
    )
  }
  const recoveryPoint = await recoveryPointOf(fileSystem, directory)
  const last = segments.at(-1)!
  const isEnd = last.baseOffset === bases.at(-1)
  const found = last.scan.nextOffset
  return {
    fileSystem,
    directory,
    segments,
    lost: lostOffsets(segments, { gapsBelow, end: isEnd ? recoveryPoint : found }),
    logEndOffset: isEnd ? Math.max(found, recoveryPoint) : found,
    recoveryPoint,
    gapsBelow,
    noted: await hasNotes(fileSystem, directory),
    partial: only !== undefined,
    indexIntervalBytes,
  }
}

/** What is missing within the segments, between them, and up to `end`. */
function lostOffsets(
  segments: readonly SegmentPlan[],
  limits: { gapsBelow: number; end: number },
): LostOffsets[] {
  const lost: LostOffsets[] = []
  const add = (from: number, to: number, damaged: boolean) => {
    if (to < from) return
    const normal = to < limits.gapsBelow
    // Compaction leaves gaps everywhere; it is those beside damage that matter.
    if (!normal || damaged) lost.push({ from, to, maybe: normal })
  }
  for (const [at, { scan }] of segments.entries()) {
    const { bad, missing, nextOffset } = scan
    for (const { from, to } of missing) {
      add(
        from,
        to,
        bad.some(({ offset }) => offset >= from && offset <= to + 1),
      )
    }
    const next = segments[at + 1]?.baseOffset
    if (next === undefined) {
      // The end of a log is never compacted.
      if (nextOffset < limits.end) lost.push({ from: nextOffset, to: limits.end - 1, maybe: false })
      continue
    }
    const damaged = bad.some(({ offset }) => offset >= nextOffset)
    add(nextOffset, next - 1, damaged)
  }
  return lost
}

/** An interrupted compaction has its own way of coming to an end. */
async function refusePassingFiles(fileSystem: FileSystem, directory: string): Promise<void> {
  for (const { name } of await fileSystem.list(directory)) {
    if (!name.endsWith(swapSuffix) && !name.endsWith(cleanedSuffix)) continue
    const path = join(directory, name)
    const reason = 'a compaction was interrupted; opening the log once finishes it, then repair'
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `${path}: ${reason}`, { details: { path } })
  }
}

async function gapsOf({ fileSystem, directory }: PlanInput): Promise<number> {
  try {
    return await readOffsetGaps(fileSystem, directory)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return gapsEverywhere
    throw error
  }
}

/** How far the log had been synced, 0 when nobody knows. */
async function recoveryPointOf(fileSystem: FileSystem, directory: string): Promise<number> {
  const name = basename(directory)
  const parent = dirname(directory)
  if (parseLogName(name) === undefined) return 0
  try {
    const points = await readCheckpoint(fileSystem, join(parent, fileNames.recoveryPoints))
    const notes = new RecoveryNotes(fileSystem, parent, {
      clock: systemClock,
      intervalMs: 0,
      report: () => undefined,
    })
    const noted = await notes.load(encodeOffsets(points))
    return Math.max(points.get(name) ?? 0, noted.get(name) ?? 0)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return 0
    throw error
  }
}

/** Behind damage nothing is believed that lies beyond the end of the log at its clean close. */
async function planLast(request: PlanRequest, baseOffset: number): Promise<SegmentPlan> {
  const plan = await planSegment(request, baseOffset, Number.MAX_SAFE_INTEGER)
  const firstBad = plan.scan.bad[0]
  if (firstBad === undefined) return plan
  const end = await endAtClose(request.fileSystem, request.directory)
  // What is sound up to beyond it was added later, by a restore perhaps.
  const isKnown = end !== undefined && end >= firstBad.offset && end > baseOffset
  return isKnown ? planSegment(request, baseOffset, end) : plan
}

/** Where the log ended when it was closed cleanly; undefined when nobody knows any more. */
async function endAtClose(fileSystem: FileSystem, directory: string): Promise<number | undefined> {
  const shutdown = new CleanShutdown(fileSystem, dirname(directory))
  await shutdown.load(() => undefined)
  return shutdown.take(basename(directory))?.logEndOffset
}

async function hasNotes(fileSystem: FileSystem, directory: string): Promise<boolean> {
  try {
    return (await readQuarantine(fileSystem, directory)).length > 0
  } catch (error) {
    if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return true
    throw error
  }
}

/** Nothing valid at all: another format, or no log. Repair would put everything aside. */
function refuseStranger({ directory, segments }: RepairPlan): void {
  const holdsBytes = segments.some(({ sizeBytes }) => sizeBytes > 0)
  if (!holdsBytes || segments.some(({ scan }) => scan.batches > 0)) return
  const message = `${directory} holds no valid batch of this format; nothing was changed`
  throw new StoreError('KFK_STORE_INVALID_ARGUMENT', message, { details: { path: directory } })
}

function reportOf(plan: RepairPlan, dryRun: boolean): RepairReport {
  const { directory, lost, logEndOffset, recoveryPoint, segments } = plan
  const cuts = segments.flatMap(cutsOf)
  const reindexed = segments.filter(({ indexesWrong, scan }) => indexesWrong || scan.bad.length > 0)
  return {
    path: directory,
    dryRun,
    sound: cuts.length + lost.length + reindexed.length === 0 && !plan.noted,
    segments: segments.length,
    batches: segments.reduce((sum, { scan }) => sum + scan.batches, 0),
    cuts,
    lost,
    reindexed: reindexed.map(({ path }) => path),
    logEndOffset,
    recoveryPoint,
  }
}

function cutsOf({ path, scan, asides }: SegmentPlan): RepairCut[] {
  return scan.bad.map(({ from, to, reason }, at) => ({
    path,
    position: from,
    bytes: to - from,
    reason,
    setAside: asides[at]!,
  }))
}
