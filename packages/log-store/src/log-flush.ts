import { diagnostics } from './diagnostics.js'
import { delayedSync, ioError, isOutOfHandles, isOutOfSpace, type StoreError } from './errors.js'
import type { Syncable } from './flush-scheduler.js'
import { syncFile } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import type { LogTracking } from './log-tracking.js'
import { OffsetWaiters } from './offset-waiters.js'
import type { OffsetGaps } from './offset-gaps.js'
import type { LogOptions } from './options.js'
import type { NotedLog } from './recovery-notes.js'
import type { SegmentList } from './segment-list.js'
import { persistIndexes } from './segment-files.js'
import type { Segment } from './segment.js'

/** What flushing needs to know of its log. */
interface FlushedLog extends Syncable, NotedLog {
  readonly path: string
  readonly options: LogOptions
  readonly segments: SegmentList
  readonly tracking: LogTracking | undefined
  readonly writtenOffset: number
  /** Moves on what may be acknowledged; answers how many had waited for it. */
  acknowledge(): number
  /** Smallest offset whose acknowledgement somebody waits for. */
  readonly lowestAwaited: number
  /** Rejects those who wait for the acknowledgement of what is written: it may take long. */
  tellDelay(error: StoreError): void
  readonly offsetGaps: OffsetGaps
}

const none: readonly [] = []
/** Until somebody has closed a file, or made room. */
const retryMs = 100
/** So often before those who wait are told. */
const quietRetries = 10

interface Waiter {
  readonly offset: number
  /** Only later syncs than so many count: a file was cut back, and no record tells of it. */
  readonly after: number
  readonly resolve: () => void
  readonly reject: (error: StoreError) => void
}

/** A sync failed before it began. */
class NothingSynced extends Error {}

/**
 * Durability of one log. `recoveryPoint` moves only when data, and whatever it depends on to be
 * found again (sealed segments before it, names in the directory), are on the medium.
 */
export class LogFlush {
  recoveryPoint: number
  syncs = 0
  /** What a failed write had left was cut off, at least once. */
  wasCutBack = false
  readonly #host: LogHost
  readonly #log: FlushedLog
  /** Rolled since the last sync, oldest first. */
  #sealed: readonly Segment[] = none
  /** Names in the log's directory changed. */
  #directoryDirty = false
  #unsyncedRecords = 0
  #unsyncedBytes = 0
  /** A sync was asked for, whatever `flushMessages` says. */
  #wanted = false
  #timer: { cancel(): void } | undefined
  /** Undefined: nobody waits. So below. */
  #waiters: Waiter[] | undefined
  /** Who waits for the medium whatever the settings say; made when somebody does. */
  #durable: OffsetWaiters | undefined
  #failure: StoreError | undefined
  /** Syncs in a row that could not even begin. */
  #retries = 0
  /** Until the next try. Whoever comes meanwhile waits for it. */
  #retry: { readonly timer: { cancel(): void }; readonly keepsAlive: boolean } | undefined
  #syncing = false
  /** How many syncs had begun when a file was cut back that none has covered since. */
  #cutBackAt: number | undefined
  #idle: (() => void)[] | undefined
  /** Where the log is being cut. */
  #heldAt: number | undefined

  constructor(host: LogHost, log: FlushedLog, recoveryPoint: number) {
    this.#host = host
    this.#log = log
    this.recoveryPoint = recoveryPoint
  }

