/**
 * What went wrong, and what the caller does about it:
 *
 * | code | meaning | remedy |
 * |---|---|---|
 * | `KFK_COORDINATION_EXISTS` | a live session, a lease or a plain value of somebody else is at the key | wait for its end, or `replace` |
 * | `KFK_COORDINATION_CONFLICT` | a compare-and-set lost | read again and decide again |
 * | `KFK_COORDINATION_FENCED` | the session or lease given is not the current one | stop acting in its name |
 * | `KFK_COORDINATION_SESSION_EXPIRED` | the session's time ran out, or its entry is gone | open another session |
 * | `KFK_COORDINATION_UNAVAILABLE` | no answer in time, or a refused connection; the step may have happened | try again; read before repeating |
 * | `KFK_COORDINATION_INVALID_VALUE` | an argument breaks the limits, or what was read back is damaged | correct it |
 * | `KFK_COORDINATION_CLOSED` | the session, lease or adapter was closed by its owner | a bug of the caller |
 * | `KFK_COORDINATION_LOCKED` | the journal belongs to another process | stop that process |
 */
export type CoordinationErrorCode =
  | 'KFK_COORDINATION_EXISTS'
  | 'KFK_COORDINATION_CONFLICT'
  | 'KFK_COORDINATION_FENCED'
  | 'KFK_COORDINATION_SESSION_EXPIRED'
  | 'KFK_COORDINATION_UNAVAILABLE'
  | 'KFK_COORDINATION_INVALID_VALUE'
  | 'KFK_COORDINATION_CLOSED'
  | 'KFK_COORDINATION_LOCKED'

const brand = Symbol.for('kfk.CoordinationError')

/**
 * The one error class of this package and of every adapter. `instanceof` holds across copies of the
 * package.
 */
export class CoordinationError extends Error {
  /** Which error it is; see {@link CoordinationErrorCode}. */
  readonly code: CoordinationErrorCode
  /** True only for `KFK_COORDINATION_UNAVAILABLE`: the same call may succeed later. */
  readonly retriable: boolean
  /** Facts for a log line: key, versions, epochs. Never values. */
  readonly details?: Readonly<Record<string, unknown>>

  constructor(
    code: CoordinationErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CoordinationError'
    this.code = code
    this.retriable = code === 'KFK_COORDINATION_UNAVAILABLE'
    if (options.details !== undefined) this.details = options.details
    Object.defineProperty(this, brand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}
