import { ProtocolError, apiByKey, apis, errorCodes } from '@kfk/protocol'
import type { Api, ResponseInput, WireCodec } from '@kfk/protocol'
import {
  type AnswerMemory,
  answersLater,
  type BrokerServices,
  type Handler,
  type Logger,
  type RequestContext,
} from '../context.js'
import type { Connection, ConnectionDelegate, IncomingRequest, ResponseSlot } from './connection.js'

/** A request whose header has been read and found servable. */
export interface OpenedRequest extends IncomingRequest {
  readonly handler: Handler
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly bodyPosition: number
  /**
   * An ApiVersions request of a version that we do not have: answered all the same, so that the
   * client can choose.
   */
  readonly unsupported: boolean
}

/**
 * Between connections and handlers: finds the handler, decodes, encodes. Knows nothing of what the
 * APIs mean.
 */
export class Dispatcher implements ConnectionDelegate<OpenedRequest> {
  readonly #codec: WireCodec
  readonly #handlers: ReadonlyMap<number, Handler>
  readonly services: BrokerServices
  readonly #logger: Logger
  readonly #onClosed: (connection: Connection) => void

  constructor(options: {
    codec: WireCodec
    handlers: readonly Handler[]
    services: BrokerServices
    onClosed: (connection: Connection) => void
  }) {
    this.#codec = options.codec
    this.#handlers = new Map(options.handlers.map((handler) => [handler.api.key, handler]))
    this.services = options.services
    this.#logger = options.services.logger
    this.#onClosed = options.onClosed
  }

  open(frame: Uint8Array): OpenedRequest {
    const { apiKey, apiVersion, correlationId, clientId, bodyPosition } =
      this.#codec.decodeRequestHeader(frame)
    const handler = this.#handlers.get(apiKey)
    if (handler === undefined) {
      const name = apiByKey.get(apiKey)?.name ?? `API key ${apiKey}`
      throw new ProtocolError('KFK_PROTOCOL_UNKNOWN_API', `${name} is not served here`)
    }
    const [min, max] = handler.versions
    const unsupported = apiVersion < min || apiVersion > max
    if (unsupported && apiKey !== apis.apiVersions.key) {
      throw new ProtocolError(
        'KFK_PROTOCOL_UNSUPPORTED_VERSION',
        `${handler.api.name} version ${apiVersion} is not among ${min} to ${max}`,
      )
    }
    const pipelined = handler.pipelined === true
    const lends = handler.lends === true
    return {
      frame,
      handler,
      apiVersion,
      correlationId,
      clientId,
      bodyPosition,
      pipelined,
      lends,
      unsupported,
    }
  }

  dispatch(connection: Connection, request: OpenedRequest, slot: ResponseSlot): void {
    const { handler, apiVersion, correlationId } = request
    if (request.unsupported) {
      slot.complete(
        this.#codec.encodeResponse(apis.apiVersions, 0, correlationId, this.#ownRange()),
      )
      return
    }
    const { frame, bodyPosition } = request
    const body = this.#codec.decodeRequest(handler.api, apiVersion, frame, bodyPosition)
    const context = new Exchange(connection, request, slot, this)
    const result = handler.handle(context, body)
    if (result === answersLater) return
    if (!(result instanceof Promise)) {
      slot.complete(this.#encode(request, result))
      return
    }
    result.then(
      (response) => {
        if (response !== answersLater) context.answer(response)
      },
      (error: unknown) => this.#onHandlerFailure(connection, request, error),
    )
  }

  onFault(connection: Connection, reason: unknown): void {
    if (reason instanceof ProtocolError) {
      this.#logger.warn(`closed ${connection.peer}: ${reason.message}`, { code: reason.code })
    } else {
      this.#logger.error(`closed ${connection.peer}: ${String(reason)}`, { error: reason })
    }
  }

  onClosed(connection: Connection): void {
    this.#onClosed(connection)
  }

  /** For the exchanges: answers late, unless the client has gone. */
  readonly answering = (
    { connection, request, slot }: Exchange,
    response: ResponseInput<Api> | undefined,
  ): void => {
    if (connection.closed) {
      // The memory of its frame may be used again all the same.
      slot.complete(undefined)
      return
    }
    try {
      slot.complete(this.#encode(request, response))
    } catch (error) {
      this.#onHandlerFailure(connection, request, error)
    }
  }

  #encode(
    request: OpenedRequest,
    response: ResponseInput<Api> | undefined,
  ): Uint8Array[] | undefined {
    if (response === undefined) return undefined
    const { handler, apiVersion, correlationId } = request
    return this.#codec.encodeResponse(handler.api, apiVersion, correlationId, response)
  }

  /** The body that every client can read: error 35 and where ApiVersions itself lies (KIP-511). */
  #ownRange(): ResponseInput<typeof apis.apiVersions> {
    const own = this.services.advertised.filter(({ apiKey }) => apiKey === apis.apiVersions.key)
    return { errorCode: errorCodes.UNSUPPORTED_VERSION, apiKeys: own }
  }

  /** Handlers answer with error codes; one that throws has a bug, or its client has gone. */
  #onHandlerFailure(connection: Connection, request: OpenedRequest, error: unknown): void {
    if (connection.closed) return
    connection.fault(
      new Error(
        `${request.handler.api.name} version ${request.apiVersion} failed: ${String(error)}`,
        {
          cause: error,
        },
      ),
    )
  }
}

/** What all requests of a dispatcher are answered by. */
type Answering = (exchange: Exchange, response: ResponseInput<Api> | undefined) => void

/**
 * A request and what becomes of it: its context. A class, so that the abort signal is made only for
 * handlers that ask for it.
 */
class Exchange implements RequestContext {
  readonly services: BrokerServices
  readonly connection: Connection
  readonly request: OpenedRequest
  readonly slot: ResponseSlot
  readonly #answering: Answering

  constructor(
    connection: Connection,
    request: OpenedRequest,
    slot: ResponseSlot,
    dispatcher: { readonly services: BrokerServices; readonly answering: Answering },
  ) {
    this.connection = connection
    this.request = request
    this.slot = slot
    this.services = dispatcher.services
    this.#answering = dispatcher.answering
  }

  get apiVersion(): number {
    return this.request.apiVersion
  }

  get clientId(): string | null {
    return this.request.clientId
  }

  get correlationId(): number {
    return this.request.correlationId
  }

  get peer(): string {
    return this.connection.peer
  }

  get signal(): AbortSignal {
    return this.connection.signal
  }

  get memory(): AnswerMemory {
    return this.connection.answers
  }

  answer(response: ResponseInput<Api> | undefined): void {
    this.#answering(this, response)
  }

  disconnect(reason: string): void {
    this.connection.fault(new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', reason))
  }
}
