import { join } from 'node:path'
import { tryDescribe } from './batch-format.js'
import type { EpochIndex } from './epoch-index.js'
import { StoreError } from './errors.js'
import { segmentFileNames } from './file-names.js'
import { readRange } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import { damageError, describeDamage, notePlaces, placesOf, reportDamage } from './quarantine.js'
import { recoverSegment } from './recovery-scan.js'
import { syncNames, syncRecovered } from './recovery-sync.js'
import { persistIndexes } from './segment-files.js'
import { SegmentList } from './segment-list.js'
import type { ScanResult } from './segment-scan.js'
import { wrongEnd } from './segment-verify.js'
import type { Segment } from './segment.js'
import type { TrackerFeed } from './tracker-feed.js'
import type { SegmentDamage } from './segment-damage.js'
import { copyAside, type SetAside, setAsidePath } from './set-aside.js'

// The only place that changes data files after an unclean stop. Rules, in RECOVERY.md at length:
// below the recovery point everything was synced, so a bad batch there is bit rot: noted where
// later segments tell how the log goes on, else an error. From there on a bad batch is the torn end
// of the last writes, and the log ends before it.

export interface RecoveryRequest {
  readonly name: string
  readonly path: string
  /** All segments, by base offset. */
  readonly segments: readonly Segment[]
  /** All below was on the medium. */
  readonly recoveryPoint: number
  /** The epochs of what lies below the recovery point are known; else all is read. */
  readonly epochsKnown: boolean
  /** Offsets may be missing between batches below this. */
  readonly gapsBelow: number
  readonly indexIntervalBytes: number
  /** Receives the epochs of the scanned batches. */
  readonly epochs: EpochIndex
  /** Receives the batches from some offset below the recovery point on, unless there is damage. */
  readonly feed?: TrackerFeed | undefined
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
export function recoverLog(host: LogHost, request: RecoveryRequest): Promise<RecoveryResult> {
  return new Recovery(host, request).run()
}

class Recovery {
  readonly #host: LogHost
  readonly #request: RecoveryRequest
  readonly #kept: Segment[] = []
  #scannedBytes = 0
  /** Offset at which the next segment has to begin; undefined when that is not known. */
  #due: number | undefined

  constructor(host: LogHost, request: RecoveryRequest) {
    this.#host = host
    this.#request = request
  }

  async run(): Promise<RecoveryResult> {
    const { segments, recoveryPoint, epochsKnown } = this.#request
    for (const [at, segment] of segments.entries()) {
      const next = segments[at + 1]
      const synced = next !== undefined && next.baseOffset <= recoveryPoint
      // The last one is always looked at: where it ends is what opening needs to know.
      if (synced && epochsKnown) {
        segment.markSealed()
        this.#kept.push(segment)
        continue
      }
      const apart = wrongEnd(this.#due ?? segment.baseOffset, segment.baseOffset, this.#gapsBelow)
      if (apart !== undefined) return this.#endBefore(at, apart)
      const scanned = await this.#scan(segment, next !== undefined)
      this.#kept.push(segment)
      const end = wrongEnd(scanned.nextOffset, next?.baseOffset, this.#gapsBelow)
      const problem = scanned.problem ?? (synced ? end : undefined)
      if (problem === undefined) {
        await this.#settle(segment)
      } else if (synced) {
        await this.#quarantine(segment, { ...scanned, problem })
      } else return this.#endWithin(segment, scanned, segments.slice(at + 1))
    }
    const last = segments.at(-1)!
    const logEndOffset = this.#due ?? last.baseOffset
    if (logEndOffset < recoveryPoint) {
      const problem = `log ends at offset ${logEndOffset}, but ${recoveryPoint} had been synced`
      const position = last.sizeBytes
      throw await this.#refuse(last, { position, nextOffset: logEndOffset, problem })
    }
    return this.#result(logEndOffset, 0)
  }

  get #gapsBelow(): number {
    return this.#request.gapsBelow
  }

  #result(logEndOffset: number, cutBytes: number): RecoveryResult {
    return { segments: this.#kept, logEndOffset, scannedBytes: this.#scannedBytes, cutBytes }
  }

  async #scan(segment: Segment, sealed: boolean): Promise<ScanResult> {
    const { epochs, epochsKnown, feed, indexIntervalBytes, recoveryPoint } = this.#request
    const scanned = await recoverSegment(this.#host, segment, {
      recoveryPoint,
      resume: epochsKnown,
      gapsBelow: this.#gapsBelow,
      indexIntervalBytes,
      epochs,
      feed,
      sealed,
    })
    this.#scannedBytes += scanned.scannedBytes
    this.#due = scanned.nextOffset
    return scanned
  }

