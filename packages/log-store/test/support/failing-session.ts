// One opening of a directory that has been used before, on a disk that fails: everything is tried once,
// from opening to close, and what is found is compared with what was promised.
import {
  type FileSystem,
  frameFormat,
  type Log,
  type LogDirectory,
  openLogDirectory,
  ProducerTracker,
  StoreError,
  type BatchFormat,
} from '../../src/index'
import { ManualClock } from './manual-clock'
import { Producer, producerFrames } from './producer-frames'
import { settle } from './records'
import type { Contents } from './session-contents'
import { type WatchedFileSystem, watchedFileSystem } from './watched-file-system'

export const path = '/data'
/** Codes that a failing call may end with. */
const codes = ['KFK_STORE_IO', 'KFK_STORE_NO_SPACE', 'KFK_STORE_DELAYED', 'KFK_STORE_CLOSED']
const keyAt = 34

/** Only keys that describe a producer do. */
const format: BatchFormat = {
  ...producerFrames,
  producer: {
    describe: (bytes, position) =>
      bytes[position + keyAt] === '{'.charCodeAt(0)
        ? producerFrames.producer!.describe(bytes, position)
        : undefined,
  },
}

export class Session {
  readonly expected: Map<string, Contents>
  readonly watched: WatchedFileSystem
  readonly clock = new ManualClock()
  directory: LogDirectory | undefined
  readonly errors: StoreError[] = []
  poisoned = false
  #count = 0
  readonly #producer = new Producer(7)

  constructor(fileSystem: FileSystem, expected: Map<string, Contents>) {
    this.expected = expected
    this.watched = watchedFileSystem(fileSystem)
  }

  async open(): Promise<LogDirectory | undefined> {
    try {
      this.directory = await this.bounded(
        openLogDirectory(path, {
          fileSystem: this.watched,
          clock: this.clock,
          format,
          tracker: (name) => (name === 'p-0' ? new ProducerTracker(format.producer!) : undefined),
          optionsFor: (name) => ({ cleanupPolicy: name === 'k-0' ? 'compact' : 'delete' }),
          defaults: {
            segmentBytes: 260,
            indexIntervalBytes: 60,
            fileDeleteDelayMs: 10,
            retentionMs: -1,
          },
        }),
      )
    } catch (error) {
      this.#note(error)
      this.requireNothingOpen('a failed opening')
    }
    return this.directory
  }

  async close(): Promise<void> {
    const { directory } = this
    if (directory === undefined) return
    this.poisoned = directory.poisoned !== undefined
    try {
      await this.bounded(directory.close())
    } catch (error) {
      this.#note(error)
      this.poisoned = true
    }
    await settle(3)
    this.requireNothingOpen('the close')
    const { calls } = this.watched
    this.clock.advance(1_000)
    await settle(3)
    if (this.watched.calls !== calls) throw new Error('goes on after the close')
    this.directory = undefined
  }

  requireNothingOpen(after: string): void {
    const { openPaths } = this.watched
    if (openPaths.size > 0) throw new Error(`left open by ${after}: ${[...openPaths].join()}`)
    this.requireNoRetry()
  }

  requireNoRetry(): void {
    const { retriedSyncs } = this.watched
    if (retriedSyncs.length > 0) throw new Error(`synced again: ${retriedSyncs.join()}`)
  }

  /**
   * A step that may fail, with an error of this package that says what is true. `mayPass`: it only
   * reads, so it may be tried again even when the directory is poisoned.
   */
  async try<Result>(
    step: (directory: LogDirectory) => Promise<Result>,
    mayPass = false,
  ): Promise<Result | undefined> {
    if (this.directory === undefined) return undefined
    try {
      return await this.bounded(step(this.directory))
    } catch (error) {
      this.#note(error, mayPass)
      return undefined
    }
  }

