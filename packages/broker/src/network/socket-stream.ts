import type { Socket } from 'node:net'
import type { ByteStream } from './byte-stream.js'

/** Below this, copying chunks into one buffer costs less than a vectored write of them. */
const joinBytes = 32 * 1024

/** A socket as the connection sees it: at most one system call per write. */
export class SocketStream implements ByteStream {
  readonly peer: string
  ondata: (chunk: Uint8Array) => void = () => undefined
  ondrain: () => void = () => undefined
  onclose: () => void = () => undefined
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    this.peer = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.ondata(chunk))
    socket.on('drain', () => this.ondrain())
    // A reset by the peer is an ordinary end; 'close' follows.
    socket.on('error', () => undefined)
    socket.once('close', () => this.onclose())
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  write(chunks: readonly Uint8Array[]): void {
    const socket = this.#socket
    if (chunks.length === 1) {
      socket.write(chunks[0]!)
      return
    }
    let bytes = 0
    for (const chunk of chunks) bytes += chunk.length
    if (bytes <= joinBytes) {
      socket.write(Buffer.concat(chunks, bytes))
      return
    }
    socket.cork()
    for (const chunk of chunks) socket.write(chunk)
    socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  end(): void {
    this.#socket.destroySoon()
  }
}
