import net from 'node:net'
import { createFrameDecoder } from '@kfk/protocol'

/** An answer that takes longer is no answer. */
const answerTimeoutMs = 15_000
const maxFrameBytes = 64 * 1024 * 1024

/** What a broker does with a request: it answers with a frame, or closes the connection. */
export type Answer = Uint8Array | 'closed'

/** A connection without any opinion: bytes out, frames in. */
export class Wire {
  readonly #socket: net.Socket
  readonly #decoder = createFrameDecoder({ maxFrameBytes })
  readonly #frames: Uint8Array[] = []
  #closed = false
  #waiting: ((answer: Answer) => void) | undefined

  private constructor(socket: net.Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#receive(chunk))
    // A reset is a way to close; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#onClosed())
  }

  static async open(port: number): Promise<Wire> {
    const socket = net.connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Wire(socket)
  }

  get closed(): boolean {
    return this.#closed
  }

  write(chunks: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(chunks))
  }

  /** The next frame, without its length; one wait at a time. */
  next(): Promise<Answer> {
    const frame = this.#frames.shift()
    if (frame !== undefined) return Promise.resolve(frame)
    if (this.#closed) return Promise.resolve('closed')
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = undefined
        reject(new Error(`no answer within ${answerTimeoutMs} ms`))
      }, answerTimeoutMs)
      this.#waiting = (answer) => {
        clearTimeout(timer)
        this.#waiting = undefined
        resolve(answer)
      }
    })
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Uint8Array): void {
    this.#frames.push(...this.#decoder.push(chunk))
    if (this.#waiting !== undefined && this.#frames.length > 0) {
      this.#waiting(this.#frames.shift()!)
    }
  }

  #onClosed(): void {
    this.#closed = true
    this.#waiting?.('closed')
  }
}
