// A directory of two logs on a slow disk, and calls that run at the same time.
import { type CrashOutcome, faultyFileSystem, openLogDirectory } from '../../src/index'
import type { LogDirectory } from '../../src/index'
import { readLog } from '../model/model-log'
import { ManualClock } from '../support/manual-clock'
import { settle } from '../support/records'
import { Calls } from './calls'
import type { Call, History } from './history'
import { mayPoison, whyNotError } from './judgement'
import { type End, OpenedLogs } from './opened-logs'
import { SlowDisk } from './slow-disk'
import type { TrackedLog } from './tracked-log'

const names = ['a-0', 'b-0']
/** Records that each log begins with: some segments, and one. */
const prepared = [16, 4]
/** What has not ended after so many turns hangs. */
const patience = 3000
/** So long is looked whether anything goes on behind a close. */
const afterwards = 150

/** A call that was made. */
interface Pending {
  readonly call: Call
  done: boolean
}

/** Runs a history; rejects with the first thing that does not hold. */
export async function runHistory(history: History): Promise<void> {
  const disk = faultyFileSystem()
  const life = new SlowDisk(disk, 0)
  const clock = new ManualClock()
  const directory = await openDirectory(history, life, clock)
  const opened = new OpenedLogs(directory, names)
  const calls = new Calls({ disk, clock, directory, opened })
  const world = new RaceWorld(history, { disk, life, clock, directory, opened, calls })
  await world.prepare()
  const end = await world.live()
  await world.reopen(end)
}

function openDirectory(
  history: History,
  fileSystem: SlowDisk,
  clock: ManualClock,
): Promise<LogDirectory> {
  const { flushMessages, retentionMs, policies } = history
  const { maxConcurrentSyncs, maxOpenFiles, hotTailBytes } = history
  return openLogDirectory('/data', {
    fileSystem,
    clock,
    maxConcurrentSyncs,
    maxOpenFiles,
    hotTailBytes,
    checkpointMs: 1000,
    cleaner: { intervalMs: 50 },
    defaults: {
      segmentBytes: 400,
      indexIntervalBytes: 60,
      fileDeleteDelayMs: 10,
      retentionMs,
      retentionBytes: 600,
      flushMessages,
    },
    optionsFor: (name) => ({ cleanupPolicy: policies[names.indexOf(name)]! }),
  })
}

interface Parts {
  readonly disk: ReturnType<typeof faultyFileSystem>
  readonly life: SlowDisk
  readonly clock: ManualClock
  readonly directory: LogDirectory
  readonly opened: OpenedLogs
  readonly calls: Calls
}

class RaceWorld {
  readonly #history: History
  readonly #parts: Parts
  readonly #pending: Pending[] = []
  #problem: Error | undefined
  /** Undefined: it lives. */
  #end: End | undefined

  constructor(history: History, parts: Parts) {
    this.#history = history
    this.#parts = parts
  }

  async prepare(): Promise<void> {
    const { directory, opened, calls, life } = this.#parts
    for (const [index, name] of names.entries()) {
      const log = await directory.open(name)
      const tracked = opened.track(log)
      for (let left = prepared[index]!; left > 0; left--) calls.append(tracked, 1)
      await log.flush()
      const { startShare } = this.#history
      if (index === 0) await log.advanceLogStart(Math.round(startShare * log.logEndOffset))
      tracked.promise('durable', log.logEndOffset)
      tracked.promiseStart(log.logStartOffset)
      tracked.startMost = log.logStartOffset
    }
    // From now on it takes its time.
    life.turns = this.#history.slow
  }

