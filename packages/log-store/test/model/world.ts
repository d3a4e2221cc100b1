// A directory of logs on a disk that fails and forgets, beside what it is expected to hold.
import { EmbeddedLog } from '../../src/embedded-log'
import {
  type CrashOutcome,
  type Fault,
  faultyFileSystem,
  type Log,
  type LogDirectory,
  openLogDirectory,
} from '../../src/index'
import { halt } from '../support/halt'
import { ManualClock } from '../support/manual-clock'
import { settle } from '../support/records'
import type { Accepted, Appending } from './appends'
import { accepted, append, appendEmbedded, encode, makeRecords, replicate } from './appends'
import { loseIndex, repairAll } from './between-runs'
import { ExpectedLog } from './expected-log'
import { Follower } from './follower'
import { laterStarts, ModelLog, readLog } from './model-log'
import type { Operation } from './operations'
import { codeOf, isDiskFailure, requireSame, whileFlushing } from './requirements'
import { verifyLog } from './verify-log'

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>

const embeddedName = 'b-0'
const gapsName = 'gaps-0'
const names = ['a-0', embeddedName, gapsName]
const defaults = {
  segmentBytes: 580,
  indexIntervalBytes: 60,
  fileDeleteDelayMs: 10,
  retentionMs: -1,
}
/** A promise that takes longer than so many turns of the event loop hangs. */
const patience = 2000
/** So often a log is looked at again when the background compacts it meanwhile. */
const looks = 20

export class World {
  readonly #disk = faultyFileSystem()
  #clock = new ManualClock()
  #directory!: LogDirectory
  readonly #expected = new Map(names.map((name) => [name, new ExpectedLog(name)]))
  #embedded = new WeakMap<Log, EmbeddedLog>()
  readonly #epochs = new Map<string, number>()
  #followers: Follower[] = []
  #outcome: CrashOutcome = 'lose-unsynced'
  /** What is to fail, from the next operation on. */
  #fault: Fault | undefined
  #poisonNoted = false
  /** Something failed since the directory was opened. */
  #failed = false
  /** Something may have failed or been lost: an index may be missing, which does no harm. */
  #everFaulty = false
  #step = 0

  async start(): Promise<void> {
    await this.#open()
  }

  /** Ends cleanly, and looks once more at what a clean end leaves. */
  async end(): Promise<void> {
    await this.do({ kind: 'reopen', repair: false })
    // A stop that has not come yet does not come any more.
    this.#disk.crashAt(0)
    await this.#directory.close()
  }

  async do(operation: Operation): Promise<void> {
    this.#step++
    try {
      await this.#attempt(operation)
    } catch (error) {
      if (!this.#disk.stopped) throw error
    }
    const closing = operation.kind === 'reopen'
    if (this.#disk.stopped) await this.#crash(this.#outcome, { closing })
  }

  async #attempt(operation: Operation): Promise<void> {
    let failure: Error | undefined
    try {
      await this.#within(this.#perform(operation))
    } catch (error) {
      failure = error as Error
    }
    await settle(8)
    if (this.#disk.stopped) return
    if (this.#faulty) this.#failed = true
    const failing = this.#faulty || (this.#poisoned && this.#failed)
    if (failure !== undefined && !(failing && isDiskFailure(failure))) throw failure
    // It strikes the next operation, not the look at this one.
    if (operation.kind === 'fail') return
    this.#clearFaults()
    this.#notePoison()
    await this.#verify()
  }

  /** Waits, moving the clock on: some things are tried again after a while. */
  async #within(work: Promise<void>): Promise<void> {
    const state = { done: false }
    const finished = work.finally(() => {
      state.done = true
    })
    finished.catch(() => undefined)
    for (let turn = 0; !state.done; turn++) {
      if (turn > patience) throw new Error('hangs')
      await settle(1)
      if (turn % 20 === 19 && !state.done) this.#clock.advance(100)
    }
    await finished
  }

  async #perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'append':
      case 'replicate':
        return this.#append(operation)
      case 'truncate':
      case 'deleteBefore':
      case 'retain':
        return this.#shorten(operation)
      case 'compact':
        return this.#compact(operation)
      case 'delete':
        return this.#delete(nameOf(operation))
      case 'reopen':
        return this.#reopen(operation)
      case 'checkpoint':
        return this.#poisoned ? undefined : this.#directory.checkpoint()
      case 'wait':
        return this.#clock.advance(operation.ms)
      case 'crash':
        return this.#crash(operation.outcome, { exactly: operation.outcome === 'keep-unsynced' })
      case 'crashSoon':
        this.#outcome = operation.outcome
        return this.#disk.crashAt(operation.mutation)
      case 'fail':
        return this.#fail(operation)
      default:
        return this.#touch(operation)
    }
  }

