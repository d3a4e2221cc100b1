/**
 * What went wrong, as a string to branch on.
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | `KFK_LOADER_TARGET` | the target refused or failed | see the message; retriable when the target may come back |
 * | `KFK_LOADER_NO_TARGET` | the target cannot be reached | check the address, start it; retriable |
 * | `KFK_LOADER_GAP` | records were deleted from the log before they were loaded | load more often or keep longer; `skipMissing` records the gap and goes on |
 * | `KFK_LOADER_DAMAGED` | what an earlier load left is not as its manifest says | `verifyLoad` tells all of it |
 * | `KFK_LOADER_OTHER_TOPIC` | the target holds an earlier topic of this name | load into another directory |
 * | `KFK_LOADER_LOG_BEHIND` | the log ends before what was loaded of it | it is another cluster, or it has lost records: load into another directory |
 * | `KFK_LOADER_CORRUPT_LOG` | a batch of the log cannot be decoded | `kfk dump` shows it |
 * | `KFK_LOADER_UNBALANCED` | counts do not add up: nothing of this split was committed | a bug: report it |
 * | `KFK_LOADER_INVALID_ARGUMENT` | an option cannot be right | fix the call |
 */
export type LoaderErrorCode =
  | 'KFK_LOADER_TARGET'
  | 'KFK_LOADER_NO_TARGET'
  | 'KFK_LOADER_GAP'
  | 'KFK_LOADER_DAMAGED'
  | 'KFK_LOADER_OTHER_TOPIC'
  | 'KFK_LOADER_LOG_BEHIND'
  | 'KFK_LOADER_CORRUPT_LOG'
  | 'KFK_LOADER_UNBALANCED'
  | 'KFK_LOADER_INVALID_ARGUMENT'

export interface LoaderErrorOptions {
  /** Default false. */
  readonly retriable?: boolean
  readonly details?: Record<string, unknown>
  readonly cause?: unknown
}

const brand = Symbol.for('@kfk/hadoop-loader/LoaderError')

/**
 * The error class of @kfk/hadoop-loader. Errors of the cluster come as they are, as ClientError.
 */
export class LoaderError extends Error {
  readonly code: LoaderErrorCode
  /** True when the same call may succeed later without any change. */
  readonly retriable: boolean
  readonly details: Record<string, unknown> | undefined

  constructor(code: LoaderErrorCode, message: string, options: LoaderErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'LoaderError'
    this.code = code
    this.retriable = options.retriable ?? false
    this.details = options.details
    Object.defineProperty(this, brand, { value: true })
  }

  /** By brand and not by prototype: a program may hold both the ESM and the CommonJS copy. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}
