import { createServer, type Server, type Socket } from 'node:net'
import { BrokerError } from '../errors.js'
import type { ByteStream } from './byte-stream.js'
import { SocketStream } from './socket-stream.js'

/** Connections that may wait in the kernel to be accepted. */
const backlog = 1024

/**
 * A TCP port. Clients that connect before {@link Listener.serve} wait; so the port is known before
 * the broker is ready.
 */
export class Listener {
  readonly host: string
  readonly port: number
  readonly #server: Server
  #early: Socket[] | undefined = []
  #accept: (stream: ByteStream) => void = () => undefined

  private constructor(server: Server, host: string) {
    this.#server = server
    this.host = host
    const address = server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    server.on('connection', (socket) => this.#onConnection(socket))
    // EMFILE and the like: that connection is lost, the listener goes on.
    server.on('error', () => undefined)
  }

  /** Opens the port (0: the kernel chooses). */
  static open(host: string, port: number): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const server = createServer({ pauseOnConnect: true, noDelay: true })
      server.once('error', (error: NodeJS.ErrnoException) => {
        reject(listenError(error, host, port))
      })
      server.listen({ host, port, backlog }, () => {
        server.removeAllListeners('error')
        resolve(new Listener(server, host))
      })
    })
  }

  /** Begins to accept, those that have waited first. */
  serve(accept: (stream: ByteStream) => void): void {
    this.#accept = accept
    const early = this.#early ?? []
    this.#early = undefined
    for (const socket of early) this.#onConnection(socket)
  }

  /** Accepts no more. Connections that were accepted live on. */
  close(): void {
    this.#server.close()
    for (const socket of this.#early ?? []) socket.destroy()
    this.#early = []
  }

  #onConnection(socket: Socket): void {
    if (this.#early !== undefined) {
      this.#early.push(socket)
      return
    }
    if (socket.destroyed) return
    const stream = new SocketStream(socket)
    this.#accept(stream)
    stream.start()
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): BrokerError {
  const details = { host, port }
  if (error.code === 'EADDRINUSE') {
    const advice =
      'stop the process that listens there, or choose another port ' +
      '(port: 0 lets the system choose a free one)'
    return new BrokerError(
      'KFK_BROKER_PORT_IN_USE',
      `Port ${port} on ${host} is in use: ${advice}`,
      {
        details,
        cause: error,
      },
    )
  }
  return new BrokerError(
    'KFK_BROKER_LISTEN',
    `Cannot listen on ${host}:${port}: ${error.message}`,
    {
      details,
      cause: error,
    },
  )
}
