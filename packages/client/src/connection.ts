import type {
  Api,
  FrameDecoder,
  FrameMemory,
  RequestInput,
  ResponseOf,
  WireCodec,
} from '@kfk/protocol'
import type { Clock } from './clock.js'
import { disconnectedError, notKafkaError, timedOutError } from './connect-errors.js'
import { EarliestTimer } from './earliest-timer.js'
import { abortedError, ClientError } from './errors.js'
import type { TransportConnection } from './transport.js'
import type { ApiRanges } from './version-negotiation.js'

export interface ConnectionOptions {
  readonly codec: WireCodec
  readonly clientId: string | null
  /** The broker's address, for messages. */
  readonly address: string
  /**
   * Requests on the wire at once; more wait here in order
   * (`max.in.flight.requests.per.connection`).
   */
  readonly maxInFlight: number
  /** Largest response accepted, in bytes. */
  readonly maxFrameBytes: number
  /** Where large answers are put. Default: new memory for each. */
  readonly memory?: FrameMemory
  readonly clock: Clock
}

export interface SendOptions<Response> {
  /** From now to the answer, time in the queue included, in milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** The request has no response (Produce with acks=0): resolves with `undefined` when written. */
  readonly noResponse?: boolean | undefined
  /** Replaces the codec's decoding of the response. */
  readonly decode?: ((frame: Uint8Array) => Response) | undefined
}

interface PendingRequest {
  readonly api: Api
  readonly apiVersion: number
  readonly body: never
  readonly deadlineMs: number
  readonly options: SendOptions<unknown>
  readonly resolve: (response: never) => void
  readonly reject: (error: unknown) => void
  correlationId: number
  onAbort: (() => void) | undefined
  /** Settled by timeout or abort; a response that still comes is dropped. */
  settled: boolean
}

/**
 * Requests that may wait in one connection. Callers bound themselves far below; this stops a
 * runaway.
 */
const maxQueuedRequests = 10_000
const noBytes = new Uint8Array(0)
/** What waits for it comes as a microtask, at a fraction of the cost of Node's queueMicrotask. */
const settled = Promise.resolve()

/**
 * One socket to one broker. Responses come in the order of the requests (the protocol promises it),
 * so the head of the in-flight list is always the request that a response answers. Requests of one
 * turn of the event loop leave in one write. A request that is not answered in time ends the
 * connection, because what follows it could not be answered either.
 */
