// The logs of a directory as they were opened, one after the other under the same name, and what a new
// start may find of them.
import type { CrashOutcome, Log, LogDirectory } from '../../src/index'
import { ModelLog } from '../model/model-log'
import { TrackedLog } from './tracked-log'

/** How a life ended: with a clean close, with a close that had something to say, or not at all. */
export type End = CrashOutcome | 'clean' | 'unclean'

export class OpenedLogs {
  readonly names: readonly string[]
  readonly #directory: LogDirectory
  /** The latest last. */
  readonly #opened: ReadonlyMap<string, TrackedLog[]>
  /** Under way, each with the logs that it may mean. */
  readonly #deletions = new Set<{ readonly name: string; readonly logs: TrackedLog[] }>()

  constructor(directory: LogDirectory, names: readonly string[]) {
    this.#directory = directory
    this.names = names
    this.#opened = new Map(names.map((name) => [name, []]))
  }

  /** What is open now, or was last. */
  current(name: string): TrackedLog | undefined {
    const log = this.#directory.get(name)
    return log === undefined ? this.#opened.get(name)!.at(-1) : this.track(log)
  }

  /** A log that is there holds what the one before it held, unless it is new. */
  track(log: Log): TrackedLog {
    const opened = this.#opened.get(log.name)!
    const known = opened.find((other) => other.log === log)
    if (known !== undefined) return known
    const before = opened.at(-1)
    const isNew = before === undefined || (log.logEndOffset === 0 && before.deletion !== undefined)
    const tracked = new TrackedLog(log, isNew ? ModelLog.empty : before.model)
    if (!isNew) {
      tracked.startMost = Math.max(before.startMost, log.logStartOffset)
      tracked.isAgain = before.deletion === 'done'
    }
    opened.push(tracked)
    // Its opening had been asked for when the deletion was.
    for (const { name, logs } of this.#deletions) {
      if (name !== log.name) continue
      tracked.deletion = 'tried'
      logs.push(tracked)
    }
    return tracked
  }

  /** `tracked`: the log that is open under the name, if there is one. */
  async delete(name: string, tracked: TrackedLog | undefined): Promise<void> {
    const deletion = { name, logs: tracked === undefined ? [] : [tracked] }
    if (tracked !== undefined) tracked.deletion ??= 'tried'
    this.#deletions.add(deletion)
    try {
      await this.#directory.delete(name)
      for (const log of deletion.logs) log.deletion = 'done'
    } finally {
      this.#deletions.delete(deletion)
    }
  }

  /** Why a new start cannot have found this; undefined: no such log. */
  whyNotFound(name: string, found: ModelLog | undefined, end: End): string | undefined {
    const problems: string[] = []
    for (const tracked of this.#opened.get(name)!.toReversed()) {
      const { deletion, log, isAgain } = tracked
      const mustBe = deletion === undefined && end === 'clean'
      if (isAgain) return 'it was deleted, and came back'
      // Somebody may have been about to open it anew.
      if (deletion !== undefined && (found === undefined || found.end === 0)) return undefined
      if (found === undefined) {
        if (!mustBe && tracked.owesNothing) return undefined
        problems.push('it is gone')
      } else if (deletion === 'done') problems.push('it was deleted')
      else {
        const why = tracked.whyNotFound(found, end, log.recoveryPoint)
        if (why === undefined) return undefined
        problems.push(why)
      }
      // What was there before it may be there still when it owes nothing itself.
      if (!tracked.owesNothing || mustBe) break
    }
    return problems.join('; or: ')
  }
}
