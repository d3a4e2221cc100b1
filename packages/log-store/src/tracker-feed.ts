import type { BatchSummary } from './batch-format.js'
import type { LogHost } from './log-host.js'
import type { Captured } from './log-snapshots.js'
import type { AbortedTransaction } from './log-tracker.js'
import {
  replay,
  type ReplayedLog,
  type ReplayProblem,
  type Restored,
  restoreSnapshot,
  type Tracked,
} from './tracker-replay.js'

/**
 * Snapshots are taken anew at the bases of so many segments, the last ones. As Kafka: older ones
 * are not likely to be asked for.
 */
const lateSegments = 2

/** What a tracker knows after it has seen a log, and what came of that. */
export interface Fed {
  readonly restored: Restored
  /** What lies below was in the snapshot. */
  readonly from: number
  /** Transactions whose marker lies in the segment with base `base`. */
  readonly aborted: readonly { readonly entry: AbortedTransaction; readonly base: number }[]
  /** At the bases of the last segments, where there is no snapshot. */
  readonly captured: readonly Captured[]
}

/**
 * Gives a tracker the state of a log: that of the newest snapshot that can be used, then the
 * batches behind it. Those that recovery finds sound it hands over itself, so that they need not be
 * read twice; when it comes upon something odd, what the tracker knows is void.
 */
export class TrackerFeed {
  readonly #host: LogHost
  readonly #log: ReplayedLog
  readonly #how: Tracked
  readonly #aborted: { entry: AbortedTransaction; base: number }[] = []
  readonly #captured: Captured[] = []
  #restored: Omit<Restored, 'replayedBytes'> | undefined
  #replayedBytes = 0
  /** What lies below is in the snapshot. */
  #from = 0
  #base = -1
  #void = false

  /** `how.to`: below it nothing is going to be cut. */
  constructor(host: LogHost, log: ReplayedLog, how: Tracked) {
    this.#host = host
    this.#log = log
    this.#how = how
  }

  /**
   * The batches from `offset` on come next; those from the snapshot up to there are replayed.
   * Answers what had to be left out.
   */
  async begin(offset: number): Promise<readonly ReplayProblem[]> {
    if (this.#restored !== undefined || this.#void) return []
    const { firstOffset } = this.#log.segments
    this.#restored = await restoreSnapshot(this.#log, this.#how)
    this.#from = this.#restored.snapshot ?? firstOffset
    const range = { from: this.#from, to: offset }
    const before = await replay(this.#host, this.#log, range, (batch, bytes, at, base) =>
      this.apply(batch, bytes, at, base),
    )
    this.#replayedBytes = before.bytes
    return before.problems
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
  result(): Fed | undefined {
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
    const isLate = segments.floor(offset) >= Math.max(1, segments.count - lateSegments)
    if (!isLate || this.#how.snapshots.includes(offset)) return
    this.#captured.push({ offset, make: this.#how.tracker.capture() })
  }
}