export class Connection {
  readonly address: string
  /** Versions that the broker offers; set once by the handshake. */
  ranges: ApiRanges = new Map()
  /** Called once when the connection has ended. */
  onclosed: () => void = () => {}
  lastUsedMs: number
  readonly #stream: TransportConnection
  readonly #options: ConnectionOptions
  readonly #decoder: FrameDecoder
  readonly #queue: PendingRequest[] = []
  readonly #inFlight: PendingRequest[] = []
  #nextCorrelationId = 1
  #flushScheduled = false
  readonly #flushNow = (): void => {
    this.#flushScheduled = false
    this.#flush()
  }
  #blocked = false
  #closed = false
  #answered = false
  readonly #deadlines: EarliestTimer
  #idle: (() => void) | undefined

  constructor(stream: TransportConnection, options: ConnectionOptions) {
    this.address = options.address
    this.lastUsedMs = options.clock.monotonicMs()
    this.#stream = stream
    this.#options = options
    this.#deadlines = new EarliestTimer(options.clock, () => this.#checkDeadlines())
    const { maxFrameBytes, memory } = options
    this.#decoder = options.codec.createFrameDecoder({ maxFrameBytes, ...(memory && { memory }) })
    stream.ondata = (chunk) => this.#receive(chunk, 0)
    stream.space = () => (this.#closed ? undefined : this.#decoder.space?.())
    stream.onfilled = (byteCount) => void this.#receive(undefined, byteCount)
    stream.ondrain = () => {
      this.#blocked = false
      this.#scheduleFlush()
    }
    stream.onclose = (cause) => this.close(disconnectedError(this.address, cause))
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Requests under way or waiting. */
  get pendingRequests(): number {
    return this.#queue.length + this.#inFlight.length
  }

  /**
   * Sends a request and resolves with its response. Rejects with ClientError:
   * KFK_CLIENT_DISCONNECTED (outcome unknown), _TIMEOUT, _ABORTED, _NOT_KAFKA, _CLOSED; or with the
   * ProtocolError of a body that the version cannot carry.
   */
  send<A extends Api>(
    api: A,
    apiVersion: number,
    body: RequestInput<A>,
    options: SendOptions<ResponseOf<A>>,
  ): Promise<ResponseOf<A>> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      const refusal = this.#refusal(signal)
      if (refusal !== undefined) {
        reject(refusal)
        return
      }
      const now = this.#options.clock.monotonicMs()
      this.lastUsedMs = now
      const request: PendingRequest = {
        api,
        apiVersion,
        body: body as never,
        deadlineMs: now + options.timeoutMs,
        options,
        resolve,
        reject,
        correlationId: 0,
        onAbort: undefined,
        settled: false,
      }
      if (signal !== undefined) {
        request.onAbort = () => this.#settle(request, abortedError(signal))
        signal.addEventListener('abort', request.onAbort, { once: true })
      }
      this.#queue.push(request)
      this.#deadlines.at(request.deadlineMs)
      this.#scheduleFlush()
    })
  }

  /** Resolves when nothing is under way any more. */
  drained(): Promise<void> {
    if (this.pendingRequests === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#idle = resolve))
  }

  /** Ends the connection; requests under way fail with `reason` (default KFK_CLIENT_CLOSED). */
  close(reason?: ClientError): void {
    if (this.#closed) return
    this.#closed = true
    this.#deadlines.cancel()
    this.#stream.close()
    const error = reason ?? new ClientError('KFK_CLIENT_CLOSED', 'The client was closed.')
    for (const request of [...this.#inFlight, ...this.#queue]) this.#settle(request, error)
    this.#inFlight.length = 0
    this.#queue.length = 0
    this.#idle?.()
    this.onclosed()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#closed) return
    this.#flushScheduled = true
    void settled.then(this.#flushNow)
  }

  #flush(): void {
    const chunks: Uint8Array[] = []
    while (
      !this.#closed &&
      !this.#blocked &&
      this.#queue.length > 0 &&
      this.#inFlight.length < this.#options.maxInFlight
    ) {
      const request = this.#queue.shift()!
      if (!request.settled) this.#encode(request, chunks)
    }
    if (chunks.length > 0 && !this.#closed) this.#blocked = !this.#stream.write(chunks)
    this.#reportIdle()
  }

  #encode(request: PendingRequest, chunks: Uint8Array[]): void {
    const { api, apiVersion, body, options } = request
    request.correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = (this.#nextCorrelationId + 1) & 0x7fffffff
    const { clientId, codec } = this.#options
    const { correlationId } = request
    try {
      chunks.push(...codec.encodeRequest(api, { apiVersion, correlationId, clientId }, body))
    } catch (error) {
      this.#settle(request, error)
      return
    }
    if (options.noResponse === true) this.#settle(request, undefined, undefined)
    else this.#inFlight.push(request)
  }

  /** A chunk, or bytes that were put into the decoder's space. False: no view of it is kept. */
  #receive(chunk: Uint8Array | undefined, filledBytes: number): boolean {
    if (this.#closed) return false
    let isKept = true
    try {
      if (chunk === undefined) {
        const frame = this.#decoder.filled!(filledBytes)
        if (frame !== undefined) this.#answer(frame)
      } else {
        const frames = this.#decoder.push(chunk)
        isKept = frames.length > 0
        for (const frame of frames) this.#answer(frame)
      }
    } catch (cause) {
      this.close(this.#unusable(chunk ?? noBytes, cause))
      return true
    }
    this.#reportIdle()
    if (this.#queue.length > 0) this.#scheduleFlush()
    return isKept
  }

  #answer(frame: Uint8Array): void {
    const { codec } = this.#options
    const request = this.#inFlight[0]
    const correlationId = codec.peekCorrelationId(frame)
    if (request?.correlationId !== correlationId) {
      throw new Error(`unexpected correlation id ${correlationId}`)
    }
    if (!request.settled) {
      const { api, apiVersion, options } = request
      const response = options.decode?.(frame) ?? codec.decodeResponse(api, apiVersion, frame)
      this.#settle(request, undefined, response as never)
    }
    // Only now: if decoding failed, the request is still in the list and fails with the connection.
    this.#inFlight.shift()
    this.#answered = true
  }

  #settle(request: PendingRequest, error: unknown, response?: never): void {
    if (request.settled) return
    request.settled = true
    if (request.onAbort !== undefined) {
      request.options.signal?.removeEventListener('abort', request.onAbort)
    }
    if (error === undefined) request.resolve(response as never)
    else request.reject(error)
  }

  #checkDeadlines(): void {
    const now = this.#options.clock.monotonicMs()
    for (const request of this.#queue) {
      if (request.deadlineMs <= now)
        this.#settle(
          request,
          timedOutError(this.address, request.api.name, request.options.timeoutMs),
        )
    }
    const overdue = this.#inFlight.find((request) => request.deadlineMs <= now)
    if (overdue !== undefined) {
      const error = timedOutError(this.address, overdue.api.name, overdue.options.timeoutMs)
      this.#settle(overdue, error)
      this.close(disconnectedError(this.address, error))
      return
    }
    let earliest = Infinity
    for (const request of this.#inFlight) earliest = Math.min(earliest, request.deadlineMs)
    for (const request of this.#queue) {
      if (!request.settled) earliest = Math.min(earliest, request.deadlineMs)
    }
    if (earliest < Infinity) this.#deadlines.at(earliest)
  }

  #reportIdle(): void {
    if (this.pendingRequests > 0) return
    this.#idle?.()
    this.#idle = undefined
  }

  #unusable(chunk: Uint8Array, cause: unknown): ClientError {
    if (!this.#answered) return notKafkaError(this.address, chunk, cause)
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new ClientError(
      'KFK_CLIENT_NOT_KAFKA',
      `${this.address} sent bytes that are no response to what was asked: ${reason}`,
      { details: { address: this.address }, cause },
    )
  }

  /** Why a request cannot be taken now, if so. */
  #refusal(signal: AbortSignal | undefined): ClientError | undefined {
    if (this.#closed) return disconnectedError(this.address)
    if (signal?.aborted === true) return abortedError(signal)
    if (this.#queue.length < maxQueuedRequests) return undefined
    return new ClientError(
      'KFK_CLIENT_BUFFER_FULL',
      `More than ${maxQueuedRequests} requests wait for ${this.address}.`,
      { retriable: true, details: { address: this.address } },
    )
  }
}