  /** What a checkpoint may say is on the medium for good. */
  get checkpointPoint(): number {
    return Math.min(this.recoveryPoint, this.#heldAt ?? this.recoveryPoint)
  }

  get needsSync(): boolean {
    if (this.#failure !== undefined || this.#heldAt !== undefined) return false
    if (this.#retry !== undefined) return false
    if (this.#wanted) return true
    const lowest = this.#durable?.lowest ?? Number.MAX_SAFE_INTEGER
    // Whoever waits for less is about to be told.
    if (lowest > this.recoveryPoint && lowest <= this.#log.writtenOffset) return true
    return this.#unsyncedRecords >= this.#log.options.flushMessages
  }

  /** Records were written: start or join a group commit, by the log's settings. */
  noteWritten(records: number, bytes: number): void {
    this.#unsyncedRecords += records
    this.#unsyncedBytes += bytes
    this.wake()
  }

  /** Settings changed, or there is something to sync. */
  wake(): void {
    if (this.#retry !== undefined) this.noteWaiting()
    else if (this.needsSync) this.#host.syncs.request(this.#log)
    else if (this.#unsyncedRecords > 0) this.#startTimer()
  }

  /** `flushMs` is shorter now: the next `wake` starts its time anew. */
  hurry(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Somebody waits: the process must not end before the next try of a sync. */
  noteWaiting(): void {
    if (this.#retry?.keepsAlive === false && this.#isAwaited()) this.#tryLater()
  }

  /** Offsets are about to be missing: the next sync makes that known first. */
  noteGaps(): void {
    this.#directoryDirty = true
    this.request()
  }

  /** What a failed write has left was cut off: until a sync a crash may bring it back. */
  noteCutBack(): void {
    this.wasCutBack = true
    this.#cutBackAt = this.syncs
    this.request()
  }

  /** The next sync covers it: `wake`, unless something is about to be written behind it. */
  noteRolled(segment: Segment): void {
    this.#sealed = [...this.#sealed, segment]
    this.#directoryDirty = true
    this.#wanted = true
  }

  /**
   * The log is about to be cut at `offset`: checkpoints say no more than that, and until `release`
   * no sync begins. It would take the old end for synced, or half of the cut for all of it.
   */
  hold(offset: number): void {
    this.#heldAt = offset
  }

  /** Everything from where the log is held on will have to be synced again. */
  cut(gone: readonly Segment[]): void {
    this.recoveryPoint = this.checkpointPoint
    this.#sealed = this.#sealed.filter((segment) => !gone.includes(segment))
    this.#directoryDirty = true
  }

  /** The cut is done, or given up. */
  release(): void {
    this.#heldAt = undefined
    this.wake()
  }

  request(): void {
    this.#wanted = true
    this.wake()
  }

  /** Resolves when all below `offset`, all names, and what was cut back, are on the medium. */
  through(offset: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const named = !this.#directoryDirty && this.#sealed.length === 0
    const settled = offset <= this.recoveryPoint && this.#cutBackAt === undefined
    if (named && !this.#syncing && settled) return Promise.resolve()
    return this.#wait(offset, this.#cutBackAt ?? 0)
  }

  /** The same for all that is written, by a sync that begins from now on: see `Waiter`. */
  all(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return this.#wait(this.#log.writtenOffset, this.syncs)
  }

  #wait(offset: number, after: number): Promise<void> {
    return new Promise((resolve, reject) => {
      ;(this.#waiters ??= []).push({ offset, after, resolve, reject })
      // The sync under way may do; if not, there is another for who waits still when it ends.
      if (!this.#syncing) this.request()
    })
  }

  /** Resolves when all below `offset`, be it appended yet or not, is on the medium. */
  whenDurable(offset: number, signal?: AbortSignal, group?: number): Promise<void> {
    if (offset <= this.recoveryPoint) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#durable ??= new OffsetWaiters()
    const durable = this.#durable.wait(offset, signal, group)
    this.wake()
    return durable
  }

  /** Rejects those who wait for more than `endOffset`: these records were never written. */
  rollBack(endOffset: number, error: StoreError): void {
    this.#durable?.rollBack(endOffset, error)
    // There may have been a roll for them.
    this.wake()
  }

  fail(error: StoreError): void {
    this.#failure ??= error
    this.#timer?.cancel()
    this.#retry?.timer.cancel()
    this.#retry = undefined
    this.#durable?.fail(error)
    for (const waiter of this.#waiters ?? none) waiter.reject(error)
    this.#waiters = undefined
  }

  /** Resolves when no sync is under way: from then on the files may be closed, moved or removed. */
  whenIdle(): Promise<void> {
    if (!this.#syncing) return Promise.resolve()
    return new Promise((resolve) => (this.#idle ??= []).push(resolve))
  }

  startSync(done: () => void): void {
    this.#syncing = true
    const target = this.#log.writtenOffset
    const active = this.#log.segments.active
    this.#timer?.cancel()
    this.#timer = undefined
    this.#wanted = false
    const bytes = this.#unsyncedBytes
    const sealedSegments = this.#sealed.length
    this.#unsyncedRecords = 0
    this.#unsyncedBytes = 0
    this.syncs++
    const startedMs = this.#host.clock.monotonicMs()
    const finish = (error?: unknown) => {
      this.#syncing = false
      if (error === undefined) {
        this.#retries = 0
        const durationMs = this.#host.clock.monotonicMs() - startedMs
        this.#host.metrics.noteSync(durationMs)
        const settled = this.#synced(target)
        // The disk goes on while all others who waited are told.
        done()
        const waiters = settled + this.#tell()
        if (diagnostics.flush.hasSubscribers) {
          const { name: log, path } = this.#log
          const { recoveryPoint } = this
          const synced = { recoveryPoint, bytes, waiters, sealedSegments, durationMs }
          diagnostics.flush.publish({ log, path, ...synced })
        }
      } else {
        this.#syncFailed(error, active)
        done()
      }
      this.#tellIdle()
    }
    if (this.#sealed.length > 0 || this.#directoryDirty) {
      this.#syncAll(active).then(() => finish(), finish)
    } else this.#syncOne(active, finish)
  }

  /** The common case, without a promise. */
  #syncOne(active: Segment, finish: (error?: unknown) => void): void {
    const { files } = this.#host
    let handle
    try {
      handle = files.pin(active.data)
    } catch (error) {
      finish(error)
      return
    }
    handle.syncData((error) => {
      files.unpin(active.data)
      finish(error ?? undefined)
    })
  }

  /** After a roll: oldest first, so that what survives a crash is a prefix; then the names. */
  async #syncAll(active: Segment): Promise<void> {
    const sealed = this.#sealed
    const directoryDirty = this.#directoryDirty
    this.#sealed = none
    this.#directoryDirty = false
    try {
      await this.#saveGaps()
      for (const segment of [...sealed, active]) await this.#syncSegment(segment)
      for (const segment of sealed) {
        await persistIndexes(this.#host, segment)
        await this.#log.tracking?.persist(segment.baseOffset)
      }
      if (directoryDirty || sealed.length > 0) {
        await this.#host.fileSystem.syncDirectory(this.#log.path)
      }
    } catch (error) {
      // Whatever of it could not be opened is tried again later, the names included.
      this.#sealed = [...sealed, ...this.#sealed]
      this.#directoryDirty = true
      throw error
    }
  }

  /** Before anything of the log is synced: a disk too full for it has lost nothing yet. */
  async #saveGaps(): Promise<void> {
    const { offsetGaps, path } = this.#log
    try {
      await offsetGaps.save()
    } catch (error) {
      if (!isOutOfSpace(error)) throw error
      const { message } = ioError(error, { action: 'note the missing offsets of', path })
      throw new NothingSynced(message, { cause: error })
    }
  }

  async #syncSegment(segment: Segment): Promise<void> {
    // What took its place was synced before that; the file itself may be gone.
    if (segment.retired) return
    const handle = this.#host.files.pin(segment.data)
    try {
      await syncFile(handle)
    } finally {
      this.#host.files.unpin(segment.data)
    }
  }

  /** Answers how many had waited for names as well: the next sync may begin with new ones. */
  #synced(target: number): number {
    // One that had begun before may have missed it.
    if (this.syncs > (this.#cutBackAt ?? this.syncs)) this.#cutBackAt = undefined
    if (target > this.recoveryPoint) {
      this.recoveryPoint = target
      this.#host.noteSynced(this.#log)
    }
    return this.#settleWaiters()
  }

  /** Answers how many had waited for what is on the medium now. */
  #tell(): number {
    const released = this.#durable?.release(this.recoveryPoint) ?? 0
    this.wake()
    return released + this.#log.acknowledge()
  }

  #tellIdle(): void {
    if (this.#syncing) return
    const idle = this.#idle
    this.#idle = undefined
    for (const resolve of idle ?? none) resolve()
  }

  #settleWaiters(): number {
    const waiters = this.#waiters
    if (waiters === undefined) return 0
    const clean = !this.#directoryDirty && this.#sealed.length === 0
    const waiting: Waiter[] = []
    for (const waiter of waiters) {
      const covered = waiter.offset <= this.recoveryPoint && waiter.after < this.syncs
      if (clean && covered) waiter.resolve()
      else waiting.push(waiter)
    }
    this.#waiters = waiting.length > 0 ? waiting : undefined
    if (waiting.length > 0) this.#wanted = true
    return waiters.length - waiting.length
  }

  #syncFailed(error: unknown, active: Segment): void {
    if (isOutOfHandles(error) || error instanceof NothingSynced) {
      // The file could not be opened, so nothing was synced and nothing is lost: later.
      this.#wanted = true
      if (++this.#retries >= quietRetries) this.#tellDelay(delayedSync(error as Error, active.path))
      if (this.#failure === undefined) this.#tryLater()
      return
    }
    // The kernel may have dropped the dirty pages with the error: a second try would report success
    // for bytes that are gone. So there is no second try.
    this.#host.poison(ioError(error, { action: 'sync', path: active.path }))
  }

  #tryLater(): void {
    this.#retry?.timer.cancel()
    const keepsAlive = this.#isAwaited()
    const tryAgain = () => {
      this.#retry = undefined
      this.wake()
    }
    const timer = this.#host.clock.setTimer(retryMs, tryAgain, { keepsAlive })
    this.#retry = { timer, keepsAlive }
  }

  /** Somebody waits for what the next sync will cover. */
  #isAwaited(): boolean {
    if (this.#waiters !== undefined) return true
    const durable = this.#durable?.lowest ?? Number.MAX_SAFE_INTEGER
    return Math.min(durable, this.#log.lowestAwaited) <= this.#log.writtenOffset
  }

  /** Nobody waits for ever: the records stay, and whoever waits once more may be luckier. */
  #tellDelay(error: StoreError): void {
    for (const waiter of this.#waiters ?? none) waiter.reject(error)
    this.#waiters = undefined
    this.#durable?.rollBack(this.recoveryPoint, error, this.#log.writtenOffset)
    this.#log.tellDelay(error)
  }

  #startTimer(): void {
    const { flushMs } = this.#log.options
    if (this.#timer !== undefined || flushMs === Number.MAX_SAFE_INTEGER) return
    this.#timer = this.#host.clock.setTimer(flushMs, () => {
      this.#timer = undefined
      this.request()
    })
  }
}