  async #touch(
    operation: Of<'roll' | 'flush' | 'assignEpoch' | 'configure' | 'follow' | 'scrub'>,
  ): Promise<void> {
    if (this.#poisoned) return
    const { log, embedded, expected } = await this.#log(nameOf(operation))
    const { kind } = operation
    if (kind === 'roll') log.roll()
    else if (kind === 'flush') {
      await embedded.flush()
      requireSame('flushed', log.recoveryPoint, log.logEndOffset)
      expected.promise(log.logEndOffset)
    } else if (kind === 'assignEpoch') log.assignEpoch(this.#epoch(log.name, true))
    else if (kind === 'follow') {
      const from = offsetAt(operation.share, log.logStartOffset, log.logEndOffset)
      const durability = operation.durability ?? undefined
      this.#followers.push(new Follower(log, embedded, { from, durability }))
    } else if (kind === 'scrub') {
      const { damaged, unreadable } = await this.#directory.scrub(log.name)
      requireSame('damage', damaged, [])
      if (!this.#faulty) requireSame('unreadable', unreadable, [])
    } else {
      const { kind: _, log: __, ...options } = operation
      if (options.cleanupPolicy !== 'delete') this.#expectCompaction(expected, options)
      log.configure(options)
    }
  }

  async #append(operation: Of<'append' | 'replicate'>): Promise<void> {
    const { log, embedded, expected } = await this.#log(nameOf(operation))
    const batches = operation.batches.map((records) => makeRecords(records, this.#step))
    const wait = operation.kind === 'replicate' ? 'acknowledged' : operation.wait
    let appending: Accepted
    const attempt = (): Appending => {
      if (operation.kind === 'replicate') {
        const gap = log.name === gapsName ? operation.gap : 0
        const leaderEpoch = this.#epoch(log.name, false)
        return replicate(log, encode(batches), { gap, leaderEpoch })
      }
      if (log.name === embeddedName) return appendEmbedded(embedded, batches, wait)
      const leaderEpoch = this.#epoch(log.name, operation.newEpoch)
      return append(log, encode(batches), leaderEpoch, wait)
    }
    try {
      appending = await accepted(attempt)
    } catch (error) {
      const keyless = batches.flat().some(({ key }) => key === null)
      const refuses = log.options.cleanupPolicy !== 'delete' && batches.length === 1 && keyless
      if (refuses && codeOf(error) === 'KFK_STORE_INVALID_ARGUMENT') return
      throw error
    }
    expected.append(appending.batches)
    const { logEndOffset } = log
    await appending.settled
    const { flushMessages } = log.options
    if (wait === 'acknowledged') requireSame('acknowledged', log.acknowledgedOffset, logEndOffset)
    if (wait === 'written') requireSame('written', log.writtenOffset, logEndOffset)
    if (wait === 'durable') requireSame('durable', log.recoveryPoint, logEndOffset)
    if (wait === 'durable' || (wait === 'acknowledged' && flushMessages === 1)) {
      expected.promise(logEndOffset)
    }
  }

  /** Removes records at either end. */
  async #shorten(operation: Of<'truncate' | 'deleteBefore' | 'retain'>): Promise<void> {
    if (this.#poisoned) return
    const { log, embedded, expected } = await this.#log(nameOf(operation))
    const before = expected.model
    const { start, end } = before
    if (operation.kind === 'truncate') {
      const offset = Math.max(0, offsetAt(operation.share, start - 2, end))
      const cut = before.truncateTo(offset)
      // Below the start there may be the batch that holds it, or no file any more; and compaction
      // may be just about to remove the batch that holds it.
      const open = new ModelLog({ ...cut, start: Math.min(start, offset), end: offset })
      const empty = new ModelLog({ batches: [], start: offset, end: offset })
      const after = offset >= end ? [before] : [cut, ...(offset < start ? [empty] : [open])]
      const work = async () => {
        const cutting = whileFlushing(log, this.#step % 4, embedded.truncateTo(offset))
        requireSame('cut to', await cutting, log.logEndOffset)
      }
      // Where compaction has removed the end, the log is for a moment as long as its last record.
      const shortest = before.truncateTo((cut.batches.at(-1)?.last ?? -1) + 1)
      await expected.change(after, work, [shortest])
    } else if (operation.kind === 'deleteBefore') {
      const offset = offsetAt(operation.share, start, end)
      const work = async () => {
        requireSame('starts at', await embedded.deleteBefore(offset), log.logStartOffset)
      }
      // Whole segments go to make room for the note of where it starts.
      const between = laterStarts(before).filter((state) => state.start < offset)
      await expected.change([before.startAt(offset)], work, between)
    } else {
      const { retentionBytes, retentionMs, cleanupPolicy } = operation
      const usual = log.options
      if (cleanupPolicy !== 'delete') this.#expectCompaction(expected, usual)
      log.configure({ retentionBytes, retentionMs, cleanupPolicy })
      const deletes = cleanupPolicy !== 'compact'
      const acknowledged = log.acknowledgedOffset === end
      try {
        await expected.change(deletes ? laterStarts(before) : [before], () =>
          embedded.applyRetention(),
        )
      } finally {
        log.configure({ retentionBytes: -1, retentionMs: -1, cleanupPolicy: usual.cleanupPolicy })
      }
      if (deletes && retentionMs === 0 && acknowledged) {
        requireSame('what is too old', (await readLog(log, 5000)).records, [])
      }
    }
  }

  async #compact(operation: Of<'compact'>): Promise<void> {
    if (this.#poisoned) return
    const { log, embedded, expected } = await this.#log(nameOf(operation))
    const { all, deleteRetentionMs } = operation
    const usual = log.options
    if (all) {
      log.roll()
      await log.flush()
    }
    const fromMs = this.#clock.now()
    this.#expectCompaction(expected, { deleteRetentionMs })
    log.configure({
      deleteRetentionMs,
      cleanupPolicy: usual.cleanupPolicy === 'delete' ? 'compact' : usual.cleanupPolicy,
    })
    try {
      const { cleanedTo } = await embedded.compact()
      if (all) requireSame('all is clean', cleanedTo, log.logEndOffset)
      expected.requireCompacted(await readLog(log, 5000), { cleanedTo, fromMs })
    } finally {
      log.configure(usual)
    }
  }

  #expectCompaction(expected: ExpectedLog, options: { deleteRetentionMs: number }): void {
    expected.expectCompaction(this.#clock.now(), options.deleteRetentionMs)
  }

  async #delete(name: string): Promise<void> {
    if (this.#poisoned || !this.#directory.names().includes(name)) return
    const expected = this.#expected.get(name)!
    expected.states = [...expected.states, undefined]
    try {
      await this.#directory.delete(name)
      expected.states = [undefined]
    } finally {
      if (!this.#disk.stopped) await this.#endFollowers(name)
    }
  }

  #fail(operation: Of<'fail'>): void {
    const { partialWrite, ...fault } = operation
    this.#everFaulty = true
    const partial = fault.operation === 'write' && partialWrite !== null && { partialWrite }
    this.#fault = { ...fault, ...partial, path: '/data' }
    this.#disk.inject(this.#fault)
  }

  async #reopen({ repair, lostIndex }: Of<'reopen'>): Promise<void> {
    const directory = this.#directory
    // A log that could not be opened, as much as one that could not be closed, spoils it.
    const expectClean = !this.#poisoned && !this.#faulty && !this.#failed
    const embedded = this.#directory.get(embeddedName)
    try {
      if (embedded !== undefined) await this.#embedded.get(embedded)?.close()
      await directory.close()
    } catch (error) {
      await directory.close().catch(() => undefined)
      if (expectClean || !isDiskFailure(error)) throw error
    }
    await this.#endFollowers()
    const sound = !(repair && expectClean) || (await this.#repair(directory.names()))
    if (lostIndex && expectClean && (await loseIndex(this.#disk, directory.names(), lostIndex))) {
      this.#everFaulty = true
    }
    await this.#openAnyhow()
    if (!expectClean) for (const expected of this.#expected.values()) expected.reopenUnclean()
    if (expectClean && sound) requireSame('a clean start', this.#directory.cleanStart, true)
  }

  /** Finds nothing but indexes that a full disk has kept from being written. Answers whether. */
  async #repair(logs: readonly string[]): Promise<boolean> {
    const { indexIntervalBytes } = defaults
    const hasGaps = (name: string) => name === gapsName
    const sound = await repairAll(this.#disk, logs, { indexIntervalBytes, hasGaps })
    if (!this.#everFaulty) requireSame('sound after a clean close', sound, true)
    return sound
  }

  async #crash(
    outcome: CrashOutcome,
    { exactly = false, closing = false }: { exactly?: boolean; closing?: boolean } = {},
  ): Promise<void> {
    const durable = new Map<string, number>()
    for (const name of names) {
      const log = this.#directory.get(name)
      if (log !== undefined) durable.set(name, exactly ? log.writtenOffset : log.recoveryPoint)
    }
    this.#followers = []
    this.#clock = this.#clock.sameTime()
    await halt(this.#disk)
    this.#disk.crash(outcome)
    const failing = this.#fault
    if (failing !== undefined) {
      // It strikes recovery, and perhaps what ends after it.
      this.#disk.inject(failing)
      await this.#openAnyhow()
      await this.#directory.close().catch((error: unknown) => {
        if (!isDiskFailure(error)) throw error
      })
    }
    await this.#open()
    // The machine may have stopped when the marker was there already.
    if (!closing && failing === undefined)
      requireSame('a clean start', this.#directory.cleanStart, false)
    for (const [name, expected] of this.#expected) {
      const isThere = this.#directory.names().includes(name)
      const found = isThere ? await readLog(await this.#directory.open(name), 5000) : undefined
      expected.adopt(found, { nowMs: this.#clock.now(), durableOffset: durable.get(name) ?? 0 })
    }
    await this.#verify()
  }

  /** Should the disk fail meanwhile, then once more when it does not. */
  async #openAnyhow(): Promise<void> {
    const failing = this.#faulty
    const failure = await this.#open().catch((error: unknown) => error)
    const expected = failing && !this.#disk.stopped && isDiskFailure(failure)
    if (failure !== undefined && !expected) throw failure as Error
    this.#clearFaults()
    if (failure !== undefined) await this.#open()
    this.#failed = failing
  }

  #clearFaults(): void {
    this.#disk.clearFaults()
    this.#fault = undefined
  }

  async #open(): Promise<void> {
    this.#poisonNoted = false
    this.#failed = false
    this.#embedded = new WeakMap()
    this.#directory = await openLogDirectory('/data', {
      fileSystem: this.#disk,
      clock: this.#clock,
      defaults,
      hotTailBytes: 2000,
      maxOpenFiles: 4,
      checkpointMs: 1000,
      offsetGaps: (name) => name === gapsName,
      cleaner: { intervalMs: 50 },
    })
    for (const name of names) this.#embeddedOf(this.#directory.get(name))
  }

  async #log(name: string): Promise<{ log: Log; embedded: EmbeddedLog; expected: ExpectedLog }> {
    const expected = this.#expected.get(name)!
    if (!this.#directory.names().includes(name)) expected.create()
    const log = this.#directory.get(name) ?? (await this.#directory.open(name))
    expected.opened()
    return { log, embedded: this.#embeddedOf(log)!, expected }
  }

  /** One for each log, which is listened to from then on. */
  #embeddedOf(log: Log | undefined): EmbeddedLog | undefined {
    const known = log && this.#embedded.get(log)
    if (log === undefined || known !== undefined) return known
    const embedded = new EmbeddedLog(this.#directory, log, { ownsDirectory: false })
    this.#embedded.set(log, embedded)
    log.onRollback(({ endOffset }) => this.#expected.get(log.name)!.rollBack(endOffset))
    return embedded
  }

  /** The embedded log has one writer for good. */
  #epoch(name: string, next: boolean): number {
    const epoch = (this.#epochs.get(name) ?? 0) + (next && name !== embeddedName ? 1 : 0)
    this.#epochs.set(name, epoch)
    return epoch
  }

  get #faulty(): boolean {
    return this.#fault !== undefined
  }

  get #poisoned(): boolean {
    return this.#directory.poisoned !== undefined
  }

  #notePoison(): void {
    if (!this.#poisoned || this.#poisonNoted) return
    // Nothing else may make it so.
    if (!this.#failed) throw this.#directory.poisoned!
    this.#poisonNoted = true
    for (const [name, expected] of this.#expected) {
      const log = this.#directory.get(name)
      if (log !== undefined) expected.poison(log.writtenOffset)
    }
  }

  async #endFollowers(name?: string): Promise<void> {
    await settle(8)
    const failing = this.#poisoned || this.#failed
    for (const follower of this.#followers) {
      if (name === undefined || follower.log.name === name) follower.requireEnded(failing)
    }
    this.#followers = this.#followers.filter(({ log }) => name !== undefined && log.name !== name)
  }

  async #verify(): Promise<void> {
    for (const [name, expected] of this.#expected) {
      expected.requireListed(this.#directory.names().includes(name))
      const log = this.#directory.get(name)
      if (log !== undefined) await this.#look(log, expected)
    }
    const failing = this.#poisoned || this.#failed
    for (const follower of this.#followers) {
      follower.verify(this.#expected.get(follower.log.name)!.model, failing)
    }
  }

  async #look(log: Log, expected: ExpectedLog): Promise<void> {
    const certain = !this.#poisoned
    for (let left = looks; ; left--) {
      const { segments } = log.stats()
      const found = await readLog(log, [1, 200, 5000][this.#step % 3]!)
      const moment = { nowMs: this.#clock.now(), durableOffset: log.recoveryPoint }
      const model = expected.verify(found, moment, certain)
      try {
        return await verifyLog(log, this.#embeddedOf(log)!, { model, step: this.#step })
      } catch (error) {
        const again = await readLog(log, 5000)
        const moved =
          log.stats().segments !== segments || again.batches.length !== found.batches.length
        if (!moved || left === 0) throw error
      }
    }
  }
}

function nameOf(operation: { readonly log: number }): string {
  return names[operation.log]!
}

function offsetAt(share: number, from: number, to: number): number {
  return from + Math.round((to - from) * share)
}
