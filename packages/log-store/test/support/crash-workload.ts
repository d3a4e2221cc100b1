// Scripted lives of a log directory on a recording disk, for the crash explorer. A workload is a list
// of steps; more kinds of work are more steps.
import { frameFormat, openLogDirectory, recordingFileSystem } from '../../src/index'
import type { Log, LogDirectory, LogDirectoryOptions, RecordingFileSystem } from '../../src/index'
import { History } from './crash-history'
import { KeyedPuts } from './crash-keyed-puts'
import { ManualClock } from './manual-clock'
import { record, settle } from './records'

export const directoryPath = '/data/kfk'

export interface CrashWorkload {
  readonly name: string
  readonly options: LogDirectoryOptions
  readonly steps: readonly WorkloadStep[]
}

export type WorkloadStep = (session: WorkloadSession) => Promise<void>

/** One run of a workload. */
export class WorkloadSession {
  readonly disk: RecordingFileSystem = recordingFileSystem()
  readonly clock = new ManualClock()
  readonly history = new History(() => this.disk.steps.length)
  directory!: LogDirectory
  readonly #options: LogDirectoryOptions
  readonly #known = new Set<string>()
  #listening = new Map<string, Log>()
  #counter = 0
  readonly #puts = new Map<string, KeyedPuts>()

  constructor(options: LogDirectoryOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { clock, disk } = this
    this.#listening = new Map()
    this.directory = await openLogDirectory(directoryPath, {
      ...this.#options,
      clock,
      fileSystem: disk,
    })
  }

  async restart(): Promise<void> {
    await this.directory.close()
    for (const [name, log] of this.#listening) {
      this.history.durable(name, log.logEndOffset)
    }
    await this.start()
  }

  async log(name: string): Promise<Log> {
    if (!this.#known.has(name)) {
      this.#known.add(name)
      this.history.creating(name)
    }
    const log = await this.directory.open(name)
    if (this.#listening.get(name) === log) return log
    this.#listening.set(name, log)
    log.onAcknowledged((offset) => {
      this.history.written(name, offset)
      if (log.options.flushMessages === 1) this.history.durable(name, offset)
    })
    return log
  }

  /** A text that no other record has; lengths differ. Timestamps rise, but every fifth is late. */
  append(log: Log, epoch: number, size = 0): void {
    const { text, timestamp } = this.#next(size)
    const { baseOffset } = log.append(record(text, timestamp), { leaderEpoch: epoch })
    this.history.appended(log.name, { offset: baseOffset, text, epoch })
  }

  /** The same under a key; every seventh is a tombstone, which has no text. */
  put(log: Log, epoch: number, key: string): void {
    const { count, text, timestamp } = this.#next(0)
    this.#putValue(log, epoch, { key, text: count % 7 === 0 ? undefined : text, timestamp })
  }

  /** A tombstone for a key. */
  bury(log: Log, epoch: number, key: string): void {
    const { timestamp } = this.#next(0)
    this.#putValue(log, epoch, { key, text: undefined, timestamp })
  }

  #putValue(
    log: Log,
    epoch: number,
    { key, text, timestamp }: { key: string; text: string | undefined; timestamp: number },
  ): void {
    const value = text ?? null
    const frame = frameFormat.encode(value, { key, timestamp })
    const { baseOffset } = log.append(frame, { leaderEpoch: epoch })
    this.history.appended(log.name, { offset: baseOffset, text: text ?? '', epoch, key })
    this.puts(log.name).put({ offset: baseOffset, key, tombstone: value === null })
  }

  /** What was put under keys in this log. */
  puts(name: string): KeyedPuts {
    const puts = this.#puts.get(name) ?? new KeyedPuts()
    this.#puts.set(name, puts)
    return puts
  }

