import { join } from 'node:path'
import { tryDescribe } from './batch-format.js'
import { readCheckedFile } from './checkpoint-file.js'
import { diagnostics } from './diagnostics.js'
import { decodeEpochs, EpochIndex, type EpochEntry } from './epoch-index.js'
import {
  deletedSuffix,
  fileNames,
  parseSegmentFileName,
  segmentFileName,
  segmentSuffixes,
  temporarySuffix,
} from './file-names.js'
import { StoreError } from './errors.js'
import { readRange } from './fs/file-system.js'
import { IndexMismatch } from './index-entries.js'
import { settleSwaps } from './interrupted-swaps.js'
import type { LogHost } from './log-host.js'
import { refuseEmptied, reportMissing } from './missing-segments.js'
import { gapsEverywhere, OffsetGaps, readOffsetGaps } from './offset-gaps.js'
import { loadQuarantine } from './quarantine.js'
import { LogTracking } from './log-tracking.js'
import type { ListedLog } from './log-list.js'
import { isUntouched } from './listed-log.js'
import type { LogOptions } from './options.js'
import { recoverLog, type RecoveryResult } from './recovery.js'
import { syncNames } from './recovery-sync.js'
import { SegmentList } from './segment-list.js'
import { ensureIndexes, findLargestTimestamp, rebuildIndexes } from './segment-repair.js'
import { scanBatches } from './segment-scan.js'
import { Segment } from './segment.js'
import type { LogState } from './log-state.js'
import { trackerFilesAmong, type TrackerFileNames } from './tracker-files.js'

export interface LoadRequest {
  readonly name: string
  readonly path: string
  readonly options: LogOptions
  /** The directory was closed cleanly: what is there was synced, indexes included. */
  readonly clean: boolean
  readonly recoveryPoint: number
  /** From the log start checkpoint; undefined when it has none. */
  readonly logStartOffset: number | undefined
  /** What was noted when the log was closed. */
  readonly listed: ListedLog | undefined
}

const concurrentStats = 64

/** Opens one log: creates it when missing, recovers it when it was not closed cleanly. */
export async function loadLog(host: LogHost, request: LoadRequest): Promise<LogState> {
  const startedMs = host.clock.monotonicMs()
  const listed = await loadListed(host, request)
  if (listed !== undefined) {
    tellOpened(host, listed, { request, startedMs, scannedBytes: 0, cutBytes: 0 })
    return listed
  }
  const { bases, tracked } = await settleFiles(host, request)
  if (bases.length === 0) return createLog(host, request)
  reportMissing(host, request, bases)
  const tracking = makeTracking(host, request, tracked.indexed)
  const segments = await defineSegments(host, request.path, bases)
  const gaps = await loadGaps(host, request)
  const gapsBelow = request.options.cleanupPolicy === 'delete' ? gaps.bound : gapsEverywhere
  await loadQuarantine(host, request, segments, gapsBelow)
  const saved = await readEpochs(host, request.path)
  const epochs = new EpochIndex(saved)
  const loaded = await loadSegments(host, {
    request,
    segments,
    epochs,
    epochsKnown: saved !== undefined,
    gapsBelow,
    tracking,
    tracked,
  })
  const first = loaded.segments[0]!
  const logStartOffset = Math.min(
    Math.max(request.logStartOffset ?? 0, first.baseOffset),
    loaded.logEndOffset,
  )
  epochs.truncateFromEnd(loaded.logEndOffset)
  epochs.truncateFromStart(logStartOffset)
  await prepareActive(host, loaded.segments.at(-1)!, request.options)
  const state: LogState = {
    name: request.name,
    path: request.path,
    options: request.options,
    segments: SegmentList.of(loaded.segments),
    logStartOffset,
    logEndOffset: loaded.logEndOffset,
    recoveryPoint: loaded.logEndOffset,
    epochs,
    epochsSaved: saved !== undefined && epochs.changes === 0,
    offsetGaps: gaps,
    damaged: loaded.segments.filter(({ damage }) => damage !== undefined),
    tracking,
  }
  const { scannedBytes, cutBytes } = loaded
  tellOpened(host, state, { request, startedMs, scannedBytes, cutBytes })
  return state
}