  /** Makes what the scan found durable: the process may have died before its sync. */
  async #settle(segment: Segment): Promise<void> {
    await syncRecovered(this.#host, segment)
    if (segment.sealed) await persistIndexes(this.#host, segment)
  }

  /** The segment before the one at `at` does not reach up to it. */
  async #endBefore(at: number, problem: string): Promise<RecoveryResult> {
    const { segments } = this.#request
    const before = this.#kept.at(-1)!
    const scanned = { position: before.sizeBytes, nextOffset: this.#due!, problem }
    return this.#endWithin(before, scanned, segments.slice(at))
  }

  /** Where the torn tail begins, unless that had been synced. */
  async #endWithin(
    segment: Segment,
    scanned: ScanResult,
    later: readonly Segment[],
  ): Promise<RecoveryResult> {
    if (scanned.nextOffset < this.#request.recoveryPoint) throw await this.#refuse(segment, scanned)
    const cutBytes = await this.#cut(segment, scanned, later)
    return this.#result(scanned.nextOffset, cutBytes)
  }

  /** Bit rot in a segment that lies wholly below the recovery point: the log is open without it. */
  async #quarantine(segment: Segment, scanned: ScanResult): Promise<void> {
    segment.markSealed()
    segment.forgetIndexes()
    // Where the next one begins is all there is to go on with.
    this.#due = undefined
    this.#request.feed?.discard()
    if (segment.damage !== undefined) return
    segment.damage = damageOf(this.#host, segment, scanned)
    const { name, path, segments } = this.#request
    reportDamage(this.#host, { name, segments: SegmentList.of(segments) }, segment)
    await notePlaces(this.#host, path, placesOf(segments))
  }

  /** The error of a log that cannot be opened: what lies behind the damage cannot be told apart. */
  async #refuse(segment: Segment, scanned: ScanResult): Promise<StoreError> {
    const { name, path, segments } = this.#request
    const found = damageOf(this.#host, segment, scanned)
    const places = [...placesOf(segments), found]
    await notePlaces(this.#host, path, places)
    const list = SegmentList.of(segments)
    return damageError(describeDamage({ name, segments: list }, segment, found))
  }

  async #cut(segment: Segment, scanned: ScanResult, later: readonly Segment[]): Promise<number> {
    const { position, nextOffset, problem } = scanned
    const lostBytes = segment.sizeBytes - position
    const whole = later.filter((other) => other.sizeBytes > 0)
    // Not the torn end of the last write alone: whole batches lie behind the damage. They cannot be
    // part of the log any more, but they are kept for whoever wants to look.
    const suspicious =
      whole.length > 0 ||
      (await this.#isStrange(segment, position)) ||
      (await this.#hasSurvivor(segment, scanned))
    if (suspicious && lostBytes > 0) await this.#setAside(segment, position)
    for (const other of [...later].reverse()) await this.#drop(other)
    this.#host.files.use(segment.data).truncateSync(position)
    segment.noteCut(position)
    await this.#settle(segment)
    await syncNames(this.#host, this.#request.path)
    const cutBytes = lostBytes + whole.reduce((sum, other) => sum + other.sizeBytes, 0)
    this.#host.report({
      kind: suspicious ? 'quarantined' : 'tail-cut',
      message: `cut ${cutBytes} bytes from ${segment.path} at byte ${position}: ${problem}`,
      details: {
        log: this.#request.name,
        path: segment.path,
        position,
        offset: nextOffset,
        reason: problem,
        cutBytes,
        laterSegments: later.length,
        quarantined: suspicious,
      },
    })
    return cutBytes
  }

  /** Whether a log begins with what no write of this format leaves: it may be of another one. */
  async #isStrange(segment: Segment, position: number): Promise<boolean> {
    const { format, files } = this.#host
    if (position > 0 || segment !== this.#request.segments[0]) return false
    const handle = files.pin(segment.data)
    try {
      const header = await readRange(handle, 0, format.headerBytes)
      return header.length === format.headerBytes && format.sizeOf(header, 0) < 0
    } finally {
      files.unpin(segment.data)
    }
  }

  /** Whether a whole, valid, later batch lies behind the bad one. */
  async #hasSurvivor(segment: Segment, scanned: ScanResult): Promise<boolean> {
    const { format, files } = this.#host
    const handle = files.pin(segment.data)
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
      files.unpin(segment.data)
    }
  }

  async #setAside(segment: Segment, position: number): Promise<void> {
    const { fileSystem } = this.#host
    await this.#aside(segment, position, async (bytes, target) => {
      await copyAside(fileSystem, bytes.source, { ...bytes, target })
      // Before the bytes go from where they are.
      await syncNames(this.#host, segment.directory)
    })
  }

  /** Gives `use` the bytes of a segment from there on, and the path that they are to be kept at. */
  async #aside<Result>(
    segment: Segment,
    from: number,
    use: (bytes: SetAside, target: string) => Result | Promise<Result>,
  ): Promise<Result> {
    const { fileSystem, files } = this.#host
    const { baseOffset, directory, sizeBytes: to } = segment
    const source = files.pin(segment.data)
    try {
      const bytes = { directory, baseOffset, source, from, to }
      return await use(bytes, await setAsidePath(fileSystem, bytes))
    } finally {
      files.unpin(segment.data)
    }
  }

  /** A segment behind the damage: kept aside when it holds anything. */
  async #drop(segment: Segment): Promise<void> {
    const { fileSystem, files } = this.#host
    const { baseOffset, directory, path, sizeBytes } = segment
    const aside = sizeBytes > 0 ? await this.#aside(segment, 0, (_, target) => target) : undefined
    files.close(segment.data)
    if (aside !== undefined) await fileSystem.rename(path, aside)
    else await fileSystem.remove(path)
    for (const name of segmentFileNames(baseOffset).slice(1)) {
      await fileSystem.remove(join(directory, name))
    }
  }
}

function damageOf(host: LogHost, segment: Segment, scanned: ScanResult): SegmentDamage {
  return {
    baseOffset: segment.baseOffset,
    position: scanned.position,
    offset: scanned.nextOffset,
    reason: scanned.problem ?? 'cannot be read',
    foundMs: host.clock.now(),
  }
}
