/** One connection's share of the request memory. */
export interface MemoryAccount {
  /** Bytes held now: memory of frames in progress, and frames whose request is unanswered. */
  usedBytes: number
  /** What it takes to read on; 0 while a frame in progress has memory for what comes next. */
  wantedBytes: number
  waiting: boolean
  /** A frame has begun and not ended. */
  readonly midFrame: boolean
  /** Stop reading from the socket, and go on, with the memory that was wanted. */
  pause(): void
  resume(): void
}

/** What is read of a frame at most before memory is asked for all of it. */
export const firstReadBytes = 16 * 1024
/**
 * What every connection may hold whatever others do, so that small requests are served however
 * short memory is.
 */
const allowanceBytes = 16 * 1024

/**
 * Bounds the bytes of all requests that are being received or served. What does not fit waits, and
 * goes on in the order in which it came, when there is room for it. But one, the favoured, may end
 * its frame: otherwise half-received requests could fill the memory, and none would ever be
 * complete.
 */
export class RequestMemory {
  readonly limitBytes: number
  /** The longest waiting first. */
  readonly #waiting = new Set<MemoryAccount>()
  #favoured: MemoryAccount | undefined
  #usedBytes = 0
  #waking = false

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Somebody waits for memory, or would if it wanted some. */
  get scarce(): boolean {
    return this.#waiting.size > 0 || this.#usedBytes >= this.limitBytes
  }

  /** The connection that may read although memory is short. If it stalls, everyone waits for it. */
  get favoured(): MemoryAccount | undefined {
    return this.#waiting.size === 0 ? undefined : this.#favoured
  }

  /** Reports what an account holds and wants from now on; may pause or resume it and others. */
  update(account: MemoryAccount, usedBytes: number, wantedBytes: number): void {
    this.#usedBytes += usedBytes - account.usedBytes
    account.usedBytes = usedBytes
    account.wantedBytes = wantedBytes
    if (!isLarge(account)) this.#letGo(account)
    else if (!account.waiting && !this.#mayGoOn(account)) {
      account.waiting = true
      this.#waiting.add(account)
      account.pause()
    }
    if (this.#waiting.size > 0) this.#wakeOldest()
  }

  /** Forgets an account whose connection has closed. */
  close(account: MemoryAccount): void {
    this.#waiting.delete(account)
    account.waiting = false
    this.update(account, 0, 0)
  }

  /** It may have been all that others waited for. */
  #letGo(account: MemoryAccount): void {
    if (account === this.#favoured) this.#favoured = undefined
    if (account.waiting) this.#wake(account)
  }

  #mayGoOn(account: MemoryAccount): boolean {
    if (account.wantedBytes === 0) return true
    if (account === this.#favoured && account.midFrame) return true
    return this.#waiting.size === 0 && this.#fits(account)
  }

  #fits({ wantedBytes }: MemoryAccount): boolean {
    return this.#usedBytes + wantedBytes <= this.limitBytes
  }

  #wakeOldest(): void {
    // Who goes on reports what it has then, which brings it here.
    if (this.#waking) return
    this.#waking = true
    try {
      for (const account of this.#waiting) {
        if (!this.#fits(account)) {
          if (this.#favoured !== undefined) break
          this.#favoured = account
        }
        this.#wake(account)
      }
    } finally {
      this.#waking = false
    }
  }

  #wake(account: MemoryAccount): void {
    this.#waiting.delete(account)
    account.waiting = false
    if (account.midFrame) {
      // It counts from now on, or all who wait would go on for the same room.
      this.#usedBytes += account.wantedBytes
      account.usedBytes += account.wantedBytes
      account.wantedBytes = 0
    }
    account.resume()
  }
}

function isLarge({ usedBytes, wantedBytes }: MemoryAccount): boolean {
  return usedBytes + wantedBytes > allowanceBytes
}
