// A follower that runs through the whole history, and what it must have been given.
import { EmbeddedLog } from '../../src/embedded-log'
import { type Log, type LogDirectory, StoreError } from '../../src/index'
import type { ModelLog } from './model-log'
import { requireSame } from './requirements'

export class Follower {
  readonly log: Log
  /** Values by offset: what came later replaces what had been cut off. */
  readonly #given = new Map<number, string>()
  /** From here on everything must have been given. */
  #from: number
  #last = -1
  #ended = false
  #error: Error | undefined

  constructor(directory: LogDirectory, log: Log, from: number) {
    this.log = log
    this.#from = from
    log.onTruncated((endOffset) => {
      this.#from = Math.min(this.#from, endOffset)
      this.#last = Math.min(this.#last, endOffset - 1)
    })
    const embedded = new EmbeddedLog(directory, log, { ownsDirectory: false })
    void this.#run(embedded.follow({ from, ifLost: 'skip' }))
  }

  async #run(records: ReturnType<EmbeddedLog['follow']>): Promise<void> {
    try {
      for await (const { offset, value, tombstone } of records) {
        if (offset <= this.#last) throw new Error(`offset ${offset} came after ${this.#last}`)
        this.#last = offset
        this.#given.set(offset, tombstone ? '<none>' : Buffer.from(value).toString())
      }
    } catch (error) {
      this.#error = error as Error
    }
    this.#ended = true
  }

  verify(model: ModelLog): void {
    const failed = this.#error instanceof StoreError && this.#error.code === 'KFK_STORE_IO'
    if (this.#error !== undefined && !failed) throw this.#error
    const readable = this.log.acknowledgedOffset
    for (const { offset, value } of model.records) {
      if (offset < this.#from || offset >= readable) continue
      requireSame(`what the follower was given for ${offset}`, this.#given.get(offset), value)
    }
  }

  requireEnded(poisoned: boolean): void {
    if (!poisoned && this.#error !== undefined) throw this.#error
    requireSame('the follower has ended', this.#ended, true)
  }
}
