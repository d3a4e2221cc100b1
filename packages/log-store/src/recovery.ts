import { join } from 'node:path'
import { tryDescribe } from './batch-format.js'
import type { EpochIndex } from './epoch-index.js'
import { StoreError } from './errors.js'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import { readRange, syncFile, writeFully } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import type { Segment } from './segment.js'
import { corruptSegment } from './segment-repair.js'
import { IndexBuilder, scanBatches, type ScanResult } from './segment-scan.js'

// The only place that changes data files after an unclean stop. Rules, in RECOVERY.md at length:
// below the recovery point everything was synced, so a bad batch there is bit rot and an error;
// from there on a bad batch is the torn end of the last writes, and the log ends before it.

export interface RecoveryRequest {
  readonly name: string
  readonly path: string
  /** All segments, by base offset. */
  readonly segments: readonly Segment[]
  /** All below was on the medium. */
  readonly recoveryPoint: number
  /** Where to begin scanning: the recovery point, or lower when epochs are to be found again. */
  readonly scanFrom: number
  readonly indexIntervalBytes: number
  /** Receives the epochs of the scanned batches. */
  readonly epochs: EpochIndex
}

export interface RecoveryResult {
  /** The segments that are left; the last one is active. */
  readonly segments: readonly Segment[]
  readonly logEndOffset: number
  readonly scannedBytes: number
  readonly cutBytes: number
}

/** Bytes looked through for batches that survived behind a bad one. */
const salvageWindowBytes = 4 * 1024 ** 2

/** Throws KFK_STORE_CORRUPT naming file and position when synced data is damaged or missing. */
export async function recoverLog(host: LogHost, request: RecoveryRequest): Promise<RecoveryResult> {
  const { segments } = request
  const kept: Segment[] = []
  let scannedBytes = 0
  let due: number | undefined
  for (const [at, segment] of segments.entries()) {
    const next = segments[at + 1]
    // The last one is always looked at: where it ends is what opening needs to know.
    if (next !== undefined && next.baseOffset <= request.scanFrom) {
      segment.markSealed()
      kept.push(segment)
      continue
    }
    const { baseOffset } = segment
    const offsetGaps = host.offsetGaps(request.name)
    if (due !== undefined && (baseOffset < due || (baseOffset > due && !offsetGaps))) {
      // The end of the segment before is missing, at a batch boundary: the log ends there.
      const problem = `segment ${baseOffset} begins where offset ${due} was due`
      const before = kept.at(-1)!
      const scanned = { position: before.sizeBytes, nextOffset: due, problem }
      if (due < request.recoveryPoint) throw corruptSegment(before, scanned)
      const cutBytes = await cut(host, {
        request,
        scanned,
        segment: before,
        later: segments.slice(at),
      })
      return { segments: kept, logEndOffset: due, scannedBytes, cutBytes }
    }
    const scanned = await scan(host, segment, { request, offsetGaps, sealed: next !== undefined })
    scannedBytes += segment.sizeBytes
    kept.push(segment)
    due = scanned.nextOffset
    if (scanned.problem === undefined) {
      await settle(host, segment)
      continue
    }
    if (due < request.recoveryPoint) throw corruptSegment(segment, scanned)
    const cutBytes = await cut(host, { request, scanned, segment, later: segments.slice(at + 1) })
    return { segments: kept, logEndOffset: due, scannedBytes, cutBytes }
  }
  const last = segments.at(-1)!
  const logEndOffset = due ?? last.baseOffset
  if (logEndOffset < request.recoveryPoint) {
    const problem = `log ends at offset ${logEndOffset}, but ${request.recoveryPoint} had been synced`
    throw corruptSegment(last, { position: last.sizeBytes, problem })
  }
  return { segments: kept, logEndOffset, scannedBytes, cutBytes: 0 }
}

async function scan(
  host: LogHost,
  segment: Segment,
  options: { request: RecoveryRequest; offsetGaps: boolean; sealed: boolean },
): Promise<ScanResult> {
  const { request, offsetGaps, sealed } = options
  const builder = new IndexBuilder(segment.baseOffset, request.indexIntervalBytes)
  const handle = host.files.pin(segment.data)
  let result: ScanResult
  try {
    result = await scanBatches({
      format: host.format,
      handle,
      from: 0,
      to: segment.sizeBytes,
      expectedOffset: segment.baseOffset,
      offsetGaps,
      verify: true,
      onBatch(batch, position) {
        request.epochs.assign(batch.leaderEpoch, batch.baseOffset)
        return builder.add(batch, position)
      },
    })
  } finally {
    host.files.unpin(segment.data)
  }
  if (sealed && result.problem === undefined) segment.markSealed()
  builder.install(segment, segment.sealed)
  return result
}