  #note(error: unknown, mayPass = false): void {
    if (!(error instanceof StoreError) || !codes.includes(error.code)) throw error
    if (error.retriable && !mayPass && this.directory?.poisoned !== undefined) {
      throw new Error('says that it may be tried again, but it is poisoned', { cause: error })
    }
    this.errors.push(error)
  }

  /** Nothing may hang, whatever failed. */
  async bounded<Result>(work: Promise<Result>): Promise<Result> {
    const state = { done: false }
    const ended = () => (state.done = true)
    work.then(ended, ended)
    for (let turn = 0; !state.done; turn++) {
      if (turn === 600) throw new Error('hangs')
      await settle(1)
      if (turn > 20) this.clock.advance(50)
    }
    return work
  }

  async log(name: string): Promise<Log | undefined> {
    const log = await this.try((directory) => directory.open(name), true)
    const contents = this.expected.get(name)!
    log?.onAcknowledged((offset) => contents.acknowledge(offset))
    log?.onRollback(({ endOffset }) => contents.rollBack(endOffset))
    return log
  }

  /** Everything that a directory is asked for. */
  async work(): Promise<void> {
    for (const name of this.expected.keys()) {
      const log = await this.log(name)
      if (log === undefined) continue
      await this.look(name, log)
      await this.append(log, 3)
    }
    await this.try((directory) => directory.checkpoint())
    await this.try((directory) => directory.scrub())
    await this.try((directory) => directory.compact('k-0'))
    await this.retain('b-0')
    await this.truncate('a-0', 2)
    await this.advanceStart('a-0')
    await this.delete('c-0')
    this.clock.advance(2_000)
    await settle(3)
    for (const name of ['a-0', 'k-0', 'p-0']) {
      const isOpen = this.directory?.get(name) !== undefined
      const log = isOpen ? await this.log(name) : undefined
      if (log !== undefined) await this.append(log, 2)
    }
  }

  /** All logs that open hold what they must. */
  async lookAtAll(): Promise<void> {
    for (const name of this.expected.keys()) {
      const log = await this.log(name)
      if (log !== undefined) await this.look(name, log)
    }
  }

  async look(name: string, log: Log): Promise<void> {
    const contents = this.expected.get(name)!
    try {
      const certain = this.directory?.poisoned === undefined
      await this.try(() => contents.judge(log, name, certain), true)
    } catch (error) {
      if (!contents.damaged || codeOf(error) !== 'KFK_STORE_CORRUPT') throw error
    }
  }

  async append(log: Log, count: number): Promise<void> {
    const contents = this.expected.get(log.name)!
    if (this.directory?.poisoned === undefined) contents.endAt(log.logEndOffset)
    for (let n = 0; n < count; n++) {
      const id = this.#count++
      const key = log.name === 'k-0' ? `k${id % 4}` : undefined
      const text = `${log.name} ${id}`.padEnd(20 + ((id * 7) % 23), 'x')
      const frame = frameFormat.encode(Buffer.from(text), {
        timestamp: 1_000 + id,
        ...(key !== undefined && { key }),
      })
      try {
        const bytes = log.name === 'p-0' ? this.#producer.data({ transactional: n > 0 }) : frame
        const { baseOffset } = log.append(bytes, { leaderEpoch: 1 + (log.latestEpoch ?? 0) })
        const [made] = frameFormat.decode(bytes)
        contents.add(baseOffset, {
          key: made!.key === null ? undefined : Buffer.from(made!.key).toString(),
          text: Buffer.from(made!.value!).toString(),
        })
      } catch (error) {
        this.#note(error)
      }
    }
    await this.try(() => log.whenAcknowledged(log.logEndOffset))
  }

  async retain(name: string): Promise<void> {
    const log = await this.log(name)
    if (log === undefined) return
    this.expected.get(name)!.startAtMost = log.logEndOffset
    log.configure({ retentionBytes: 300 })
    await this.try((directory) => directory.applyRetention())
    log.configure({ retentionBytes: -1 })
  }

  async truncate(name: string, count: number): Promise<void> {
    const log = await this.log(name)
    if (log === undefined) return
    const offset = Math.max(log.logStartOffset, log.logEndOffset - count)
    this.expected.get(name)!.cut(offset)
    await this.try(() => log.truncateTo(offset))
  }

  async advanceStart(name: string): Promise<void> {
    const log = await this.log(name)
    if (log === undefined) return
    const contents = this.expected.get(name)!
    const offset = Math.min(log.logStartOffset + 2, log.writtenOffset)
    contents.startAtMost = Math.max(contents.startAtMost, offset)
    await this.try(() => log.advanceLogStart(offset))
  }

  async delete(name: string): Promise<void> {
    const contents = this.expected.get(name)
    if (contents === undefined || this.directory?.names().includes(name) !== true) return
    contents.deleting = true
    contents.acknowledged = 0
    await this.try((directory) => directory.delete(name))
  }

  /** No call fails any more: all logs open, hold what they must, and take appends. */
  async everythingWorks(): Promise<void> {
    const directory = this.directory!
    for (const [name, contents] of this.expected) {
      if (!directory.names().includes(name)) {
        if (contents.acknowledged > 0) throw new Error(`${name} is gone`)
        continue
      }
      const log = await this.log(name)
      if (log === undefined) throw new Error(`${name} does not open: ${this.errors.at(-1)?.stack}`)
      await this.look(name, log)
      const failed = this.errors.length
      await this.append(log, 2)
      if (this.errors.length > failed) throw this.errors.at(-1)!
      await this.look(name, log)
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof StoreError ? error.code : undefined
}