  #next(size: number): { count: number; text: string; timestamp: number } {
    const count = ++this.#counter
    const text = `${count}:`.padEnd(4 + ((count * 7) % 23) + size, 'abcdefgh')
    return { count, text, timestamp: 10_000 + count * 10 - (count % 5 === 0 ? 35 : 0) }
  }

  async flush(log: Log): Promise<void> {
    const end = log.logEndOffset
    await log.flush()
    this.history.durable(log.name, end)
  }

  async remove(name: string): Promise<void> {
    this.history.deleting(name)
    this.#listening.delete(name)
    await this.directory.delete(name)
    this.history.deleted(name)
    this.#known.delete(name)
  }
}

/** Runs all steps, then stops cleanly. */
export async function runWorkload(workload: CrashWorkload): Promise<WorkloadSession> {
  const session = new WorkloadSession(workload.options)
  await session.start()
  for (const step of workload.steps) {
    await step(session)
    session.clock.advance(20)
    await settle(2)
  }
  await session.restart()
  await session.directory.close()
  return session
}

/** Appends one after the other in one turn, and waits for the acknowledgement. */
export function append(name: string, count: number, epoch: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    for (let n = 0; n < count; n++) session.append(log, epoch)
    await log.whenAcknowledged(log.logEndOffset)
  }
}

/** Appends turn by turn, without waiting: later writes come while earlier ones are being synced. */
export function stream(name: string, count: number, epoch: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    for (let n = 0; n < count; n++) {
      session.append(log, epoch, n % 3 === 0 ? 30 : 0)
      await settle(1)
    }
    await session.flush(log)
  }
}

/** Appends to several logs at once, so that their syncs run side by side. */
export function interleave(names: readonly string[], count: number, epoch: number): WorkloadStep {
  return async (session) => {
    const logs: Log[] = []
    for (const name of names) logs.push(await session.log(name))
    for (let n = 0; n < count; n++) {
      for (const log of logs) session.append(log, epoch)
      await settle(1)
    }
    for (const log of logs) log.flushNow()
    for (const log of logs) session.append(log, epoch + 1)
    await Promise.all(logs.map((log) => log.whenAcknowledged(log.logEndOffset)))
  }
}

/** Two segments in one turn, written while the sync of the first is under way. */
export function rollWhileSyncing(name: string, epoch: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    session.append(log, epoch)
    log.flushNow()
    for (let n = 0; n < 5; n++) session.append(log, epoch, 40)
    log.roll()
    session.append(log, epoch)
    await log.whenAcknowledged(log.logEndOffset)
  }
}

export function flush(name: string): WorkloadStep {
  return async (session) => session.flush(await session.log(name))
}

export function roll(name: string): WorkloadStep {
  return async (session) => (await session.log(name)).roll()
}

export const checkpoint: WorkloadStep = (session) => session.directory.checkpoint()

export const restart: WorkloadStep = (session) => session.restart()

/** Cuts the last `count` records. */
export function truncate(name: string, count: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    const offset = log.logEndOffset - count
    session.history.truncating(name, offset)
    session.puts(name).truncate(offset)
    await log.truncateTo(offset)
    session.history.durable(name, offset)
  }
}

/** The same while somebody has what is there synced, again and again. */
export function truncateWhileFlushing(name: string, count: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    const state = { done: false }
    const cut = truncate(name, count)(session).finally(() => (state.done = true))
    while (!state.done) {
      await Promise.all([log.flush(), settle(1)])
    }
    await cut
  }
}

/** Forgets the first `count` records. */
export function advanceStart(name: string, count: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    const offset = Math.min(log.logStartOffset + count, log.writtenOffset)
    session.history.startMayMove(name)(offset)
    await log.advanceLogStart(offset)
    session.history.startMoved(name, offset)
  }
}

/** Leaves `bytes` of the log, by retention. */
export function retain(name: string, bytes: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    log.configure({ retentionBytes: bytes })
    const moved = session.history.startMayMove(name)
    await session.directory.applyRetention()
    moved(log.logStartOffset)
    session.history.startMoved(name, log.logStartOffset)
    log.configure({ retentionBytes: -1 })
  }
}

export function remove(name: string): WorkloadStep {
  return (session) => session.remove(name)
}
