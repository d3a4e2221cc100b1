// A directory of logs on a disk that fails and forgets, beside what it is expected to hold.
import {
  type CrashOutcome,
  faultyFileSystem,
  frameFormat,
  type Log,
  type LogDirectory,
  openLogDirectory,
  StoreError,
} from '../../src/index'
import { ManualClock } from '../support/manual-clock'
import { settle } from '../support/records'
import { Follower } from './follower'
import { decodeBatches, ModelLog, readLog } from './model-log'
import type { NewRecord, Operation } from './operations'
import { requireOneOf, requireSame, sameLog } from './requirements'
import { verifyLog } from './verify-log'

const names = ['a-0', 'b-0', 'gaps-0']
const defaults = {
  segmentBytes: 580,
  indexIntervalBytes: 60,
  fileDeleteDelayMs: 10,
  retentionMs: -1,
}
/** A promise that takes longer than so many turns of the event loop hangs. */
const patience = 2000

/** States that a log may be in; undefined: there is no such log. */
type States = readonly (ModelLog | undefined)[]

export class World {
  readonly #disk = faultyFileSystem()
  readonly #clock = new ManualClock()
  #directory: LogDirectory | undefined
  /** One state as a rule; more after a failure, until somebody looks. */
  readonly #states = new Map<string, States>()
  /** What a crash may bring back, for its removal has failed. */
  readonly #unsettled = new Map<string, readonly ModelLog[]>()
  readonly #epochs = new Map<string, number>()
  #followers: Follower[] = []
  #outcome: CrashOutcome = 'lose-unsynced'
  #faulty = false
  #poisonNoted = false
  /** Something failed since the directory was opened. */
  #failed = false
  #step = 0

  async start(): Promise<void> {
    await this.#open()
  }

  /** Ends cleanly, and looks once more at what a clean end leaves. */
  async end(): Promise<void> {
    await this.do({ kind: 'reopen' })
    await this.#directory!.close()
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
    if (failure !== undefined) {
      if (!this.#faulty || !isDiskFailure(failure)) throw failure
      this.#failed = true
    }
    if (operation.kind !== 'fail') {
      this.#disk.clearFaults()
      this.#faulty = false
    }
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
      case 'delete':
        return this.#delete(nameOf(operation))
      case 'reopen':
        return this.#reopen()
      case 'checkpoint':
        return this.#poisoned ? undefined : this.#directory!.checkpoint()
      case 'wait':
        return this.#clock.advance(operation.ms)
      case 'crash':
        return this.#crash(operation.outcome, { exactly: operation.outcome === 'keep-unsynced' })
      case 'crashSoon':
        this.#outcome = operation.outcome
        return this.#disk.crashAt(operation.mutation)
      case 'fail':
        this.#faulty = true
        return this.#disk.inject({ ...operation, path: '/data' })
      default:
        return this.#touch(operation)
    }
  }

