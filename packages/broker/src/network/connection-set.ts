import type { WireCodec } from '@kfk/protocol'
import type {
  BrokerConfig,
  BrokerServices,
  Clock,
  Handler,
  Logger,
  TimerHandle,
} from '../context.js'
import type { ByteStream } from './byte-stream.js'
import { Connection } from './connection.js'
import { Dispatcher } from './dispatcher.js'
import { FramePool } from './frame-pool.js'
import { RequestMemory } from './request-memory.js'

/** How often idle and stalled connections are looked for. */
const sweepMs = 1000
/** While memory is short, the one connection that may go on must go on: everyone waits for it. */
const stallMs = 2000

/** All connections of a broker, over sockets and in-process, with the limits that they share. */
export class ConnectionSet {
  readonly #codec: WireCodec
  readonly #config: BrokerConfig
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #dispatcher: Dispatcher
  readonly #memory: RequestMemory
  readonly #frames: FramePool
  /** Not the same: an answer may hold parts of requests that are still in use. */
  readonly #answers = new FramePool()
  readonly #connections = new Set<Connection>()
  readonly #perAddress = new Map<string, number>()
  #sweep: TimerHandle | undefined
  #stopping = false
  #onEmpty: (() => void) | undefined

  constructor(options: {
    codec: WireCodec
    handlers: readonly Handler[]
    services: BrokerServices
    memoryLimitBytes: number
  }) {
    const { services } = options
    this.#codec = options.codec
    this.#config = services.config
    this.#clock = services.clock
    this.#logger = services.logger
    this.#memory = new RequestMemory(options.memoryLimitBytes)
    // As much as requests may hold: what is not kept stays until a garbage collection, which comes
    // late for memory outside of the heap.
    this.#frames = new FramePool(options.memoryLimitBytes, this.#memory)
    this.#dispatcher = new Dispatcher({ ...options, onClosed: (closed) => this.#remove(closed) })
  }

  get size(): number {
    return this.#connections.size
  }

  /** Bytes held by requests that are being received or served. */
  get requestBytes(): number {
    return this.#memory.usedBytes
  }

  /** Takes over a stream, or closes it at once when there are too many. */
  add(stream: ByteStream): void {
    const refusal = this.#refusal(addressOf(stream.peer))
    if (refusal !== undefined) {
      this.#logger.warn(`refused ${stream.peer}: ${refusal}`)
      stream.destroy()
      return
    }
    const connection = new Connection(stream, {
      decoder: this.#codec.createFrameDecoder({
        maxFrameBytes: this.#config.number('socket.request.max.bytes'),
        memory: this.#frames,
      }),
      delegate: this.#dispatcher,
      memory: this.#memory,
      frames: this.#frames,
      answers: this.#answers,
    })
    this.#connections.add(connection)
    const address = addressOf(connection.peer)
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1)
    this.#sweep ??= this.#clock.setTimer(sweepMs, () => this.#sweepIdle())
  }

  /**
   * Lets running requests be answered, takes no more, and closes all; what is not closed after
   * `timeoutMs` is cut.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#stopping = true
    for (const connection of [...this.#connections]) connection.drain()
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(timeoutMs, resolve)
        this.#onEmpty = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    for (const connection of [...this.#connections]) connection.destroy()
    this.#sweep?.cancel()
  }

  #refusal(address: string): string | undefined {
    if (this.#stopping) return 'the broker stops'
    const max = this.#config.number('max.connections')
    if (this.#connections.size >= max)
      return `there are ${max} connections already (max.connections)`
    const perIp = this.#config.number('max.connections.per.ip')
    if ((this.#perAddress.get(address) ?? 0) < perIp) return undefined
    return `there are ${perIp} connections from this address already (max.connections.per.ip)`
  }

  #remove(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    const address = addressOf(connection.peer)
    const left = (this.#perAddress.get(address) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  #trim(): void {
    this.#frames.trim()
    this.#answers.trim()
  }

  #sweepIdle(): void {
    this.#sweep = undefined
    const now = this.#clock.monotonicMs()
    const idleMs = this.#config.long('connections.max.idle.ms')
    const favoured = this.#memory.favoured
    this.#trim()
    for (const connection of [...this.#connections]) {
      const silentMs = connection.silentMs(now)
      if (connection === favoured && connection.midFrame && silentMs > stallMs) {
        this.#logger.warn(`closed ${connection.peer}: its request stalls while memory is short`)
        connection.destroy()
      } else if (connection.unanswered === 0 && silentMs > idleMs) {
        this.#logger.debug(`closed ${connection.peer}: idle for ${Math.round(silentMs)} ms`)
        connection.destroy()
      }
    }
    // Nobody will come by to trim again.
    if (this.#connections.size === 0) this.#trim()
    else if (!this.#stopping) {
      this.#sweep = this.#clock.setTimer(sweepMs, () => this.#sweepIdle())
    }
  }
}

/** `address:port` without the port. */
function addressOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':'))
}