/** From the list of a clean close; undefined when there is no entry, or it is not true any more. */
async function loadListed(host: LogHost, request: LoadRequest): Promise<LogState | undefined> {
  const { listed, name, path, options } = request
  if (listed === undefined || !request.clean) return undefined
  if (listed.logEndOffset < request.recoveryPoint) return undefined
  if (!(await isUntouched(host.fileSystem, path, listed))) return undefined
  const { logStartOffset, logEndOffset, newestSnapshot, indexed } = listed
  const place = { directory: path, createdMs: host.clock.now() }
  const active = Segment.resume(host.files, place, listed.active)
  const segments = SegmentList.unpack(listed.sealed, active)
  const epochs = new EpochIndex(listed.epochs)
  const tracking = makeTracking(host, request, indexed)
  const { indexIntervalBytes } = options
  const log = { segments, indexIntervalBytes, writtenOffset: logEndOffset }
  await tracking?.openAt(log, newestSnapshot)
  const { gapsBelow } = listed
  const known = gapsBelow !== undefined && !host.offsetGaps(name)
  return {
    ...{ name, path, options, segments, logStartOffset, logEndOffset, epochs, tracking },
    recoveryPoint: logEndOffset,
    epochsSaved: true,
    offsetGaps: known
      ? new OffsetGaps(host.fileSystem, path, gapsBelow)
      : await loadGaps(host, request),
    dates: {
      directoryMs: listed.directoryMs,
      fileMs: listed.fileMs,
      sizeBytes: active.sizeBytes,
    },
  }
}

function tellOpened(
  host: LogHost,
  state: LogState,
  opened: { request: LoadRequest; startedMs: number; scannedBytes: number; cutBytes: number },
): void {
  const { request, startedMs, scannedBytes, cutBytes } = opened
  const durationMs = host.clock.monotonicMs() - startedMs
  host.metrics.noteOpen(scannedBytes, cutBytes, durationMs)
  if (!diagnostics.recovery.hasSubscribers) return
  diagnostics.recovery.publish({
    log: state.name,
    path: state.path,
    clean: request.clean && scannedBytes === 0,
    segments: state.segments.count,
    logStartOffset: state.logStartOffset,
    logEndOffset: state.logEndOffset,
    scannedBytes,
    cutBytes,
    durationMs,
  })
}

/** Sizes are asked of the file system, not of open files: there may be tens of thousands. */
async function defineSegments(
  host: LogHost,
  directory: string,
  bases: readonly number[],
): Promise<Segment[]> {
  const segments: Segment[] = []
  const createdMs = host.clock.now()
  for (let from = 0; from < bases.length; from += concurrentStats) {
    const some = bases.slice(from, from + concurrentStats)
    const made = some.map(async (baseOffset) => {
      const path = join(directory, segmentFileName(baseOffset, segmentSuffixes.log))
      const sizeBytes = (await host.fileSystem.stat(path))?.sizeBytes
      return new Segment(host.files, { directory, baseOffset, createdMs, sizeBytes })
    })
    segments.push(...(await Promise.all(made)))
  }
  return segments
}

async function createLog(host: LogHost, request: LoadRequest): Promise<LogState> {
  const { path, name, options } = request
  await host.fileSystem.makeDirectory(path)
  const baseOffset = request.logStartOffset ?? 0
  const place = { directory: path, baseOffset, createdMs: host.clock.now() }
  const segment = new Segment(host.files, place)
  segment.create()
  await syncNames(host, path)
  return {
    name,
    path,
    options,
    segments: SegmentList.of([segment]),
    logStartOffset: baseOffset,
    logEndOffset: baseOffset,
    recoveryPoint: baseOffset,
    epochs: new EpochIndex(),
    epochsSaved: false,
    offsetGaps: new OffsetGaps(host.fileSystem, path, host.offsetGaps(name) ? gapsEverywhere : 0),
    tracking: makeTracking(host, request, []),
  }
}

function makeTracking(
  host: LogHost,
  { name, path }: LoadRequest,
  indexed: readonly number[],
): LogTracking | undefined {
  const tracker = host.tracker(name)
  return tracker && new LogTracking(host, { name, path }, { tracker, indexed })
}

