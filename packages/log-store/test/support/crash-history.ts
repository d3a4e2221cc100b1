// What a client of the logs did and was told, in terms of the steps of a recorded disk; and from it,
// for any moment, what must be found after a crash at that moment.

/** What one log must hold. */
export interface LogExpectation {
  /** Every text that was ever put at an offset, with its epoch. */
  readonly appended: Map<number, Map<string, number>>
  /** What was put last at an offset has this key; offsets without one are missing. */
  readonly keys: Map<number, string>
  /** Promised to survive a power cut. */
  readonly durable: Map<number, string>
  /** Promised to survive the end of the process. */
  readonly written: Map<number, string>
  /** Compaction may have taken these, or have them taken. */
  readonly optional: Set<number>
  startAtLeast: number
  startAtMost: number
  existence: 'maybe' | 'yes' | 'deleting' | 'no'
}

interface Event {
  readonly at: number
  /** Allows more than before: counts only once the disk has moved on. */
  readonly weakens: boolean
  readonly apply: (logs: Map<string, LogExpectation>) => void
}

function newLog(): LogExpectation {
  return {
    appended: new Map(),
    keys: new Map(),
    durable: new Map(),
    written: new Map(),
    optional: new Set(),
    startAtLeast: 0,
    startAtMost: 0,
    existence: 'maybe',
  }
}

/** The latest text at each offset from `from` up to `to`. */
function promise(log: LogExpectation, into: Map<number, string>, to: number): void {
  for (const [offset, texts] of log.appended) {
    if (offset < to && offset >= log.startAtLeast) into.set(offset, [...texts.keys()].at(-1)!)
  }
}

function forgetFrom(log: LogExpectation, offset: number): void {
  for (const promised of [log.durable, log.written]) {
    for (const known of [...promised.keys()]) if (known >= offset) promised.delete(known)
  }
}

export class History {
  readonly #now: () => number
  readonly #events: Event[] = []
  #cursor = 0
  #logs = new Map<string, LogExpectation>()
  #lastCount = -1

  /** `now`: steps of the disk so far. */
  constructor(now: () => number) {
    this.#now = now
  }

  creating(name: string): void {
    this.#note(true, (logs) => logs.set(name, newLog()))
  }

  appended(
    name: string,
    record: { offset: number; text: string; epoch: number; key?: string },
  ): void {
    this.#note(false, (logs) => {
      const log = logs.get(name)!
      const texts = log.appended.get(record.offset) ?? new Map<string, number>()
      // Last in order is what is there now, also when the same text was there before.
      texts.delete(record.text)
      log.appended.set(record.offset, texts.set(record.text, record.epoch))
      if (record.key !== undefined) log.keys.set(record.offset, record.key)
    })
  }

  durable(name: string, end: number): void {
    this.#note(false, (logs) => {
      const log = logs.get(name)!
      promise(log, log.durable, end)
      if (log.existence === 'maybe') log.existence = 'yes'
    })
  }

  written(name: string, end: number): void {
    this.#note(false, (logs) => promise(logs.get(name)!, logs.get(name)!.written, end))
  }

  /** The log start may move from here on, as far as is told when that is known. */
  startMayMove(name: string): (offset: number) => void {
    let bound = 0
    this.#note(true, (logs) => {
      const log = logs.get(name)!
      log.startAtMost = Math.max(log.startAtMost, bound)
    })
    return (offset) => (bound = offset)
  }

  startMoved(name: string, offset: number): void {
    this.#note(false, (logs) => {
      const log = logs.get(name)!
      log.startAtLeast = Math.max(log.startAtLeast, offset)
    })
  }

  truncating(name: string, offset: number): void {
    this.#note(true, (logs) => forgetFrom(logs.get(name)!, offset))
  }

  /** These may go: later ones with the same key exist, or they are tombstones that have had their time. */
  compacting(name: string, needless: Iterable<number>): void {
    const offsets = [...needless]
    this.#note(true, (logs) => offsets.forEach((offset) => logs.get(name)!.optional.add(offset)))
  }

  deleting(name: string): void {
    this.#note(true, (logs) => {
      const log = logs.get(name)!
      log.existence = 'deleting'
      forgetFrom(log, 0)
    })
  }

  deleted(name: string): void {
    this.#note(false, (logs) => (logs.get(name)!.existence = 'no'))
  }

  /**
   * What must hold when the power goes after `count` steps: the strictest that a client can have been
   * told by then. Good until the next call; cheap in ascending order.
   */
  at(count: number): ReadonlyMap<string, LogExpectation> {
    if (count < this.#lastCount) {
      this.#cursor = 0
      this.#logs = new Map()
    }
    this.#lastCount = count
    while (this.#cursor < this.#events.length) {
      const event = this.#events[this.#cursor]!
      if (event.at > count || (event.at === count && event.weakens)) break
      event.apply(this.#logs)
      this.#cursor++
    }
    return this.#logs
  }

  /** The same for moments at which the same was expected. */
  get version(): number {
    return this.#cursor
  }

  #note(weakens: boolean, apply: (logs: Map<string, LogExpectation>) => void): void {
    this.#events.push({ at: this.#now(), weakens, apply })
  }
}
