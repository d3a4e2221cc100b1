/** How a command ends. */
export const exitCodes = {
  ok: 0,
  /** It did not do what it was asked to, or found something wrong. */
  failed: 1,
  /** The command line or a config cannot be right; nothing was done. */
  usage: 2,
  /** Ended by Ctrl-C or SIGTERM before it was done (128 + SIGINT, as shells have it). */
  interrupted: 130,
} as const

/**
 * - `KFK_CLI_USAGE`: the command line cannot be right.
 * - `KFK_CLI_FAILED`: the command could not do what it was asked to.
 * - `KFK_CLI_BROKEN_PIPE`: the reader of the output has gone away; not told to anybody.
 */
export type CliErrorCode = 'KFK_CLI_USAGE' | 'KFK_CLI_FAILED' | 'KFK_CLI_BROKEN_PIPE'

const brand = Symbol.for('@kfk/cli/CliError')

/** What the command itself has to complain about; errors of the libraries come as they are. */
export class CliError extends Error {
  readonly code: CliErrorCode
  readonly retriable = false
  /** What to do about it: one line. */
  readonly hint: string | undefined

  constructor(
    code: CliErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'CliError'
    this.code = code
    this.hint = options.hint
    Object.defineProperty(this, brand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/** An error of the command line: exit code 2. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError('KFK_CLI_USAGE', message, hint === undefined ? {} : { hint })
}

/** Something could not be done: exit code 1. */
export function failure(
  message: string,
  options?: { readonly hint?: string; readonly cause?: unknown },
): CliError {
  return new CliError('KFK_CLI_FAILED', message, options)
}
