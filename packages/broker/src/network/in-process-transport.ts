import { tcpTransport } from '@kfk/client'
import type { BrokerAddress, Transport, TransportConnection } from '@kfk/client'
import type { ByteStream } from './byte-stream.js'

/** More than this on its way to a reader who is slower makes the writer wait. */
const highWaterBytes = 1024 * 1024

type Accept = (stream: ByteStream) => void

/** The brokers of this process by the address that they advertise. */
const brokersHere = new Map<string, Accept>()
let connections = 0

function addressKey(address: BrokerAddress): string {
  return `${address.host}:${address.port}`
}

/**
 * Lets clients of this process reach the broker that advertises the address, without a socket.
 * Returns the way back.
 */
export function offerInProcess(address: BrokerAddress, accept: Accept): () => void {
  const key = addressKey(address)
  brokersHere.set(key, accept)
  return () => {
    if (brokersHere.get(key) === accept) brokersHere.delete(key)
  }
}

/**
 * Reaches brokers of this process directly, all others over TCP: so a cluster may be partly here.
 */
export function inProcessTransport(): Transport {
  const tcp = tcpTransport()
  return {
    connect(address, options) {
      const accept = brokersHere.get(addressKey(address))
      if (accept === undefined) return tcp.connect(address, options)
      const { client, server } = pipe()
      accept(server)
      return Promise.resolve(client)
    },
  }
}

/**
 * One direction: what has been written and not delivered. Delivers once per turn of the event loop,
 * like a socket.
 */
class Lane {
  deliver: (chunk: Uint8Array) => void = () => undefined
  drained: () => void = () => undefined
  queuedBytes = 0
  #queue: Uint8Array[] = []
  #paused = false
  #scheduled = false
  #open = true

  send(chunk: Uint8Array): void {
    if (!this.#open || chunk.length === 0) return
    this.#queue.push(chunk)
    this.queuedBytes += chunk.length
    this.#schedule()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  cut(): void {
    this.#open = false
    this.#queue = []
    this.queuedBytes = 0
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused || this.#queue.length === 0) return
    this.#scheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    while (this.#queue.length > 0 && !this.#paused) {
      const chunk = this.#queue.shift()!
      this.queuedBytes -= chunk.length
      this.deliver(chunk)
    }
    if (this.#open && this.#queue.length === 0) this.drained()
  }
}

function pipe(): { client: TransportConnection; server: ByteStream } {
  const toServer = new Lane()
  const toClient = new Lane()
  let open = true
  const close = (): void => {
    if (!open) return
    open = false
    toServer.cut()
    toClient.cut()
    setImmediate(() => {
      server.onclose()
      client.onclose()
    })
  }
  const client: TransportConnection = {
    write(chunks) {
      // A copy: the client may use its buffers again once it is answered, while the log still holds
      // the bytes for readers.
      toServer.send(Buffer.concat(chunks))
      return toServer.queuedBytes < highWaterBytes
    },
    pause: () => toClient.pause(),
    resume: () => toClient.resume(),
    ondata: () => false,
    ondrain: () => undefined,
    onclose: () => undefined,
    close,
  }
  const server: ByteStream = {
    peer: `in-process:${++connections}`,
    get unsentBytes() {
      return toClient.queuedBytes
    },
    write(chunks) {
      for (const chunk of chunks) toClient.send(chunk)
    },
    pause: () => toServer.pause(),
    resume: () => toServer.resume(),
    destroy: close,
    end() {
      if (toClient.queuedBytes === 0) close()
      else toClient.drained = close
    },
    ondata: () => undefined,
    space: () => undefined,
    onfilled: () => undefined,
    ondrain: () => undefined,
    onclose: () => undefined,
  }
  toServer.deliver = (chunk) => server.ondata(chunk, false)
  toServer.drained = () => client.ondrain()
  toClient.deliver = (chunk) => void client.ondata(chunk)
  toClient.drained = () => server.ondrain()
  return { client, server }
}
