import { tellOne } from './listeners.js'

/** Where a log stands with the scheduler. `again`: asked for while its sync runs. */
export type SyncState = 'idle' | 'waiting' | 'running' | 'again'

/** A log that can be written or synced as one job. */
export interface Syncable {
  /** Belongs to the scheduler; 'idle' at first. */
  syncState: SyncState
  /**
   * Starts one sync of all that is written now; `done` when it ended, however it ended, and before
   * anybody is told of it: the next one may run meanwhile.
   */
  startSync(done: () => void): void
  /** There is more to sync than the last job covered. */
  readonly needsSync: boolean
}

/** So many entries that have had their turn are cut off at once. */
const cutAbove = 1024

/**
 * Group commit. Each log has at most one sync in flight; whoever comes meanwhile shares the next
 * one. Over all logs at most `maxConcurrent` run, so that a thousand dirty logs leave the thread
 * pool usable; waiting logs take turns.
 */
export class SyncScheduler {
  readonly #maxConcurrent: number
  // From `#head` on. Not a set: one that is emptied at its front gets slow to look into.
  #waiting: (Syncable | undefined)[] = []
  #head = 0
  #running = 0
  #starting = false

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = Math.max(1, maxConcurrent)
  }

  request(log: Syncable): void {
    if (log.syncState === 'running') log.syncState = 'again'
    if (log.syncState !== 'idle') return
    this.#enqueue(log)
    this.#startNext()
  }

  #enqueue(log: Syncable): void {
    log.syncState = 'waiting'
    this.#waiting.push(log)
  }

  #startNext(): void {
    // A sync that ends at once, as those of closed files do when no handle is left, comes here.
    if (this.#starting) return
    this.#starting = true
    while (this.#running < this.#maxConcurrent && this.#head < this.#waiting.length) {
      const log = this.#waiting[this.#head]!
      this.#waiting[this.#head++] = undefined
      log.syncState = 'idle'
      if (log.needsSync) this.#start(log)
    }
    this.#starting = false
    if (this.#head === this.#waiting.length) this.#waiting.length = this.#head = 0
    else if (this.#head > cutAbove) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
  }

  #start(log: Syncable): void {
    log.syncState = 'running'
    this.#running++
    log.startSync(() => {
      this.#running--
      const again = log.syncState === 'again'
      log.syncState = 'idle'
      if (again) this.#enqueue(log)
      this.#startNext()
    })
  }
}

/** A log with queued appends. */
export interface Writable {
  /** Belongs to the scheduler; false at first. */
  awaitsWrite: boolean
  flushNow(): void
}

const flushNow = (log: Writable): void => log.flushNow()

/**
 * Writes what was queued in a turn of the event loop at its end: one vectored write per log,
 * however many connections appended.
 */
export class WriteScheduler {
  #queued: Writable[] = []

  /** To be called when the queue of a log stops being empty. */
  request(log: Writable): void {
    // A log that is written at once, again and again, within one turn must not pile up here.
    if (log.awaitsWrite) return
    log.awaitsWrite = true
    if (this.#queued.push(log) === 1) setImmediate(this.#run)
  }

  readonly #run = () => {
    const logs = this.#queued
    this.#queued = []
    for (const log of logs) {
      log.awaitsWrite = false
      // What a listener throws must not keep other logs from being written.
      tellOne(flushNow, log)
    }
  }
}