/**
 * Removes what interrupted work left behind; answers the base offsets of the segments, in order.
 */
async function settleFiles(
  host: LogHost,
  request: LoadRequest,
): Promise<{ bases: number[]; tracked: TrackerFileNames }> {
  const { fileSystem } = host
  const { path } = request
  let names: readonly string[]
  try {
    names = (await fileSystem.list(path)).filter((e) => !e.isDirectory).map((e) => e.name)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') names = []
    else throw error
  }
  names = await settleSwaps(host, path, names)
  const removable = [deletedSuffix, temporarySuffix]
  const bases = new Set<number>()
  for (const name of names) {
    const parsed = parseSegmentFileName(name)
    if (parsed?.suffix === segmentSuffixes.log) bases.add(parsed.baseOffset)
  }
  // Before anything that its files could be restored to is removed.
  if (bases.size === 0) refuseEmptied(request)
  const removed = new Set<string>()
  const isOrphan = orphanRule(names, bases)
  for (const name of names) {
    if (!isOrphan(name) && !removable.some((suffix) => name.endsWith(suffix))) continue
    await fileSystem.remove(join(path, name))
    removed.add(name)
    const message = `removed ${join(path, name)}, left by interrupted work`
    host.report({ kind: 'leftover-removed', message, details: { path: join(path, name) } })
  }
  const tracked = trackerFilesAmong(names.filter((name) => !removed.has(name)))
  return { bases: [...bases].sort((a, b) => a - b), tracked }
}

/** Which files belong to one that is not there. */
function orphanRule(
  names: readonly string[],
  bases: ReadonlySet<number>,
): (name: string) => boolean {
  const { offsetIndex, timeIndex, transactionIndex, producerSnapshot } = segmentSuffixes
  const ofSegments = [offsetIndex, timeIndex, transactionIndex, `${transactionIndex}.crc`]
  // Snapshots outlive segments, but not all of them: they would speak of another log.
  if (bases.size === 0) ofSegments.push(producerSnapshot)
  const present = new Set(names)
  return (name) => {
    const parsed = parseSegmentFileName(name.replace(/^kfk\./, ''))
    if (parsed === undefined) return false
    const { baseOffset, suffix } = parsed
    if (suffix === '.snapshot-detail') {
      return bases.size === 0 || !present.has(segmentFileName(baseOffset, producerSnapshot))
    }
    return ofSegments.includes(suffix) && !bases.has(baseOffset)
  }
}

/** Undefined when missing or unreadable: then the batches have to tell. */
async function readEpochs(host: LogHost, path: string): Promise<EpochEntry[] | undefined> {
  const file = join(path, fileNames.epochs)
  try {
    const bytes = await readCheckedFile(host.fileSystem, file)
    return bytes && decodeEpochs(bytes, file)
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) throw error
    const message = `${file} is unreadable; leader epochs are taken from the batches`
    host.report({ kind: 'checkpoint-unreadable', message, details: { path: file, error } })
    return undefined
  }
}

/** Unreadable: gaps are taken as normal, for all that compaction has removed must not look lost. */
async function loadGaps(host: LogHost, request: LoadRequest): Promise<OffsetGaps> {
  const { name, path } = request
  const gaps = (bound: number) => new OffsetGaps(host.fileSystem, path, bound)
  if (host.offsetGaps(name)) return gaps(gapsEverywhere)
  try {
    return gaps(await readOffsetGaps(host.fileSystem, path))
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) throw error
    const file = join(path, fileNames.offsetGaps)
    const message = `${file} is unreadable; missing offsets are not noticed in ${path}`
    host.report({ kind: 'checkpoint-unreadable', message, details: { path: file, error } })
    return gaps(gapsEverywhere)
  }
}