  /** Answers how the life of the calls has ended. */
  async live(): Promise<End> {
    const { steps, ending } = this.#history
    for (const [index, { turns, call }] of steps.entries()) {
      await settle(turns)
      if (this.#end !== undefined) break
      this.#begin(call, index)
    }
    if (this.#end === undefined) {
      if (ending.when === 'settled') await this.#settled()
      else await settle(ending.when)
    }
    if (ending.kind === 'close') await this.#close()
    else this.#crash(ending.outcome)
    if (this.#problem !== undefined) throw this.#problem
    return this.#end!
  }

  /** The next start finds what was promised, and nothing that had gone. */
  async reopen(end: End): Promise<void> {
    const { disk, opened } = this.#parts
    disk.clearFaults()
    const life = new SlowDisk(disk, 0)
    const directory = await openDirectory(this.#history, life, new ManualClock())
    if (end === 'clean' && !directory.cleanStart) throw new Error('not a clean start')
    for (const name of names) {
      const isThere = directory.names().includes(name)
      const found = isThere ? await readLog(await directory.open(name), 200) : undefined
      const why = opened.whyNotFound(name, found, end)
      if (why !== undefined) throw new Error(`${name}, ${end}: ${why}`)
    }
    await directory.close()
    if (life.openFiles.size > 0) throw new Error('files are open after the second close')
  }

  #begin(call: Call, index: number): void {
    const { calls, opened } = this.#parts
    if (calls.closing !== undefined && call.kind !== 'close') return
    const pending: Pending = { call, done: false }
    this.#pending.push(pending)
    const tracked = 'log' in call ? opened.current(names[call.log]!) : undefined
    const { ending } = this.#history
    const resolved = () => {
      if (ending.kind === 'crash' && ending.at === index) this.#crash(ending.outcome)
    }
    calls
      .make(call, tracked)
      .then(resolved, (error: unknown) => this.#judge(error, call, tracked))
      .finally(() => {
        pending.done = true
      })
  }

  #judge(error: unknown, call: Call, tracked: TrackedLog | undefined): void {
    const { calls, disk } = this.#parts
    const why = whyNotError(error, {
      call,
      tracked,
      closing: calls.closing !== undefined,
      struck: disk.struck > 0,
      deleting: 'log' in call && (tracked === undefined || tracked.deletion !== undefined),
    })
    if (why !== undefined) this.#fail(new Error(`${call.kind}: ${why}`, { cause: error }))
  }

  #fail(problem: Error): void {
    if (this.#end === undefined) this.#problem ??= problem
  }

  /** Goes on until `isDone`; the clock moves, for some things are tried again after a while. */
  async #until(isDone: () => boolean): Promise<boolean> {
    for (let turn = 0; !isDone(); turn++) {
      if (turn > patience) return false
      await settle(1)
      if (turn % 20 === 19) this.#parts.clock.advance(100)
    }
    return true
  }

  /** Nobody may be left waiting, but for what may not come: `mayWait`. */
  async #requireEnded(mayWait: boolean): Promise<void> {
    const waits = ({ call, done }: Pending) => !done && !(mayWait && call.kind === 'wait')
    const isOver = () => this.#end !== undefined
    if (await this.#until(() => isOver() || !this.#pending.some(waits))) return
    const kinds = this.#pending.filter(waits).map(({ call }) => call.kind)
    this.#fail(new Error(`hangs: ${kinds.join(', ')}`))
  }

  /** All calls have ended, and what they said is true. */
  async #settled(): Promise<void> {
    const { calls, directory, disk, opened } = this.#parts
    await this.#requireEnded(true)
    if (this.#end !== undefined || calls.closing !== undefined) return
    disk.clearFaults()
    await settle(8)
    this.#requireReason()
    for (const name of names) {
      const log = directory.get(name)
      if (log !== undefined && this.#problem === undefined) await this.#verify(opened.track(log))
    }
  }

  #requireReason(): void {
    const { poisoned } = this.#parts.directory
    const calls = this.#history.steps.map(({ call }) => call)
    const reason = mayPoison(calls, this.#parts.disk.struck > 0)
    if (poisoned !== undefined && !reason) this.#fail(poisoned)
  }

  get #readsMayFail(): boolean {
    const opening = ['open', 'create', 'list']
    return this.#history.steps.some(
      ({ call }) => call.kind === 'fail' && opening.includes(call.operation),
    )
  }

  async #verify(tracked: TrackedLog): Promise<void> {
    const { directory, calls } = this.#parts
    if (directory.poisoned !== undefined) return
    const { log } = tracked
    try {
      const found = await readLog(log, 200)
      const why = tracked.whyNotRead(found)
      if (why !== undefined) throw new Error(`${log.name}: ${why}`)
      await settle(8)
      // A follower ends with a read that fails.
      for (const { follower, tracked: followed } of calls.followers) {
        if (followed === tracked && !this.#readsMayFail) follower.verify(found, false)
      }
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  async #close(): Promise<void> {
    const { calls, clock, directory, disk, life } = this.#parts
    const closing = { ended: false, failure: undefined as unknown }
    const ended = () => (closing.ended = true)
    calls.close().then(ended, (error: unknown) => {
      closing.failure = error
      ended()
    })
    if (!(await this.#until(() => closing.ended))) return this.#fail(new Error('close hangs'))
    const made = life.calls.length
    const open = [...life.openFiles].map(({ path }) => path)
    if (open.length > 0) this.#fail(new Error(`open after close: ${open.join(', ')}`))
    await this.#requireEnded(false)
    clock.advance(2000)
    await settle(afterwards)
    const late = life.calls.slice(made)
    if (late.length > 0) this.#fail(new Error(`after close: ${late.join(', ')}`))
    const { failure } = closing
    if (failure !== undefined && disk.struck === 0) this.#fail(failure as Error)
    this.#requireReason()
    this.#requireFollowersEnded()
    const clean = failure === undefined && directory.poisoned === undefined
    this.#end = clean ? 'clean' : 'unclean'
    life.end()
  }

  #requireFollowersEnded(): void {
    const { calls, disk } = this.#parts
    try {
      for (const { follower } of calls.followers) follower.requireEnded(disk.struck > 0)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #crash(outcome: CrashOutcome): void {
    if (this.#end !== undefined) return
    const { disk, life, opened } = this.#parts
    // The last look at what was open.
    for (const name of names) opened.current(name)
    this.#end = outcome
    life.end()
    disk.crash(outcome)
  }
}
