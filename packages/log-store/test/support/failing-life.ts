// A life of a log directory in which calls fail: goes on as a client would, remembering what it was
// promised, and looks at everything afterwards.
import { frameFormat, openLogDirectory, StoreError } from '../../src/index'
import type {
  CrashOutcome,
  FaultyFileSystem,
  Log,
  LogDirectory,
  StoreReport,
} from '../../src/index'
import { ManualClock } from './manual-clock'
import { OffsetsTracker } from './offsets-tracker'
import { readAll, settle } from './records'
import { type WatchedFileSystem, watchedFileSystem } from './watched-file-system'

const path = '/data'
const defaults = {
  segmentBytes: 260,
  indexIntervalBytes: 60,
  fileDeleteDelayMs: 10,
  retentionMs: -1,
}

interface Known {
  /** What is at each offset now, as far as the client knows. */
  readonly texts: Map<number, string>
  acknowledged: number
  startAtLeast: number
  startAtMost: number
  /** Truncation was asked for down to here and may not have happened. */
  truncatedTo: number
  /** What may be there again if it has not. */
  readonly before: Map<number, string>
  deleting: boolean
}

export class FailingLife {
  /** Of the present opening. */
  watched: WatchedFileSystem
  readonly reports: StoreReport[] = []
  /** Codes of the errors that steps ended with. */
  readonly errors: StoreError[] = []
  poisoned = false
  readonly #fileSystem: FaultyFileSystem
  readonly #clock = new ManualClock()
  readonly #known = new Map<string, Known>()
  #directory: LogDirectory | undefined
  #count = 0

  constructor(fileSystem: FaultyFileSystem) {
    this.#fileSystem = fileSystem
    this.watched = watchedFileSystem(fileSystem)
  }

  /** The whole of it. `crash`: the power goes at the end, instead of a close. */
  async run(crash: CrashOutcome | undefined): Promise<void> {
    await this.#workload()
    this.poisoned = this.#directory?.poisoned !== undefined
    this.#fileSystem.clearFaults()
    const { retriedSyncs } = this.watched
    if (retriedSyncs.length > 0) throw new Error(`synced again: ${retriedSyncs.join()}`)
    await this.#look(this.#directory, 'while running')
    if (this.#directory !== undefined) await this.#appendsGoOn(this.#directory)
    if (crash !== undefined) this.#fileSystem.crash(crash)
    else if (this.#directory !== undefined) await this.#stop()
    const clean = crash === undefined && !this.poisoned
    this.#directory = undefined
    await this.#open()
    const reopened = this.#directory as LogDirectory | undefined
    if (reopened === undefined) throw new Error(`does not open again: ${this.errors.at(-1)}`)
    // Only a stop without a word of failure may be a clean one; and after a crash there is none.
    if (reopened.cleanStart && !clean) throw new Error('found clean after a failure')
    await this.#look(reopened, 'after the restart')
    await this.#appendsGoOn(reopened)
    await this.#stop()
  }

  async #workload(): Promise<void> {
    for (let attempt = 0; attempt < 2 && this.#directory === undefined; attempt++) {
      await this.#open()
    }
    if (this.#directory === undefined) return
    await this.#append('a-0', 6)
    await this.#append('b-0', 2)
    await this.#try((directory) => directory.checkpoint())
    await this.#append('a-0', 5)
    await this.#truncate('a-0', 3)
    await this.#append('a-0', 4)
    await this.#advanceStart('a-0', 5)
    await this.#append('b-0', 4)
    await this.#retain('b-0')
    await this.#delete('b-0')
    await this.#append('c-0', 3)
    await this.#advanceStart('c-0', 3)
    await this.#cutBelowStart('c-0')
    await this.#append('c-0', 2)
    await this.#try((directory) => directory.checkpoint())
    this.#clock.advance(20)
    await settle(2)
  }

  async #open(): Promise<void> {
    this.watched = watchedFileSystem(this.#fileSystem)
    try {
      this.#directory = await this.#bounded(
        openLogDirectory(path, {
          fileSystem: this.watched,
          clock: this.#clock,
          defaults,
          tracker: (name) => (name === 'a-0' ? new OffsetsTracker() : undefined),
          onReport: (report) => this.reports.push(report),
        }),
      )
    } catch (error) {
      this.#note(error)
    }
  }

  async #stop(): Promise<void> {
    const directory = this.#directory!
    try {
      await this.#bounded(directory.close())
    } catch (error) {
      this.#note(error)
      this.poisoned = true
    }
    await settle(3)
    if (this.watched.openPaths.size > 0) {
      throw new Error(`left open: ${[...this.watched.openPaths].join()}`)
    }
    const { calls } = this.watched
    this.#clock.advance(1_000)
    await settle(3)
    if (this.watched.calls !== calls) throw new Error('goes on after the close')
  }

