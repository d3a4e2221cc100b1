import type { ByteStream } from '../src/network/byte-stream.js'

/** A client whose bytes come in pieces, into memory that the connection offers, or not. */
export class Pieces implements ByteStream {
  readonly peer = '127.0.0.1:4711'
  readonly unsentBytes = 0
  ondata: ByteStream['ondata'] = () => undefined
  space: ByteStream['space'] = () => undefined
  onfilled: ByteStream['onfilled'] = () => undefined
  ondrain: ByteStream['ondrain'] = () => undefined
  onclose: ByteStream['onclose'] = () => undefined
  paused = false
  #space: Uint8Array | undefined
  write(): void {}
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  destroy(): void {}
  end(): void {}

  /** Delivers at most `limit` bytes; answers how many it took. */
  deliver(bytes: Uint8Array, limit: number, scratch: Uint8Array): number {
    const space = this.#space
    const into = space ?? scratch
    const count = Math.min(limit, into.length, bytes.length)
    into.set(bytes.subarray(0, count))
    if (space === undefined) this.ondata(into.subarray(0, count), true)
    else this.onfilled(count)
    // It knows where the next bytes are to go before they come, and before it pauses.
    this.#space = this.space()
    return count
  }
}