  async #touch(
    operation: Extract<
      Operation,
      { kind: 'roll' | 'flush' | 'assignEpoch' | 'configure' | 'follow' }
    >,
  ): Promise<void> {
    if (this.#poisoned) return
    const log = await this.#log(nameOf(operation))
    const { kind } = operation
    if (kind === 'roll') log.roll()
    else if (kind === 'flush') {
      await log.flush()
      requireSame('flushed', log.recoveryPoint, log.logEndOffset)
    } else if (kind === 'assignEpoch') log.assignEpoch(this.#epoch(log.name, true))
    else if (kind === 'follow') {
      const from = offsetAt(operation.share, log.logStartOffset, log.logEndOffset)
      this.#followers.push(new Follower(this.#directory!, log, from))
    } else {
      const { segmentBytes, segmentMs, flushMessages, flushMs } = operation
      log.configure({ segmentBytes, segmentMs, flushMessages, flushMs })
    }
  }

  async #append(operation: Extract<Operation, { kind: 'append' | 'replicate' }>): Promise<void> {
    const log = await this.#log(nameOf(operation))
    const bytes = Buffer.concat(operation.batches.map((records) => this.#encode(records)))
    try {
      if (operation.kind === 'append') {
        log.append(bytes, { leaderEpoch: this.#epoch(log.name, operation.newEpoch) })
      } else this.#replicate(log, bytes, log.name === 'gaps-0' ? operation.gap : 0)
    } catch (error) {
      if (this.#poisoned && isDiskFailure(error)) return
      throw error
    }
    const appended = decodeBatches(bytes)
    this.#states.set(log.name, [this.#model(log.name).append(appended)])
    const unsettled = this.#unsettled.get(log.name)?.filter(({ end }) => end === appended[0]!.base)
    this.#unsettled.set(log.name, unsettled?.map((state) => state.append(appended)) ?? [])
    const { logEndOffset } = log
    if (operation.kind === 'replicate' || operation.wait === 'acknowledged') {
      await log.whenAcknowledged(logEndOffset)
      requireSame('acknowledged', log.acknowledgedOffset, logEndOffset)
    } else if (operation.wait === 'durable') {
      await log.whenDurable(logEndOffset)
      requireSame('durable', log.recoveryPoint, logEndOffset)
    } else if (operation.wait === 'written') {
      await log.whenWritten(logEndOffset)
      requireSame('written', log.writtenOffset, logEndOffset)
    }
  }

  #replicate(log: Log, bytes: Uint8Array, gap: number): void {
    let offset = log.logEndOffset + gap
    for (let at = 0; at < bytes.length;) {
      const stamp = { baseOffset: offset, leaderEpoch: this.#epoch(log.name, false) }
      frameFormat.stamp(bytes, at, stamp)
      offset = frameFormat.describe(bytes, at).lastOffset + 1 + gap
      at += frameFormat.sizeOf(bytes, at)
    }
    log.appendReplicated(bytes)
  }

  #encode(records: readonly NewRecord[]): Uint8Array {
    const made = records.map(({ timestamp, key, bytes }, index) => {
      const value = bytes === null ? null : `${this.#step}.${index} `.padEnd(bytes, 'x')
      return { timestamp, key, value }
    })
    return made.length === 1
      ? frameFormat.encode(made[0]!.value, made[0])
      : frameFormat.encodeAll(made, 0)
  }

  /** Removes records at either end. */
  async #shorten(
    operation: Extract<Operation, { kind: 'truncate' | 'deleteBefore' | 'retain' }>,
  ): Promise<void> {
    if (this.#poisoned) return
    const log = await this.#log(nameOf(operation))
    const before = this.#model(log.name)
    const { start, end } = before
    if (operation.kind === 'truncate') {
      const offset = Math.max(0, offsetAt(operation.share, start - 2, end))
      const cut = before.truncateTo(offset)
      // Below the start there may be the batch that holds it, or no file any more.
      const empty = new ModelLog({ batches: [], start: offset, end: offset })
      const after = offset < start ? [cut, empty] : [cut]
      await this.#change(log, before, { after, work: () => log.truncateTo(offset) })
    } else if (operation.kind === 'deleteBefore') {
      const offset = offsetAt(operation.share, start, end)
      const after = [before.startAt(offset)]
      await this.#change(log, before, { after, work: () => log.advanceLogStart(offset) })
    } else {
      const { retentionBytes } = operation
      log.configure({ retentionBytes })
      // A segment may begin with a batch, or with the gap before one.
      const starts = [start, ...before.batches.flatMap(({ base, last }) => [base, last + 1])]
      const after = starts.map((offset) => before.startAt(offset))
      await this.#change(log, before, { after, work: () => this.#directory!.applyRetention() })
      log.configure({ retentionBytes: -1 })
    }
  }

  /** If `work` fails, the log may be as before, or as after. */
  async #change(
    log: Log,
    before: ModelLog,
    change: { after: readonly ModelLog[]; work: () => Promise<unknown> },
  ): Promise<void> {
    this.#states.set(log.name, [before, ...change.after])
    const unsettled = this.#unsettled.get(log.name) ?? []
    this.#unsettled.set(log.name, [...unsettled, before])
    try {
      await change.work()
    } catch (error) {
      // What failed half way may yet be what a crash leaves: its first steps can be on the medium.
      this.#unsettled.set(log.name, [...this.#unsettled.get(log.name)!, ...change.after])
      throw error
    }
    // Nothing is made durable by what changes nothing.
    if (sameLog(before, change.after[0]!)) this.#unsettled.set(log.name, unsettled)
    else this.#unsettled.delete(log.name)
    this.#states.set(log.name, change.after)
  }

  async #delete(name: string): Promise<void> {
    if (this.#poisoned || !this.#directory!.names().includes(name)) return
    const states = this.#states.get(name) ?? [undefined]
    this.#states.set(name, [...states, undefined])
    await this.#directory!.delete(name)
    this.#states.set(name, [undefined])
    await this.#endFollowers(name)
  }

  async #reopen(): Promise<void> {
    const directory = this.#directory!
    // A log that could not be opened, as much as one that could not be closed, spoils it.
    const expectClean = !this.#poisoned && !this.#faulty && !this.#failed
    await directory.close().catch((error: unknown) => {
      if (expectClean || !isDiskFailure(error)) throw error
    })
    await this.#endFollowers()
    this.#disk.clearFaults()
    this.#faulty = false
    await this.#open()
    if (expectClean) requireSame('a clean start', this.#directory!.cleanStart, true)
  }

  async #crash(
    outcome: CrashOutcome,
    { exactly = false, closing = false }: { exactly?: boolean; closing?: boolean } = {},
  ): Promise<void> {
    const durable = new Map<string, number>()
    for (const name of names) {
      const log = this.#directory!.get(name)
      if (log !== undefined) durable.set(name, log.recoveryPoint)
      if (log !== undefined && exactly) durable.set(name, log.writtenOffset)
    }
    this.#followers = []
    this.#disk.crash(outcome)
    this.#faulty = false
    await settle(8)
    await this.#open()
    // The machine may have stopped when the marker was there already.
    if (!closing) requireSame('a clean start', this.#directory!.cleanStart, false)
    for (const name of names) await this.#adopt(name, durable.get(name) ?? 0)
    await this.#verify()
  }

  async #open(): Promise<void> {
    this.#poisonNoted = false
    this.#failed = false
    this.#directory = await openLogDirectory('/data', {
      fileSystem: this.#disk,
      clock: this.#clock,
      defaults,
      hotTailBytes: 2000,
      maxOpenFiles: 4,
      checkpointMs: 1000,
      offsetGaps: (name) => name === 'gaps-0',
    })
  }

  /** After a crash: takes what is there for the truth, once it is seen to be possible. */
  async #adopt(name: string, durable: number): Promise<void> {
    const states = this.#states.get(name) ?? [undefined]
    if (!this.#directory!.names().includes(name)) {
      requireOneOf(`${name} is gone`, undefined, states)
      this.#states.set(name, [undefined])
      return
    }
    const found = await readLog(await this.#listening(name), 5000)
    const possible = states.filter((state) => state !== undefined)
    possible.push(...(this.#unsettled.get(name) ?? []))
    this.#unsettled.delete(name)
    // Created, and the machine stopped before anything was appended.
    if (possible.length === 0) possible.push(ModelLog.empty)
    const lowest = Math.min(durable, ...possible.map(({ end }) => end))
    if (found.end < lowest) throw new Error(`${name} ends at ${found.end}, ${lowest} was durable`)
    const cut = possible.map((state) => state.truncateTo(found.end))
    requireOneOf(`${name} as found`, found, cut)
    this.#states.set(name, [cut.find((state) => sameLog(state, found))])
  }

  async #log(name: string): Promise<Log> {
    const known = this.#directory!.get(name)
    if (known !== undefined) return known
    const isNew = !this.#directory!.names().includes(name)
    if (isNew) requireOneOf(`${name} is gone`, undefined, this.#states.get(name) ?? [undefined])
    const log = await this.#listening(name)
    if (isNew) this.#states.set(name, [ModelLog.empty])
    return log
  }

  async #listening(name: string): Promise<Log> {
    const log = await this.#directory!.open(name)
    log.onRollback(({ endOffset }) => {
      this.#states.set(name, [this.#model(name).truncateTo(endOffset)])
    })
    return log
  }

  #model(name: string): ModelLog {
    return this.#states.get(name)?.[0] ?? ModelLog.empty
  }

  #epoch(name: string, next: boolean): number {
    const epoch = (this.#epochs.get(name) ?? 0) + (next ? 1 : 0)
    this.#epochs.set(name, epoch)
    return epoch
  }

  get #poisoned(): boolean {
    return this.#directory!.poisoned !== undefined
  }

  /** What had not been written is gone for now, and may be there after all at the next opening. */
  #notePoison(): void {
    if (!this.#poisoned || this.#poisonNoted) return
    this.#poisonNoted = true
    for (const name of names) {
      const log = this.#directory!.get(name)
      const states = this.#states.get(name)
      if (log === undefined || states === undefined) continue
      const kept = states.map((state) => state?.truncateTo(log.writtenOffset))
      this.#states.set(name, [...kept, ...states])
    }
  }

  async #endFollowers(name?: string): Promise<void> {
    await settle(8)
    for (const follower of this.#followers) {
      if (name === undefined || follower.log.name === name) follower.requireEnded(this.#poisoned)
    }
    this.#followers = this.#followers.filter(({ log }) => name !== undefined && log.name !== name)
  }

  async #verify(): Promise<void> {
    for (const name of names) {
      const states = this.#states.get(name)
      const log = this.#directory!.get(name)
      if (log === undefined || states === undefined) continue
      const found = await readLog(log, [1, 200, 5000][this.#step % 3]!)
      requireOneOf(`${name} as read`, found, states)
      const state = states.find((one) => one !== undefined && sameLog(one, found))!
      if (!this.#poisoned) this.#states.set(name, [state])
      // A cut that failed half-way has poisoned the log: its indexes still know what is gone.
      if (!this.#poisoned) await verifyLog(log, state, this.#step)
    }
    for (const follower of this.#followers) follower.verify(this.#model(follower.log.name))
  }
}

function nameOf(operation: { readonly log: number }): string {
  return names[operation.log]!
}

function offsetAt(share: number, from: number, to: number): number {
  return from + Math.round((to - from) * share)
}

function isDiskFailure(error: unknown): boolean {
  if (!(error instanceof StoreError)) return false
  return error.code === 'KFK_STORE_IO' || error.code === 'KFK_STORE_NO_SPACE'
}
