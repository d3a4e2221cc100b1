// What the client of a log knows that it holds, while calls to the system fail.
import { frameFormat } from '../../src/index'
import type { Log } from '../../src/index'

interface Appended {
  readonly key: string | undefined
  readonly text: string
}

export class Contents {
  /** All that was given an offset, and may be there. */
  #records = new Map<number, Appended>()
  /** What was to be cut off, and may be there all the same. */
  #cut = new Map<number, Appended>()
  acknowledged = 0
  startAtMost = 0
  /** Asked for; it may have happened by half. */
  deleting = false
  /** A segment of it is damaged, so reads may say so. */
  damaged = false

  copy(): Contents {
    const copy = new Contents()
    copy.#records = new Map(this.#records)
    copy.#cut = new Map(this.#cut)
    return Object.assign(copy, {
      acknowledged: this.acknowledged,
      startAtMost: this.startAtMost,
      deleting: this.deleting,
      damaged: this.damaged,
    })
  }

  add(offset: number, record: Appended): void {
    this.#records.set(offset, record)
  }

  acknowledge(offset: number): void {
    this.acknowledged = Math.max(this.acknowledged, offset)
  }

  /** The log goes back to `offset`: what was written from there on has failed. */
  rollBack(offset: number): void {
    if (this.acknowledged > offset) throw new Error('rolled back below the acknowledged')
    for (const at of [...this.#records.keys()]) if (at >= offset) this.#records.delete(at)
  }

  /** Is about to be cut at `offset`. */
  cut(offset: number): void {
    this.acknowledged = Math.min(this.acknowledged, offset)
    for (const [at, record] of [...this.#records]) {
      if (at < offset) continue
      this.#cut.set(at, record)
      this.#records.delete(at)
    }
  }

  /** The log ends at `offset`, whatever was hoped for. */
  endAt(offset: number): void {
    for (const at of [...this.#records.keys()]) if (at >= offset) this.#records.delete(at)
  }

  /**
   * Everything that was acknowledged is there, or superseded by what is; nothing else is. `certain`:
   * what is not there now does not come back.
   */
  async judge(log: Log, where: string, certain: boolean): Promise<void> {
    const { logStartOffset: start, logEndOffset: end } = log
    if (end < this.acknowledged) {
      throw new Error(`${where} ends at ${end}, acknowledged was ${this.acknowledged}`)
    }
    if (start > this.startAtMost) throw new Error(`${where} starts at ${start}`)
    const found = await read(log)
    const latest = new Map<string, number>()
    for (const [offset, { key, text }] of found) {
      const known = this.#records.get(offset) ?? this.#cut.get(offset)
      if (known?.key !== key || known?.text !== text) {
        throw new Error(`${where}: ${offset} is ${key} ${text}, not ${known?.key} ${known?.text}`)
      }
      if (key !== undefined) latest.set(key, offset)
    }
    for (const [offset, { key, text }] of [...this.#records]) {
      if (offset < start || found.has(offset)) continue
      // What was not acknowledged may have gone with a crash.
      if (offset >= this.acknowledged && certain) this.#records.delete(offset)
      if (offset >= this.acknowledged) continue
      const superseded = key !== undefined && (latest.get(key) ?? -1) > offset
      if (!superseded) throw new Error(`${where}: ${offset} is gone, which was ${key} ${text}`)
    }
  }
}

async function read(log: Log): Promise<Map<number, Appended>> {
  const found = new Map<number, Appended>()
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 400 })
    if (slice.nextOffset <= from) throw new Error(`${log.name}: nothing to read at ${from}`)
    for (const { offset, key, value } of frameFormat.decode(slice.bytes)) {
      if (offset < from) continue
      const text = value === null ? 'null' : Buffer.from(value).toString()
      found.set(offset, { key: key === null ? undefined : Buffer.from(key).toString(), text })
    }
    from = slice.nextOffset
  }
  return found
}
