import { errorByCode } from '@kfk/protocol'

/**
 * What went wrong, as a string to branch on.
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | `KFK_CLIENT_UNREACHABLE` | no broker could be reached (nothing listens, DNS, no route) | check the address; retriable |
 * | `KFK_CLIENT_DISCONNECTED` | the connection broke while a request was under way | retriable; the outcome of the request is unknown |
 * | `KFK_CLIENT_TIMEOUT` | a bounded wait ended | retriable unless it bounded the whole operation |
 * | `KFK_CLIENT_NOT_KAFKA` | the peer answered with something that is not the Kafka protocol | check host, port and TLS |
 * | `KFK_CLIENT_UNSUPPORTED_VERSION` | client and broker share no version of an API | use a newer broker or client |
 * | `KFK_CLIENT_SERVER` | the broker answered with an error: see `kafkaCode` and `kafkaName` | depends on `kafkaName` |
 * | `KFK_CLIENT_INVALID_ARGUMENT` | an option or argument cannot be right | fix the call |
 * | `KFK_CLIENT_INVALID_DATA` | a key or value does not pass its serde or schema | fix the record, or `onInvalid` when consuming |
 * | `KFK_CLIENT_BUFFER_FULL` | a bounded buffer has no room and the call does not wait | `await producer.ready`, then again; retriable |
 * | `KFK_CLIENT_CLOSED` | the object was closed | create a new one |
 * | `KFK_CLIENT_ABORTED` | the caller's AbortSignal fired; its reason is the `cause` | - |
 */
export type ClientErrorCode =
  | 'KFK_CLIENT_UNREACHABLE'
  | 'KFK_CLIENT_DISCONNECTED'
  | 'KFK_CLIENT_TIMEOUT'
  | 'KFK_CLIENT_NOT_KAFKA'
  | 'KFK_CLIENT_UNSUPPORTED_VERSION'
  | 'KFK_CLIENT_SERVER'
  | 'KFK_CLIENT_INVALID_ARGUMENT'
  | 'KFK_CLIENT_INVALID_DATA'
  | 'KFK_CLIENT_BUFFER_FULL'
  | 'KFK_CLIENT_CLOSED'
  | 'KFK_CLIENT_ABORTED'

export interface ClientErrorOptions {
  /** Default false: an error is final unless it is known that trying again can help. */
  readonly retriable?: boolean
  readonly kafkaCode?: number
  readonly kafkaName?: string
  readonly details?: Record<string, unknown>
  readonly cause?: unknown
}

const brand = Symbol.for('@kfk/client/ClientError')

/** The one error class of @kfk/client, @kfk/producer and @kfk/consumer. */
export class ClientError extends Error {
  readonly code: ClientErrorCode
  /** True when the same call may succeed later without any change. */
  readonly retriable: boolean
  /** The protocol's error code, when a broker answered with one. */
  readonly kafkaCode: number | undefined
  /** The protocol's name of it, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly kafkaName: string | undefined
  readonly details: Record<string, unknown> | undefined

  constructor(code: ClientErrorCode, message: string, options: ClientErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'ClientError'
    this.code = code
    this.retriable = options.retriable ?? false
    this.kafkaCode = options.kafkaCode
    this.kafkaName = options.kafkaName
    this.details = options.details
    Object.defineProperty(this, brand, { value: true })
  }

  /** By brand and not by prototype: a program may hold both the ESM and the CommonJS copy. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/**
 * The error for an error code in a response. `message` is the broker's own text when it sent one.
 */
export function kafkaError(
  kafkaCode: number,
  message?: string | null,
  details?: Record<string, unknown>,
): ClientError {
  const known = errorByCode(kafkaCode)
  const text = message ?? known.message
  return new ClientError('KFK_CLIENT_SERVER', `${known.name}: ${text}`, {
    retriable: known.retriable,
    kafkaCode,
    kafkaName: known.name,
    ...(details === undefined ? {} : { details }),
  })
}

/** The error for a fired signal: KFK_CLIENT_ABORTED with the signal's reason as its cause. */
export function abortedError(signal: AbortSignal): ClientError {
  return new ClientError('KFK_CLIENT_ABORTED', 'The operation was aborted.', {
    cause: signal.reason,
  })
}

/** Throws KFK_CLIENT_ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal)
}

export function invalidArgument(message: string, details?: Record<string, unknown>): ClientError {
  return new ClientError(
    'KFK_CLIENT_INVALID_ARGUMENT',
    message,
    details === undefined ? {} : { details },
  )
}
