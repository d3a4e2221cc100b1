import { connect as connectTcp, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import type { BrokerAddress } from './address.js'
import { abortedError } from './errors.js'

export interface ConnectOptions {
  /** Bound of the whole set-up: name resolution, TCP, and TLS. In milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/**
 * A way to reach a broker: bytes in order, nothing more. TCP and TLS are here; a broker in the same
 * process brings its own.
 */
export interface Transport {
  /**
   * Rejects with the transport's own error (`code` ECONNREFUSED, ENOTFOUND, ETIMEDOUT ...), which
   * the client wraps; the three callbacks of the result must be assigned in the same turn of the
   * event loop.
   */
  connect(address: BrokerAddress, options: ConnectOptions): Promise<TransportConnection>
}

/** One open byte stream in both directions. */
export interface TransportConnection {
  /**
   * Queues the chunks in order. False: more is buffered than the peer takes; wait for `ondrain`.
   * The bytes may be read until they are sent: the caller must not change or reuse them while it
   * waits for an answer.
   */
  write(chunks: readonly Uint8Array[]): boolean
  /** No `ondata` until `resume`. */
  pause(): void
  resume(): void
  /**
   * Bytes received. The chunk belongs to the receiver and is never written to again, unless it
   * answers false: it has kept nothing of it.
   */
  ondata: (chunk: Uint8Array) => boolean
  /**
   * Set by the receiver: memory to put the next bytes into, instead of a chunk; undefined when it
   * wants a chunk. A transport need not ask. It tells of them by `onfilled`, before it asks again.
   */
  space?: () => Uint8Array | undefined
  onfilled?: (byteCount: number) => void
  ondrain: () => void
  /** Called once, when the stream has ended or failed, also after `close`. */
  onclose: (error?: Error) => void
  close(): void
}

/**
 * First size of a receive region: 64 KB reads are the fastest on Linux (they stay in the L2 cache).
 */
const initialRegionBytes = 64 * 1024
/**
 * A region is left for a new one when less than this is free; smaller reads cost more than the tail
 * of a region.
 */
const minReadBytes = 8 * 1024

/** Plain TCP without Nagle's delay. */
export function tcpTransport(): Transport {
  return {
    connect(address, options) {
      const { onread, attach } = regionReader()
      return open(
        () => connectTcp({ host: address.host, port: address.port, noDelay: true, onread }),
        { ...options, readyEvent: 'connect', attach },
      )
    },
  }
}

/**
 * TLS over TCP; `options` are those of `tls.connect` (ca, cert, key, servername,
 * rejectUnauthorized).
 */
export function tlsTransport(options: TlsConnectionOptions = {}): Transport {
  return {
    connect(address, connectOptions) {
      const servername = isIP(address.host) === 0 ? { servername: address.host } : {}
      return open(
        () => connectTls({ ...servername, ...options, host: address.host, port: address.port }),
        {
          ...connectOptions,
          readyEvent: 'secureConnect',
          attach: (socket, connection) => socket.on('data', (chunk) => connection.ondata(chunk)),
        },
      )
    },
  }
}

type Attach = (socket: Socket, connection: TransportConnection) => void

/**
 * Bytes land where the receiver wants them, the rest of a large answer in its place, or else in
 * regions whose bytes are handed out once: records stay views on them for as long as a reader
 * wants. That saves the buffer per read and half the CPU time of 'data' events.
 */
function regionReader() {
  let region = Buffer.allocUnsafeSlow(initialRegionBytes)
  let position = 0
  let receiver: TransportConnection | undefined
  let space: Uint8Array | undefined
  return {
    onread: {
      buffer(): Uint8Array {
        space = receiver?.space?.()
        if (space !== undefined) return space
        if (region.length - position < minReadBytes) {
          region = Buffer.allocUnsafeSlow(initialRegionBytes)
          position = 0
        }
        return region.subarray(position)
      },
      callback(bytesRead: number, buffer: Uint8Array): boolean {
        if (space !== undefined) receiver?.onfilled?.(bytesRead)
        else if (receiver?.ondata(buffer.subarray(0, bytesRead)) !== false) position += bytesRead
        return true
      },
    },
    attach: (_socket: Socket, connection: TransportConnection) => {
      receiver = connection
    },
  }
}

interface OpenOptions extends ConnectOptions {
  readonly readyEvent: 'connect' | 'secureConnect'
  readonly attach: Attach
}

function open(createSocket: () => Socket, options: OpenOptions): Promise<TransportConnection> {
  return new Promise((resolve, reject) => {
    const { signal } = options
    if (signal?.aborted === true) {
      reject(abortedError(signal))
      return
    }
    const socket = createSocket()
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.removeListener('error', fail)
    }
    const fail = (error: Error): void => {
      settle()
      socket.on('error', () => {}) // a destroyed socket may report once more
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => fail(abortedError(signal!))
    const timer = setTimeout(() => {
      const error = new Error(`no connection within ${options.timeoutMs} ms`)
      fail(Object.assign(error, { code: 'ETIMEDOUT' }))
    }, options.timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.once('error', fail)
    socket.once(options.readyEvent, () => {
      settle()
      resolve(socketConnection(socket, options.attach))
    })
  })
}

function socketConnection(socket: Socket, attach: Attach): TransportConnection {
  let failure: Error | undefined
  const connection: TransportConnection = {
    write(chunks) {
      if (socket.destroyed) return false
      if (chunks.length === 1) return socket.write(chunks[0]!)
      // One writev for all chunks.
      socket.cork()
      let accepted = true
      for (const chunk of chunks) accepted = socket.write(chunk)
      socket.uncork()
      return accepted
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    ondata: () => false,
    ondrain() {},
    onclose() {},
    close: () => void socket.destroy(),
  }
  attach(socket, connection)
  socket.on('drain', () => connection.ondrain())
  socket.on('end', () => void socket.destroy())
  socket.on('error', (error) => (failure = error))
  socket.on('close', () => connection.onclose(failure))
  return connection
}
