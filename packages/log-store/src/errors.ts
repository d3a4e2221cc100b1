/** What went wrong, as a stable word. README.md has the remedy for each. */
export type StoreErrorCode =
  | 'KFK_STORE_OFFSET_OUT_OF_RANGE'
  | 'KFK_STORE_NOT_FOUND'
  | 'KFK_STORE_CORRUPT'
  | 'KFK_STORE_CLOSED'
  | 'KFK_STORE_LOCKED'
  | 'KFK_STORE_IO'
  | 'KFK_STORE_NO_SPACE'
  | 'KFK_STORE_DELAYED'
  | 'KFK_STORE_TOO_LARGE'
  | 'KFK_STORE_INVALID_ARGUMENT'

const brand = Symbol.for('kfk.StoreError')

/**
 * The only error that this package throws for operating conditions. `retriable` means that the same
 * call may succeed later without a change by the caller. Branded, so that `instanceof` holds across
 * the CommonJS and the ES module copy of the package.
 */
export class StoreError extends Error {
  readonly code: StoreErrorCode
  readonly retriable: boolean
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: StoreErrorCode,
    message: string,
    options: { retriable?: boolean; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StoreError'
    this.code = code
    this.retriable = options.retriable ?? false
    this.details = options.details ?? {}
    Object.defineProperty(this, brand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/**
 * The system's word for a failed call (`ENOSPC`), or undefined when the error is not the system's.
 */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The volume or a quota is full: the write did not happen, the disk is not broken. */
export function isOutOfSpace(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG'
}

/** Too many open files, here (EMFILE) or in the whole system (ENFILE): passes. */
export function isOutOfHandles(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'EMFILE' || errno === 'ENFILE'
}

/**
 * Wraps a failed system call, naming the file and what was tried. A StoreError passes unchanged.
 */
export function ioError(error: unknown, attempt: { action: string; path: string }): StoreError {
  if (error instanceof StoreError) return error
  const errno = errnoOf(error)
  const space = isOutOfSpace(error)
  const reason = error instanceof Error ? error.message : String(error)
  return new StoreError(
    space ? 'KFK_STORE_NO_SPACE' : 'KFK_STORE_IO',
    `cannot ${attempt.action} ${attempt.path}: ${reason}`,
    {
      retriable: space || isOutOfHandles(error),
      details: { errno, path: attempt.path, action: attempt.action },
      cause: error,
    },
  )
}

/** A write or a sync failed, and not for want of room or handles: it is not to be tried again. */
export function isFailedWrite({ code, retriable, details }: StoreError): boolean {
  return code === 'KFK_STORE_IO' && !retriable && details['action'] !== 'read'
}

/** A sync could not even begin, for a while: what was written stays, and it is tried on. */
export function delayedSync(error: Error, path: string): StoreError {
  const errno = errnoOf(error) ?? errnoOf(error.cause)
  return new StoreError('KFK_STORE_DELAYED', `${path} is not synced yet: ${error.message}`, {
    retriable: true,
    details: { errno, path, action: 'sync' },
    cause: error,
  })
}

/** What to tell whoever appended. A delay is not retriable: the records stay, and would be two. */
export function appendError(
  error: unknown,
  appended: { readonly firstOffset: number; readonly lastOffset: number },
): unknown {
  if (!(error instanceof StoreError) || error.code !== 'KFK_STORE_DELAYED') return error
  const { firstOffset, lastOffset } = appended
  const message = `appended from ${firstOffset} to ${lastOffset}, to stay: ${error.message}`
  return new StoreError('KFK_STORE_DELAYED', message, {
    details: { ...error.details, firstOffset, lastOffset },
    cause: error,
  })
}

/** Runs `work`; a failed system call in it comes out as a StoreError, anything else unchanged. */
export async function explained<Result>(
  attempt: { action: string; path: string },
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    // Words of Node and of callers (ERR_..., ABORT_ERR) are not the system's.
    const isSystems = /^E(?!RR_)[A-Z0-9]+$/.test(errnoOf(error) ?? '')
    throw isSystems ? ioError(error, attempt) : error
  }
}

/** An offset that is not within `from` to `to`. */
export function outOfRange(offset: number, from: number, to: number): StoreError {
  return new StoreError(
    'KFK_STORE_OFFSET_OUT_OF_RANGE',
    `offset ${offset} is not within ${from} to ${to}`,
    { details: { offset, logStartOffset: from, logEndOffset: to } },
  )
}

/** Offsets are whole numbers; a fraction would be taken for damage, or noted as it is. */
export function requireInteger(offset: number): void {
  if (Number.isSafeInteger(offset)) return
  const message = `an offset is a whole number below 2^53, not ${offset}`
  throw new StoreError('KFK_STORE_INVALID_ARGUMENT', message, { details: { offset } })
}

/** A bug of the caller or of this package, never a condition of the disk. */
export function assert(condition: boolean, whatMustHold: string): asserts condition {
  if (!condition) throw new Error(`kfk log-store: it must hold that ${whatMustHold}`)
}
