import { join } from 'node:path'
import type { CleanedSegment } from './cleaned-segment.js'
import { CleaningPace } from './cleaning-pace.js'
import { type CompactedLog, Compaction, type CompactionReport } from './compaction.js'
import { diagnostics } from './diagnostics.js'
import { StoreError } from './errors.js'
import { cleanedSuffix } from './file-names.js'
import type { HotTail } from './hot-tail.js'
import type { LogHost } from './log-host.js'
import type { SegmentRemover } from './segment-files.js'
import type { SegmentList } from './segment-list.js'
import { type Swap, swapSegments } from './segment-swap.js'
import type { Segment } from './segment.js'

/** What one compaction is to do; see `CompactionPlan`. */
export interface CompactionRequest {
  readonly firstDirtyOffset: number
  readonly limitOffset: number
  readonly dedupeBufferBytes: number
  readonly ioBytesPerSecond: number
  readonly nowMs: number
  onCleaned(offset: number): Promise<void>
}

interface ChangingLog extends CompactedLog {
  segments: SegmentList
  readonly truncations: number
}

interface CompactionParts {
  readonly remover: SegmentRemover
  readonly tail: HotTail
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>
}

/** The compaction of one log: at most one at a time, and ended before the log is cut or closed. */
export class LogCompaction {
  readonly #host: LogHost
  readonly #log: ChangingLog
  readonly #parts: CompactionParts
  #running: { controller: AbortController; ended: Promise<unknown> } | undefined

  constructor(host: LogHost, log: ChangingLog, parts: CompactionParts) {
    this.#host = host
    this.#log = log
    this.#parts = parts
  }

  /**
   * Runs when the one before has ended. Rejects with a retriable KFK_STORE_CLOSED when the log was
   * cut, shortened or closed meanwhile, which changed nothing that was not swapped in whole.
   */
  async run(request: CompactionRequest): Promise<CompactionReport> {
    while (this.#running !== undefined) await this.#running.ended.catch(() => undefined)
    const controller = new AbortController()
    const ended = this.#run(request, controller.signal)
    const running = { controller, ended }
    this.#running = running
    try {
      return await ended
    } finally {
      this.#running = undefined
    }
  }

  /** Ends a compaction that is under way, before its next slice of work; waits until it has. */
  async end(reason: string): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    running.controller.abort(interrupted(this.#log.name, reason))
    await running.ended.catch(() => undefined)
  }

  async #run(request: CompactionRequest, signal: AbortSignal): Promise<CompactionReport> {
    const host = this.#host
    const log = this.#log
    const { truncations } = log
    const firstOffset = log.segments.firstOffset
    const changed = () =>
      log.truncations !== truncations || log.segments.firstOffset !== firstOffset
    try {
      await this.#removeLeftovers()
      // What is below the recovery point is not scanned after a crash, so it may have gaps.
      await host.checkpoint()
      const compaction = new Compaction(host, log, {
        ...request,
        pace: new CleaningPace(host.clock, { bytesPerSecond: request.ioBytesPerSecond, signal }),
        signal,
        swap: (cleaned: CleanedSegment, segment: Segment, group: readonly Segment[]) =>
          this.#parts.exclusively(async () => {
            signal.throwIfAborted()
            if (changed()) throw interrupted(log.name, 'it was shortened')
            await this.#swap({ cleaned, segment, group }, request.limitOffset)
          }),
      })
      const report = await compaction.run()
      this.#tell(request.firstDirtyOffset, report)
      return report
    } catch (error) {
      // A file that was cut or deleted under the reader says nothing of the disk.
      if (changed()) throw interrupted(log.name, 'it was shortened')
      throw error
    }
  }

  async #swap(
    swap: Pick<Swap, 'cleaned' | 'segment' | 'group'>,
    limitOffset: number,
  ): Promise<void> {
    const { remover, tail } = this.#parts
    const { fileDeleteDelayMs } = this.#log.options
    try {
      await swapSegments(this.#host, this.#log, { ...swap, remover, fileDeleteDelayMs })
    } finally {
      // What is gone from the files must not be read from memory.
      tail.dropBelow(limitOffset)
    }
  }

  #tell(firstDirtyOffset: number, report: CompactionReport): void {
    const { bytesBefore, bytesAfter, durationMs, cleanedTo } = report
    this.#host.metrics.noteCompaction(bytesBefore - bytesAfter, durationMs)
    if (!diagnostics.compaction.hasSubscribers) return
    diagnostics.compaction.publish({
      log: this.#log.name,
      path: this.#log.path,
      fromOffset: Math.min(firstDirtyOffset, cleanedTo),
      toOffset: cleanedTo,
      bytesBefore,
      bytesAfter,
      recordsBefore: report.recordsBefore,
      recordsAfter: report.recordsAfter,
      passes: report.passes,
      durationMs,
    })
  }

  /**
   * A `.cleaned` file from before would tell the next opening that a swap was not complete; see
   * interrupted-swaps.ts.
   */
  async #removeLeftovers(): Promise<void> {
    const { fileSystem } = this.#host
    const { path } = this.#log
    for (const { name } of await fileSystem.list(path)) {
      if (name.endsWith(cleanedSuffix)) await fileSystem.remove(join(path, name))
    }
  }
}

function interrupted(name: string, reason: string): StoreError {
  const message = `the compaction of ${name} was given up: ${reason}`
  return new StoreError('KFK_STORE_CLOSED', message, { retriable: true })
}
