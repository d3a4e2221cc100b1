import type { BatchSummary } from './batch-format.js'
import type { LogHost } from './log-host.js'
import type { Captured } from './log-snapshots.js'
import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import type { TrackerFiles } from './tracker-files.js'
import { replay, type ReplayedLog, type Restored, restoreSnapshot } from './tracker-replay.js'

/** Snapshots are taken anew at the bases of so many segments, the last ones. */
const lateSegments = 2

/** Whose state it is, and what there is of it on the disk. */
interface Tracked {
  readonly tracker: LogTracker
  readonly files: TrackerFiles
  /** Ascending; those up to `to` can be used. */
  readonly snapshots: readonly number[]
  readonly to: number
}

/**
 * Gives a tracker the batches that recovery finds sound, so that they need not be read twice. When
 * recovery comes upon something odd, what the tracker knows is void, and the log is replayed.
 */
export class TrackerFeed {
  readonly #host: LogHost
  readonly #log: ReplayedLog
  readonly #how: Tracked
  readonly #aborted: { readonly entry: AbortedTransaction; readonly base: number }[] = []
  readonly #captured: Captured[] = []
  #restored: Omit<Restored, 'replayedBytes'> | undefined
  #replayedBytes = 0
  /** What lies below is in the snapshot. */
  #from = 0
  #base = -1
  #void = false

  /** `log`: before recovery; `how.to`: the recovery point, below which nothing is cut. */
  constructor(host: LogHost, log: ReplayedLog, how: Tracked) {
    this.#host = host
    this.#log = log
    this.#how = how
  }

  /** The batches from `offset` on come next; those from the snapshot up to there are replayed. */
  async begin(offset: number): Promise<void> {
    if (this.#restored !== undefined || this.#void) return
    const { firstOffset } = this.#log.segments
    this.#restored = await restoreSnapshot(this.#log, this.#how)
    this.#from = this.#restored.snapshot ?? firstOffset
    const range = { from: this.#from, to: offset }
    const before = await replay(this.#host, this.#log, range, (batch, bytes, at, base) =>
      this.apply(batch, bytes, at, base),
    )
    if (before.problems.length > 0) this.discard()
    this.#replayedBytes = before.bytes
  }

  /** A sound batch, with its bytes, which begin at `at`, and the base offset of its segment. */
  apply(batch: BatchSummary, bytes: Uint8Array, at: number, base: number): void {
    if (this.#void || batch.lastOffset < this.#from) return
    const { tracker } = this.#how
    if (base !== this.#base) {
      this.#base = base
      if (base >= this.#from) this.#capture(base)
    }
    this.#replayedBytes += batch.sizeInBytes
    const entry = tracker.apply(bytes, at, batch)
    tracker.settle()
    if (entry !== undefined) this.#aborted.push({ entry, base })
  }

  /** What came so far cannot be relied on, or something is missing. */
  discard(): void {
    this.#void = true
  }

  /** What the tracker knows now; undefined: nothing that can be used. */
  result() {
    if (this.#void || this.#restored === undefined) return undefined
    return {
      restored: { ...this.#restored, replayedBytes: this.#replayedBytes },
      from: this.#from,
      aborted: this.#aborted,
      captured: this.#captured,
    }
  }

  #capture(offset: number): void {
    const { segments } = this.#log
    if (segments.floor(offset) < Math.max(1, segments.count - lateSegments)) return
    this.#captured.push({ offset, make: this.#how.tracker.capture() })
  }
}
