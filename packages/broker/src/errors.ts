/**
 * The kinds of failure of an embedded broker. Failures of single requests never throw: they travel
 * as Kafka error codes inside the responses.
 *
 * - `KFK_BROKER_PORT_IN_USE`: another process listens on the port.
 * - `KFK_BROKER_LISTEN`: the listener could not be opened for another reason (address, permission).
 * - `KFK_BROKER_INSECURE`: the host is not loopback and `allowInsecure` was not given.
 * - `KFK_BROKER_DATA_DIR`: the data directory is locked, unreadable, or belongs to another cluster
 *   or node.
 * - `KFK_BROKER_INVALID_CONFIG`: an option or config value is unknown or out of range.
 * - `KFK_BROKER_CLUSTER`: the cluster that coordination describes does not fit this broker.
 * - `KFK_BROKER_CLOSED`: the broker has been closed.
 * - `KFK_BROKER_UNAVAILABLE`: a peer (controller, coordination) did not answer in time; retriable.
 */
export type BrokerErrorCode =
  | 'KFK_BROKER_PORT_IN_USE'
  | 'KFK_BROKER_LISTEN'
  | 'KFK_BROKER_INSECURE'
  | 'KFK_BROKER_DATA_DIR'
  | 'KFK_BROKER_INVALID_CONFIG'
  | 'KFK_BROKER_CLUSTER'
  | 'KFK_BROKER_CLOSED'
  | 'KFK_BROKER_UNAVAILABLE'

const brand = Symbol.for('kfk.BrokerError')

/**
 * The only error class of this package. The brand makes `instanceof` hold across the ESM and CJS
 * copies.
 */
export class BrokerError extends Error {
  readonly code: BrokerErrorCode
  readonly retriable: boolean
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: BrokerErrorCode,
    message: string,
    options: {
      retriable?: boolean
      details?: Readonly<Record<string, unknown>>
      cause?: unknown
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'BrokerError'
    this.code = code
    this.retriable = options.retriable ?? code === 'KFK_BROKER_UNAVAILABLE'
    this.details = options.details
    Object.defineProperty(this, brand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}
