import type { RetryOptions } from './config.js'
import { translated } from './error-translation.js'
import {
  KafkaJSAggregateError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
} from './errors.js'

/** Retry options with every default filled in. */
export type RetryBounds = Required<Omit<RetryOptions, 'restartOnFailure'>>

const defaults: RetryBounds = {
  maxRetryTime: 30_000,
  initialRetryTime: 300,
  factor: 0.2,
  multiplier: 2,
  retries: 5,
}

/** Later options go before earlier ones. */
export function retryBounds(...options: readonly (RetryOptions | undefined)[]): RetryBounds {
  const bounds: Record<string, unknown> = { ...defaults }
  for (const [name, value] of options.flatMap((each) => Object.entries(each ?? {}))) {
    if (value !== undefined && name in defaults) bounds[name] = value
  }
  return bounds as RetryBounds
}

function spread(factor: number, time: number): number {
  return Math.ceil(time * (1 - factor + 2 * factor * Math.random()))
}

/** The wait before the first retry. */
export function firstWaitMs({ factor, initialRetryTime }: RetryBounds): number {
  return spread(factor, initialRetryTime)
}

/** The wait after one of `waitMs`. */
export function nextWaitMs({ factor, multiplier, maxRetryTime }: RetryBounds, waitMs: number) {
  return Math.min(spread(factor, waitMs) * multiplier, maxRetryTime)
}

/** Longest that an operation can take by its waits, in milliseconds. */
export function waitingTimeMs({
  initialRetryTime,
  multiplier,
  maxRetryTime,
  retries,
}: RetryBounds) {
  let wait = initialRetryTime
  let total = 0
  for (let retry = 0; retry < retries && total < longestMs; retry++) {
    total += Math.min(wait, maxRetryTime)
    wait *= multiplier
  }
  return Math.min(total, longestMs)
}

/** An operation that may be tried for ever is given up after an hour. */
const longestMs = 3_600_000

const programmingErrors = ['RangeError', 'ReferenceError', 'SyntaxError', 'TypeError']

/** kafkajs tries again unless an error says that it is final, or is a mistake in a program. */
export function isRetriable(error: unknown): boolean {
  // Repeated it would fail by what has succeeded.
  if (error instanceof KafkaJSAggregateError) return false
  const { retriable, name } = (error ?? {}) as { retriable?: unknown; name?: unknown }
  return retriable !== false && !programmingErrors.includes(String(name))
}

export interface Attempt {
  readonly retryCount: number
  readonly retryTime: number
}

/**
 * Tries again while the error is retriable. Rejects with KafkaJSNumberOfRetriesExceeded in the
 * end, or with an error that is not retriable: as it is (`bail`), or in kafkajs's class for that.
 */
export async function retrying<T>(
  bounds: RetryBounds,
  operation: (attempt: Attempt) => Promise<T>,
  options: { readonly bail?: boolean; readonly signal?: AbortSignal } = {},
): Promise<T> {
  let retryTime = firstWaitMs(bounds)
  for (let retryCount = 0; ; retryCount++) {
    try {
      return await operation({ retryCount, retryTime })
    } catch (thrown) {
      const error = translated(thrown)
      if (!isRetriable(error)) throw finalError(error, options.bail ?? true)
      if (retryCount >= bounds.retries || options.signal?.aborted === true) {
        throw new KafkaJSNumberOfRetriesExceeded(asError(error), { retryCount, retryTime })
      }
      await sleep(retryTime, options.signal)
      retryTime = nextWaitMs(bounds, retryTime)
    }
  }
}

function finalError(error: unknown, bail: boolean): unknown {
  if (bail) return error
  const source = asError(error)
  return new KafkaJSNonRetriableError(source, { cause: source.cause ?? source })
}

/** Programs may throw anything. */
export function asError(error: unknown): Error {
  if (isError(error)) return error
  return new Error(String(error), { cause: error })
}

/** Also one of another realm. */
function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}

/** Ends early when the signal fires. Never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve()
      return
    }
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end, { once: true })
  })
}
