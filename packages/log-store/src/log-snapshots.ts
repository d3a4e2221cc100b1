import type { FileSystem } from './fs/file-system.js'
import type { TrackerSnapshot } from './log-tracker.js'
import type { SegmentList } from './segment-list.js'
import { TrackerFiles } from './tracker-files.js'
import { isBase, type ReplayedLog } from './tracker-replay.js'

/** A segment that has grown by this much gets a snapshot in its middle. */
const snapshotBytes = 16 * 1024 ** 2

/** A snapshot to be written when all that it speaks of is on the medium. */
export interface Captured {
  readonly offset: number
  readonly make: () => TrackerSnapshot
}

/** What a checkpoint needs of the log. */
export interface GrowingLog {
  readonly segments: SegmentList
  /** Offset after the last record, written or not. */
  readonly logEndOffset: number
  readonly writtenOffset: number
  readonly recoveryPoint: number
}

/**
 * Which snapshots of a log are on the disk, and which are to come. On the disk are at most those at
 * the bases of segments, and the newest.
 */
export class LogSnapshots {
  readonly #files: TrackerFiles
  /** By base offset of the segment that ended there. */
  #captured: Map<number, Captured> | undefined
  /** In the middle of the segment with that base; to be written by the next checkpoint. */
  #pending: (Captured & { readonly base: number }) | undefined
  /** How much of which segment had been written at the last of these. */
  #grownBase = -1
  #grownBytes = 0
  /** Offset of the newest one on the disk. */
  newest: number | undefined
  /** It is not at the base of a segment, so the next one takes its place. */
  #newestIsStray = false

  constructor(files: TrackerFiles) {
    this.#files = files
  }

  /** The segment with base `sealedBase` has ended. */
  rolled(sealedBase: number, captured: Captured): void {
    this.#captured ??= new Map()
    this.#captured.set(sealedBase, captured)
  }

  /** Bases of the sealed segments whose end is captured. */
  get sealed(): number[] {
    return [...(this.#captured?.keys() ?? [])]
  }

  /** What was captured at the end of the segment with that base; it is yours now. */
  takeSealed(sealedBase: number): Captured | undefined {
    const captured = this.#captured?.get(sealedBase)
    this.#captured?.delete(sealedBase)
    if (this.#captured?.size === 0) this.#captured = undefined
    return captured
  }

  /**
   * What was captured in the middle of the active segment, when all before it is on the medium.
   * Else captures it if it is time.
   */
  takeGrown(log: GrowingLog, capture: () => () => TrackerSnapshot): Captured | undefined {
    const { baseOffset: base, sizeBytes } = log.segments.active
    const pending = this.#pending
    if (pending !== undefined) {
      if (pending.offset > log.recoveryPoint) return undefined
      this.#pending = undefined
      // Rolled since: there is a newer one.
      return pending.base === base ? pending : undefined
    }
    const bytesBefore = this.#grownBase === base ? this.#grownBytes : 0
    const { logEndOffset, writtenOffset } = log
    if (logEndOffset === writtenOffset && sizeBytes - bytesBefore >= snapshotBytes) {
      this.#grownBase = base
      this.#grownBytes = sizeBytes
      this.#pending = { offset: writtenOffset, base, make: capture() }
    }
    return undefined
  }

  /** Durable after a sync of the directory. */
  async save(captured: Captured, stray: boolean): Promise<void> {
    const { offset } = captured
    if (offset === this.newest) {
      // It says the same already, and half of a file written again would be worse than none.
      this.#newestIsStray = stray
      return
    }
    await this.#files.writeSnapshot(offset, captured.make())
    const before = this.newest
    if (before !== undefined && before > offset) return
    this.newest = offset
    const superseded = this.#newestIsStray
    this.#newestIsStray = stray
    if (superseded) await this.#files.removeSnapshot(before!)
  }

  /** The log ends at `endOffset` now: what was captured of later records is void. */
  dropBeyond(endOffset: number): void {
    this.#pending = undefined
    for (const base of this.sealed) {
      if (this.#captured!.get(base)!.offset > endOffset) this.takeSealed(base)
    }
  }

  /** This one was found to be the newest that can be used. */
  noteNewest(log: ReplayedLog, offset: number | undefined): void {
    this.newest = offset
    this.#newestIsStray = offset !== undefined && !isBase(log, offset)
  }

  /** Of the snapshots `found`, those that stay. */
  usable(log: ReplayedLog, found: readonly number[], trusted: number): number[] {
    const usable = found.filter((offset) => offset <= trusted)
    return usable.filter((offset) => isBase(log, offset) || offset === usable.at(-1))
  }

  /**
   * As Kafka: snapshots beyond `trusted` may speak of something else, and of those that are not at
   * the base of a segment only the newest is worth keeping. Answers those that are left.
   */
  async removeStrays(
    log: ReplayedLog,
    found: readonly number[],
    where: { readonly trusted: number; readonly fileSystem: FileSystem; readonly path: string },
  ): Promise<number[]> {
    const kept = this.usable(log, found, where.trusted)
    if (kept.length === found.length) return kept
    for (const offset of found) {
      if (!kept.includes(offset)) await this.#files.removeSnapshot(offset)
    }
    // Lest one that speaks of records that were cut comes back when others are in their place.
    await where.fileSystem.syncDirectory(where.path)
    return kept
  }
}
