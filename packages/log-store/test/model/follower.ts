// A follower that runs through the whole history, and what it must have been given.
import type { EmbeddedLog } from '../../src/embedded-log'
import { type Durability, type Log, StoreError } from '../../src/index'
import { type ModelLog, noValue } from './model-log'
import { requireSame } from './requirements'

export class Follower {
  readonly log: Log
  readonly #durability: Durability | undefined
  /** Values by offset: what came later replaces what had been cut off. */
  readonly #given = new Map<number, string>()
  /** From here on everything must have been given. */
  #from: number
  #last = -1
  #ended = false
  #error: Error | undefined

  constructor(
    log: Log,
    embedded: EmbeddedLog,
    { from, durability }: { from: number; durability: Durability | undefined },
  ) {
    this.log = log
    this.#from = from
    this.#durability = durability
    log.onTruncated((endOffset) => {
      this.#from = Math.min(this.#from, endOffset)
      this.#last = Math.min(this.#last, endOffset - 1)
    })
    const options = durability === undefined ? {} : { durability }
    void this.#run(embedded.follow({ from, ifLost: 'skip', ...options }))
  }

  async #run(records: ReturnType<EmbeddedLog['follow']>): Promise<void> {
    try {
      for await (const { offset, value, tombstone } of records) {
        if (offset <= this.#last) throw new Error(`offset ${offset} came after ${this.#last}`)
        this.#last = offset
        this.#given.set(offset, tombstone ? noValue : Buffer.from(value).toString())
      }
    } catch (error) {
      this.#error = error as Error
    }
    this.#ended = true
  }

  /** `failing`: a file may not have been readable. */
  verify(model: ModelLog, failing: boolean): void {
    const failed = this.#error instanceof StoreError && isFailedRead(this.#error)
    if (this.#error !== undefined && !failed) throw this.#error
    if (failed && failing) return
    if (failed && this.#error !== undefined) throw this.#error
    for (const { offset, value } of model.records) {
      if (offset < this.#from || offset >= this.#readable) continue
      requireSame(`what the follower was given for ${offset}`, this.#given.get(offset), value)
    }
  }

  requireEnded(failing: boolean): void {
    if (!failing && this.#error !== undefined) throw this.#error
    requireSame('the follower has ended', this.#ended, true)
  }

  get #readable(): number {
    if (this.#durability === 'disk') return this.log.recoveryPoint
    if (this.#durability === 'os') return this.log.writtenOffset
    return this.log.acknowledgedOffset
  }
}

/** What is said of an append that was taken back has no other code than a full disk at a read. */
function isFailedRead({ code, details }: StoreError): boolean {
  const reading = details['action'] === 'open' || details['action'] === 'read'
  return code === 'KFK_STORE_IO' || (code === 'KFK_STORE_NO_SPACE' && reading)
}