async function loadSegments(
  host: LogHost,
  from: {
    request: LoadRequest
    segments: Segment[]
    epochs: EpochIndex
    epochsKnown: boolean
    gapsBelow: number
    tracking: LogTracking | undefined
    tracked: TrackerFileNames
  },
): Promise<RecoveryResult> {
  const { request, segments, epochs, epochsKnown, gapsBelow, tracking } = from
  const active = segments.at(-1)!
  const { indexIntervalBytes } = request.options
  if (request.clean && epochsKnown) {
    const logEndOffset = await findEnd(host, active, indexIntervalBytes)
    if (logEndOffset !== undefined && logEndOffset >= request.recoveryPoint) {
      for (const segment of segments) if (segment !== active) segment.markSealed()
      const log = { segments: SegmentList.of(segments), indexIntervalBytes }
      await tracking?.open({ ...log, writtenOffset: logEndOffset }, from.tracked)
      return { segments, logEndOffset, scannedBytes: 0, cutBytes: 0 }
    }
  }
  const { recoveryPoint } = request
  const before = { segments: SegmentList.of(segments), indexIntervalBytes }
  const feed = tracking?.feed(before, from.tracked, recoveryPoint)
  const result = await recoverLog(host, {
    name: request.name,
    path: request.path,
    segments,
    recoveryPoint,
    feed,
    epochsKnown,
    gapsBelow,
    indexIntervalBytes,
    epochs,
  })
  // What was found counts as durable from here on; the process before may have died between a
  // change of names and their sync, and a power cut now would undo it.
  await syncNames(host, request.path)
  const { logEndOffset } = result
  const list = SegmentList.of(result.segments)
  const log = { segments: list, indexIntervalBytes, writtenOffset: logEndOffset }
  await tracking?.recover(log, from.tracked, { recoveryPoint, feed })
  host.report({
    kind: 'recovered',
    message: `recovered ${request.path}: scanned ${result.scannedBytes} bytes, cut ${result.cutBytes}`,
    details: {
      log: request.name,
      scannedBytes: result.scannedBytes,
      cutBytes: result.cutBytes,
      logEndOffset: result.logEndOffset,
    },
  })
  return result
}

/**
 * End of a cleanly closed segment, from its last index entry on; undefined when it does not add up.
 */
async function findEnd(
  host: LogHost,
  active: Segment,
  indexIntervalBytes: number,
): Promise<number | undefined> {
  await ensureIndexes(host, active, indexIntervalBytes)
  let position = -1
  try {
    const floor = active.floorPosition(Number.MAX_SAFE_INTEGER)
    position = floor.position
    const end = await scanEnd(host, active, floor)
    if (end !== undefined) return end
  } catch (error) {
    if (!(error instanceof IndexMismatch)) throw error
  }
  if (position === 0) return undefined
  const reason = 'the last entry does not match the data'
  try {
    await rebuildIndexes(host, active, { indexIntervalBytes, reason })
  } catch (error) {
    if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return undefined
    throw error
  }
  return findEnd(host, active, indexIntervalBytes)
}

async function scanEnd(
  host: LogHost,
  active: Segment,
  floor: { position: number; lastOffset: number | undefined },
): Promise<number | undefined> {
  const handle = host.files.pin(active.data)
  try {
    const scanned = await scanBatches({
      format: host.format,
      handle,
      from: floor.position,
      to: active.sizeBytes,
      expectedOffset: active.baseOffset,
      gapsBelow: gapsEverywhere,
      verify: false,
      onBatch(batch, position) {
        const first = position === floor.position && floor.lastOffset !== undefined
        if (first && batch.lastOffset !== floor.lastOffset) throw new IndexMismatch()
        return true
      },
    })
    return scanned.problem === undefined ? scanned.nextOffset : undefined
  } finally {
    host.files.unpin(active.data)
  }
}

/** What appending needs to know of the segment: its first and its largest timestamp. */
async function prepareActive(host: LogHost, active: Segment, options: LogOptions): Promise<void> {
  active.unseal()
  await ensureIndexes(host, active, options.indexIntervalBytes)
  await findLargestTimestamp(host, active, options.indexIntervalBytes)
  if (active.sizeBytes === 0 || active.firstTimestamp !== undefined) return
  const handle = host.files.pin(active.data)
  try {
    const header = await readRange(handle, 0, host.format.headerBytes)
    const first = tryDescribe(host.format, header, 0)
    if (first !== undefined) active.setFirstTimestamp(first.maxTimestamp)
  } finally {
    host.files.unpin(active.data)
  }
}