/** Makes what the scan found durable: the process may have died before its sync. */
async function settle(host: LogHost, segment: Segment): Promise<void> {
  const handle = host.files.pin(segment.data)
  try {
    await syncFile(handle)
  } finally {
    host.files.unpin(segment.data)
  }
  if (segment.sealed) await segment.persistIndexes()
}

async function cut(
  host: LogHost,
  damage: {
    request: RecoveryRequest
    scanned: ScanResult
    segment: Segment
    later: readonly Segment[]
  },
): Promise<number> {
  const { request, scanned, segment, later } = damage
  const lostBytes = segment.sizeBytes - scanned.position
  const survivor = await findSurvivor(host, segment, scanned)
  const whole = later.filter((other) => other.sizeBytes > 0)
  // Not the torn end of the last write alone: whole batches lie behind the damage. They cannot be
  // part of the log any more, but they are kept for whoever wants to look.
  const suspicious = survivor || whole.length > 0
  if (suspicious && lostBytes > 0) await quarantineBytes(host, segment, scanned.position)
  for (const other of [...later].reverse()) await dropSegment(host, other)
  const handle = host.files.use(segment.data)
  handle.truncateSync(scanned.position)
  segment.noteCut(scanned.position)
  await settle(host, segment)
  await host.fileSystem.syncDirectory(request.path)
  const cutBytes = lostBytes + whole.reduce((sum, other) => sum + other.sizeBytes, 0)
  host.report({
    kind: suspicious ? 'quarantined' : 'tail-cut',
    message: `cut ${cutBytes} bytes from ${segment.path} at byte ${scanned.position}: ${scanned.problem}`,
    details: {
      log: request.name,
      path: segment.path,
      position: scanned.position,
      offset: scanned.nextOffset,
      reason: scanned.problem,
      cutBytes,
      laterSegments: later.length,
      quarantined: suspicious,
    },
  })
  return cutBytes
}

/** Whether a whole, valid, later batch lies behind the bad one. */
async function findSurvivor(
  host: LogHost,
  segment: Segment,
  scanned: ScanResult,
): Promise<boolean> {
  const { format } = host
  const handle = host.files.pin(segment.data)
  try {
    const length = Math.min(salvageWindowBytes, segment.sizeBytes - scanned.position)
    const bytes = await readRange(handle, scanned.position, length)
    for (let at = 1; at + format.headerBytes <= bytes.length; at++) {
      const size = format.sizeOf(bytes, at)
      if (size <= 0 || at + size > bytes.length) continue
      if (format.check(bytes, at) !== undefined) continue
      const batch = tryDescribe(format, bytes, at)
      if (batch !== undefined && batch.baseOffset >= scanned.nextOffset) return true
    }
    return false
  } finally {
    host.files.unpin(segment.data)
  }
}

function quarantinePath(segment: Segment, position: number): string {
  const name = segmentFileName(segment.baseOffset, segmentSuffixes.log)
  return join(segment.directory, `kfk.quarantine.${position}.${name}`)
}

async function quarantineBytes(host: LogHost, segment: Segment, position: number): Promise<void> {
  const handle = host.files.pin(segment.data)
  const copy = host.fileSystem.open(quarantinePath(segment, position), 'write')
  try {
    for (let at = position; at < segment.sizeBytes;) {
      const bytes = await readRange(handle, at, Math.min(1024 ** 2, segment.sizeBytes - at))
      if (bytes.length === 0) break
      writeFully(copy, [bytes], at - position)
      at += bytes.length
    }
    await syncFile(copy)
  } finally {
    copy.close()
    host.files.unpin(segment.data)
  }
}

/** A segment behind the damage: kept aside when it holds anything. */
async function dropSegment(host: LogHost, segment: Segment): Promise<void> {
  const { fileSystem, files } = host
  const holdsData = segment.sizeBytes > 0
  files.close(segment.data)
  if (holdsData) await fileSystem.rename(segment.path, quarantinePath(segment, 0))
  else await fileSystem.remove(segment.path)
  for (const suffix of Object.values(segmentSuffixes)) {
    if (suffix === segmentSuffixes.log) continue
    await fileSystem.remove(join(segment.directory, segmentFileName(segment.baseOffset, suffix)))
  }
}

/** The error of a log whose directory holds something that recovery must not decide. */
export function refuseLeftover(path: string, reason: string): StoreError {
  return new StoreError('KFK_STORE_CORRUPT', `${path}: ${reason}`, { details: { path, reason } })
}
