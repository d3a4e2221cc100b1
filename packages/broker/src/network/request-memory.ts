/** One connection's share of the request memory. */
export interface MemoryAccount {
  /** Bytes held now: frames in progress, and frames whose request is unanswered. */
  usedBytes: number
  waiting: boolean
  /** Stop and go on reading from the socket. */
  pause(): void
  resume(): void
}

/**
 * What every connection may hold uncounted, so that small requests are served however short memory
 * is.
 */
const allowanceBytes = 16 * 1024

/**
 * Bounds the bytes of all requests that are being received or served. Over the limit, connections
 * with large requests stop reading, but for one, the favoured: otherwise half-received requests
 * could fill the memory and none would ever be complete.
 */
export class RequestMemory {
  readonly limitBytes: number
  readonly #waiting = new Set<MemoryAccount>()
  #favoured: MemoryAccount | undefined
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** The connection that may read although memory is short. If it stalls, everyone waits for it. */
  get favoured(): MemoryAccount | undefined {
    return this.#waiting.size === 0 ? undefined : this.#favoured
  }

  /** Reports what an account holds from now on; may pause or resume it and others. */
  update(account: MemoryAccount, usedBytes: number): void {
    this.#usedBytes += usedBytes - account.usedBytes
    account.usedBytes = usedBytes
    if (this.#usedBytes > this.limitBytes) this.#restrain(account)
    else if (this.#favoured !== undefined) this.#relax()
  }

  /** Forgets an account whose connection has closed. */
  close(account: MemoryAccount): void {
    this.#waiting.delete(account)
    this.update(account, 0)
  }

  #restrain(account: MemoryAccount): void {
    if (account.usedBytes <= allowanceBytes) {
      if (account === this.#favoured) this.#favourNext()
      return
    }
    this.#favoured ??= account
    if (account === this.#favoured || account.waiting) return
    account.waiting = true
    this.#waiting.add(account)
    account.pause()
  }

  #favourNext(): void {
    const [next] = this.#waiting
    this.#favoured = next
    if (next !== undefined) this.#wake(next)
  }

  #relax(): void {
    this.#favoured = undefined
    for (const account of [...this.#waiting]) this.#wake(account)
  }

  #wake(account: MemoryAccount): void {
    this.#waiting.delete(account)
    account.waiting = false
    account.resume()
  }
}