  /** A step that may fail, with an error of this package. */
  async #try<Result>(
    step: (directory: LogDirectory) => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await this.#bounded(step(this.#directory!))
    } catch (error) {
      this.#note(error)
      return undefined
    }
  }

  #note(error: unknown): void {
    if (!(error instanceof StoreError)) throw error
    if (error.code === 'KFK_STORE_CORRUPT') throw error
    this.errors.push(error)
  }

  /** Nothing may hang, whatever failed. */
  async #bounded<Result>(work: Promise<Result>): Promise<Result> {
    const state = { done: false }
    const ended = () => (state.done = true)
    work.then(ended, ended)
    for (let turn = 0; !state.done; turn++) {
      if (turn === 400) throw new Error('hangs')
      await settle(1)
      if (turn > 20) this.#clock.advance(50)
    }
    return work
  }

  async #log(name: string): Promise<Log | undefined> {
    const log = await this.#try((directory) => directory.open(name))
    if (log === undefined || this.#known.has(name)) return log
    const known: Known = {
      texts: new Map(),
      acknowledged: 0,
      startAtLeast: 0,
      startAtMost: 0,
      truncatedTo: Number.MAX_SAFE_INTEGER,
      before: new Map(),
      deleting: false,
    }
    this.#known.set(name, known)
    this.#follow(log, known)
    return log
  }

  #follow(log: Log, known: Known): void {
    log.onAcknowledged((offset) => (known.acknowledged = offset))
    log.onRollback(({ endOffset }) => {
      if (known.acknowledged > endOffset) throw new Error('rolled back below the acknowledged')
      for (const offset of [...known.texts.keys()]) {
        if (offset >= endOffset) known.texts.delete(offset)
      }
    })
  }

  async #append(name: string, count: number): Promise<void> {
    const log = await this.#log(name)
    if (log === undefined) return
    const known = this.#known.get(name)!
    for (let n = 0; n < count; n++) {
      const text = `${this.#count++}:`.padEnd(6 + (this.#count % 17), 'x')
      try {
        const frame = frameFormat.encode(Buffer.from(text), { timestamp: 1_000 + this.#count })
        known.texts.set(log.append(frame, { leaderEpoch: 1 }).baseOffset, text)
      } catch (error) {
        this.#note(error)
      }
      if (n % 3 === 2) await this.#try(() => log.whenAcknowledged(log.logEndOffset))
    }
    await this.#try(() => log.whenAcknowledged(log.logEndOffset))
  }

  async #truncate(name: string, count: number): Promise<void> {
    const log = await this.#log(name)
    if (log === undefined) return
    const known = this.#known.get(name)!
    await this.#cut(log, known, Math.max(log.logStartOffset, log.logEndOffset - count))
  }

  /** Where the log starts may have been noted, or not. */
  async #cutBelowStart(name: string): Promise<void> {
    const log = await this.#log(name)
    if (log === undefined) return
    const known = this.#known.get(name)!
    const offset = Math.max(0, log.logStartOffset - 2)
    known.startAtLeast = Math.min(known.startAtLeast, offset)
    await this.#cut(log, known, offset)
  }

  async #cut(log: Log, known: Known, offset: number): Promise<void> {
    known.acknowledged = Math.min(known.acknowledged, offset)
    for (const [at, text] of known.texts) if (at >= offset) known.before.set(at, text)
    await this.#try(() => log.truncateTo(offset))
    if (log.logEndOffset > offset) return
    for (const at of known.before.keys()) known.texts.delete(at)
  }

  async #advanceStart(name: string, count: number): Promise<void> {
    const log = await this.#log(name)
    if (log === undefined) return
    const known = this.#known.get(name)!
    const offset = Math.min(log.logStartOffset + count, log.writtenOffset)
    known.startAtMost = Math.max(known.startAtMost, offset)
    const failed = this.errors.length
    await this.#try(() => log.advanceLogStart(offset))
    if (this.errors.length === failed) known.startAtLeast = offset
  }

  async #retain(name: string): Promise<void> {
    const log = await this.#log(name)
    if (log === undefined) return
    log.configure({ retentionBytes: 200 })
    this.#known.get(name)!.startAtMost = log.logEndOffset
    await this.#try((directory) => directory.applyRetention())
  }

  async #delete(name: string): Promise<void> {
    const known = this.#known.get(name)
    if (known === undefined) return
    known.deleting = true
    known.acknowledged = 0
    await this.#try((directory) => directory.delete(name))
  }

  /** Every record that is promised is there, and nothing else. */
  async #look(directory: LogDirectory | undefined, when: string): Promise<void> {
    if (directory === undefined) return
    for (const [name, known] of this.#known) {
      if (!directory.names().includes(name)) {
        if (known.acknowledged > 0) throw new Error(`${when}: ${name} is gone`)
        continue
      }
      const log = directory.get(name) ?? (await this.#log(name))
      if (log === undefined) {
        // The one that could not be deleted is closed all the same.
        if (known.deleting) continue
        throw new Error(`${when}: ${name} cannot be opened: ${this.errors.at(-1)}`)
      }
      await this.#lookAt(log, known, `${when}: ${name}`)
    }
  }

  async #lookAt(log: Log, known: Known, where: string): Promise<void> {
    const { logStartOffset: start, logEndOffset: end } = log
    if (end < known.acknowledged) throw new Error(`${where} ends at ${end}: ${known.acknowledged}`)
    if (start > known.startAtMost || start < known.startAtLeast) {
      throw new Error(`${where} starts at ${start}`)
    }
    const found = await readAll(log)
    const { tracker } = log
    // A cut that poisoned half way may have left it behind; nobody appends to that log any more.
    const isCurrent = this.#directory?.poisoned === undefined
    if (tracker instanceof OffsetsTracker && isCurrent) {
      const tracked = tracker.offsets.filter((offset) => offset >= start)
      const same = tracked.join() === [...found.keys()].join()
      if (!same) throw new Error(`${where}: tracked ${tracked.join()}`)
    }
    if (found.size !== log.writtenOffset - start) throw new Error(`${where} has ${found.size}`)
    for (const [offset, text] of found) {
      const isKnown = known.texts.get(offset) === text || known.before.get(offset) === text
      const isPromised = offset < known.acknowledged
      if (!isKnown || (isPromised && known.texts.get(offset) !== text)) {
        throw new Error(`${where}: ${offset} is ${text}, not ${known.texts.get(offset)}`)
      }
    }
  }

  /** Without a failed sync there is no reason to refuse appends now; with one there is. */
  async #appendsGoOn(directory: LogDirectory): Promise<void> {
    for (const [name, known] of this.#known) {
      if (known.deleting) continue
      const log = await directory.open(name)
      if (directory.poisoned !== undefined) {
        let refused: unknown
        try {
          log.append(frameFormat.encode(Buffer.from('refused')), { leaderEpoch: 1 })
        } catch (error) {
          refused = error
        }
        if (!(refused instanceof StoreError)) throw new Error(`${name} takes appends, poisoned`)
        continue
      }
      this.#follow(log, known)
      for (const at of [...known.texts.keys()]) {
        if (at >= log.logEndOffset) known.texts.delete(at)
      }
      const baseOffset = await this.#appendAgain(log)
      known.texts.set(baseOffset, 'on')
      await this.#bounded(log.whenAcknowledged(baseOffset + 1))
    }
  }

  /** A log that was cut below its start refuses appends until that is noted, which they set off. */
  async #appendAgain(log: Log): Promise<number> {
    const frame = frameFormat.encode(Buffer.from('on'))
    for (let turn = 0; ; turn++) {
      try {
        return log.append(frame, { leaderEpoch: 1 }).baseOffset
      } catch (error) {
        const passes = error instanceof StoreError && error.retriable
        if (!passes || turn === 100) throw error
        await settle(2)
        this.#clock.advance(50)
      }
    }
  }
}
