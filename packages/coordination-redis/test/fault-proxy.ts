import { once } from 'node:events'
import net from 'node:net'

/** A TCP proxy between one adapter and the server, which can be cut and slowed. */
export interface FaultProxy {
  readonly port: number
  /** Closes every connection and refuses new ones. */
  cut(): Promise<void>
  heal(): Promise<void>
  /** Answers of the server come this much later, ms. */
  delay(delayMs: number): void
  close(): Promise<void>
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const sockets = new Set<net.Socket>()
  let delayMs = 0
  const server = net.createServer((client) => {
    const upstream = net.connect(targetPort, '127.0.0.1')
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {
        // Its close follows.
      })
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (bytes) => upstream.write(bytes))
    upstream.on('data', (bytes) => {
      if (delayMs === 0) client.write(bytes)
      else setTimeout(() => client.destroyed || client.write(bytes), delayMs).unref()
    })
  })
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(0)
  const { port } = server.address() as net.AddressInfo
  const cut = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    port,
    cut,
    heal: () => listen(port),
    delay: (ms) => (delayMs = ms),
    close: () => (server.listening ? cut() : Promise.resolve()),
  }
}
