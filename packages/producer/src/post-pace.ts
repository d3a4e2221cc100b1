/**
 * `post` asks for a pause when the buffer is this full, so that there is room for those who have
 * not seen it yet.
 */
const readyShare = 0.75
/**
 * It does so earlier when the buffer is large: so much keeps the brokers busy, and what is further
 * ahead of them only takes memory that is in no processor's cache any more. Who has made the buffer
 * larger than usual has a reason, such as many brokers far away: a quarter of it, then.
 */
const aheadBytes = 16 * 1024 * 1024
const aheadShare = 0.25
/** It does so, too, after so much in one turn of the event loop: until then nothing leaves. */
const turnBytes = 1024 * 1024

/** What it looks at: the bytes that are in the buffer now. */
interface Buffered {
  readonly usedBytes: number
}

/** Tells those who post when to pause and when to go on. */
export class PostPace {
  readonly #buffer: Buffered
  readonly #readyBytes: number
  /** From so much in the buffer on a pause is due, in this turn of the event loop. */
  #pauseBytes: number
  #waiters: (() => void)[] = []

  constructor(buffer: Buffered, bufferBytes: number) {
    this.#buffer = buffer
    const ahead = Math.max(aheadBytes, bufferBytes * aheadShare)
    this.#readyBytes = Math.min(bufferBytes * readyShare, ahead)
    this.#pauseBytes = this.#readyBytes
  }

  get isReady(): boolean {
    return this.#buffer.usedBytes < this.#pauseBytes
  }

  /** Resolves when posting may go on; at once if it may now. */
  ready(): Promise<void> {
    if (this.isReady) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  turnBegins(): void {
    this.#pauseBytes = Math.min(this.#readyBytes, this.#buffer.usedBytes + turnBytes)
  }

  turnEnded(): void {
    this.#pauseBytes = this.#readyBytes
    this.hasRoom()
  }

  /** Memory may have become free. */
  hasRoom(): void {
    if (this.#waiters.length > 0 && this.isReady) this.release()
  }

  /** Nobody waits any longer, whatever is free. */
  release(): void {
    for (const resolve of this.#waiters.splice(0)) resolve()
  }
}
