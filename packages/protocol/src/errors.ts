/**
 * Error code of a {@link ProtocolError}.
 *
 * | code | meaning | remedy |
 * |---|---|---|
 * | `KFK_PROTOCOL_MALFORMED` | bytes that no encoder of this protocol writes | close the connection |
 * | `KFK_PROTOCOL_TOO_LARGE` | a frame, count or output beyond a configured limit | raise the limit, or close |
 * | `KFK_PROTOCOL_UNSUPPORTED_VERSION` | a version the schema lacks, or a field the version lacks | negotiate another version |
 * | `KFK_PROTOCOL_UNKNOWN_API` | an API key without a schema | close the connection |
 * | `KFK_PROTOCOL_CORRUPT` | a checksum that does not match | fetch again; the sender or the disk is at fault |
 * | `KFK_PROTOCOL_UNSUPPORTED_COMPRESSION` | no codec for that compression type | install the optional codec |
 * | `KFK_PROTOCOL_INVALID_ARGUMENT` | a value that a field cannot carry | fix the caller |
 */
export type ProtocolErrorCode =
  | 'KFK_PROTOCOL_MALFORMED'
  | 'KFK_PROTOCOL_TOO_LARGE'
  | 'KFK_PROTOCOL_UNSUPPORTED_VERSION'
  | 'KFK_PROTOCOL_UNKNOWN_API'
  | 'KFK_PROTOCOL_CORRUPT'
  | 'KFK_PROTOCOL_UNSUPPORTED_COMPRESSION'
  | 'KFK_PROTOCOL_INVALID_ARGUMENT'

// A registered symbol, so that `instanceof` also recognises errors of another copy of this package
// (the CommonJS and the ES module build may be loaded side by side).
const brand = Symbol.for('kfk.ProtocolError')

/** The one error class of this package. Not retriable: the same bytes or values fail again. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode
  readonly retriable: boolean
  /** What was found: positions, sizes, names. For logs; the shape is not promised. */
  readonly details?: Readonly<Record<string, unknown>>

  constructor(
    code: ProtocolErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ProtocolError'
    this.code = code
    this.retriable = false
    if (options.details) this.details = options.details
    Object.defineProperty(this, brand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}
