import { type OnReadOpts, Socket } from 'node:net'
import type { ByteStream } from './byte-stream.js'
import { firstReadBytes } from './request-memory.js'

/** Below this, copying chunks into one buffer costs less than a vectored write of them. */
const joinBytes = 32 * 1024

/**
 * Where bytes land that belong to no frame yet, for all sockets: a read and its callback are one
 * step, so nobody else reads in between. Thousands of idle connections hold no memory. What is read
 * here is copied, and a connection may exceed its bound by as much: larger reads go directly into
 * the memory of the frame that has begun.
 */
const scratch = Buffer.allocUnsafeSlow(firstReadBytes)

/**
 * A socket as a connection sees it: bytes are read into memory that we choose, which takes half the
 * processor time of 'data' events, and a write is at most one system call.
 */
export class SocketStream implements ByteStream {
  readonly peer: string
  ondata: (chunk: Uint8Array, borrowed: boolean) => void = () => undefined
  space: () => Uint8Array | undefined = () => undefined
  onfilled: (byteCount: number) => void = () => undefined
  ondrain: () => void = () => undefined
  onclose: () => void = () => undefined
  readonly #socket: Socket

  /**
   * Takes over a socket that was accepted and is paused. Call `start` when the callbacks are set.
   */
  constructor(accepted: Socket) {
    const buffer = (): Uint8Array => this.space() ?? scratch
    const callback = (byteCount: number, into: Uint8Array): boolean => {
      if (into === scratch) this.ondata(scratch.subarray(0, byteCount), true)
      else this.onfilled(byteCount)
      return true
    }
    this.peer = `${accepted.remoteAddress ?? '?'}:${accepted.remotePort ?? 0}`
    const adopted = adopt(accepted, { buffer, callback })
    const socket = adopted ?? accepted
    this.#socket = socket
    if (adopted === undefined) {
      socket.on('data', (chunk: Buffer) => this.ondata(chunk, false))
    }
    socket.setNoDelay(true)
    socket.on('drain', () => this.ondrain())
    // A reset by the peer is an ordinary end; 'close' follows.
    socket.on('error', () => undefined)
    socket.once('close', () => this.onclose())
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  /** Begins to read. */
  start(): void {
    this.#socket.resume()
    this.#socket.read(0)
  }

  write(chunks: readonly Uint8Array[], onSent?: (chunks: readonly Uint8Array[]) => void): void {
    const socket = this.#socket
    let bytes = 0
    for (const chunk of chunks) bytes += chunk.length
    if (bytes <= joinBytes) {
      socket.write(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes))
      if (chunks.length > 1) onSent?.(chunks)
      return
    }
    const last = chunks.length - 1
    socket.cork()
    for (let at = 0; at < last; at++) socket.write(chunks[at]!)
    // Called as well when the socket is destroyed, then after the last use of the memory, too.
    socket.write(chunks[last]!, () => onSent?.(chunks))
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

/**
 * The same connection as a socket with `onread`, which a server cannot ask for. The handle is not a
 * documented property: where it is missing, the accepted socket and its 'data' events have to do.
 */
function adopt(accepted: Socket, onread: OnReadOpts): Socket | undefined {
  const holder = accepted as unknown as { _handle?: object | null }
  const handle = holder._handle
  if (handle === undefined || handle === null) return undefined
  holder._handle = null
  const options = { handle, onread }
  const socket = new Socket(options as ConstructorParameters<typeof Socket>[0])
  // Else the server would count it as open for ever.
  socket.once('close', () => accepted.destroy())
  return socket
}
