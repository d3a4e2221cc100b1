/** A log that can be written or synced as one job. */
export interface Syncable {
  /** Starts one sync of all that is written now; `done` when it ended, however it ended. */
  startSync(done: () => void): void
  /** There is more to sync than the last job covered. */
  readonly needsSync: boolean
}

/**
 * Group commit. Each log has at most one sync in flight; whoever comes meanwhile shares the next
 * one.
 * Over all logs at most `maxConcurrent` run, so that a thousand dirty logs leave the thread pool
 * usable;
 * waiting logs take turns.
 */
export class SyncScheduler {
  readonly #maxConcurrent: number
  readonly #waiting = new Set<Syncable>()
  readonly #running = new Set<Syncable>()

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = Math.max(1, maxConcurrent)
  }

  request(log: Syncable): void {
    if (this.#waiting.has(log)) return
    this.#waiting.add(log)
    if (this.#running.size < this.#maxConcurrent) this.#startNext()
  }

  #startNext(): void {
    for (const log of this.#waiting) {
      if (this.#running.size >= this.#maxConcurrent) return
      if (this.#running.has(log)) continue
      this.#waiting.delete(log)
      if (!log.needsSync) continue
      this.#running.add(log)
      log.startSync(() => {
        this.#running.delete(log)
        this.#startNext()
      })
    }
  }
}

/** A log with queued appends. */
export interface Writable {
  flushNow(): void
}

/**
 * Writes what was queued in a turn of the event loop at its end: one vectored write per log,
 * however
 * many connections appended.
 */
export class WriteScheduler {
  // A set: a log that is written at once, again and again, within one turn must not pile up here.
  readonly #queued = new Set<Writable>()
  #scheduled = false

  /** To be called when the queue of a log stops being empty. */
  request(log: Writable): void {
    this.#queued.add(log)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  readonly #run = () => {
    this.#scheduled = false
    const logs = [...this.#queued]
    this.#queued.clear()
    for (const log of logs) {
      try {
        log.flushNow()
      } catch (error) {
        // A listener's bug: it must surface, but not keep other logs from being written.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
