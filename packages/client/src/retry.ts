import type { Clock } from './clock.js'
import { abortedError, ClientError, throwIfAborted } from './errors.js'
import type { Random } from './random.js'

/** Exponential backoff. Kafka's names: `retry.backoff.ms`, `retry.backoff.max.ms`. */
export interface RetryPolicy {
  /** Attempts after the first one. Default 10. */
  readonly retries: number
  /** Wait before the first retry, in milliseconds. Default 100. */
  readonly initialMs: number
  /** Upper bound of a single wait, in milliseconds. Default 1000. */
  readonly maxMs: number
}

export const defaultRetryPolicy: RetryPolicy = { retries: 10, initialMs: 100, maxMs: 1000 }

/** Spread of a wait around its nominal length, so that many clients do not return in step. */
const jitter = 0.2

export interface RetryingOptions extends Partial<RetryPolicy> {
  readonly signal?: AbortSignal
  /**
   * Bound of the whole operation in milliseconds, waits included. Default: none besides `retries`.
   */
  readonly timeoutMs?: number
  /** Called before each wait. */
  readonly onRetry?: (error: ClientError, attempt: number, delayMs: number) => void
}

/** Milliseconds to wait before retry number `attempt` (0 is the first retry). */
export function backoffMs(
  policy: Pick<RetryPolicy, 'initialMs' | 'maxMs'>,
  attempt: number,
  random: Random,
): number {
  const nominal = Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempt, 30))
  return nominal * (1 - jitter + 2 * jitter * random())
}

/** Resolves after `delayMs`; rejects with KFK_CLIENT_ABORTED as soon as the signal fires. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortedError(signal))
      return
    }
    const onAbort = (): void => {
      timer.cancel()
      reject(abortedError(signal!))
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Runs `operation` until it succeeds, fails with an error that is not retriable, or a bound is
 * reached; then the last error is thrown as it is.
 */
export async function retrying<T>(
  operation: (attempt: number) => Promise<T>,
  policy: RetryPolicy,
  environment: { readonly clock: Clock; readonly random: Random },
  options: RetryingOptions = {},
): Promise<T> {
  const { clock, random } = environment
  const bounds = {
    retries: options.retries ?? policy.retries,
    initialMs: options.initialMs ?? policy.initialMs,
    maxMs: options.maxMs ?? policy.maxMs,
  }
  const deadline = clock.monotonicMs() + (options.timeoutMs ?? Infinity)
  for (let attempt = 0; ; attempt += 1) {
    throwIfAborted(options.signal)
    try {
      return await operation(attempt)
    } catch (error) {
      if (!(error instanceof ClientError) || !error.retriable) throw error
      if (attempt >= bounds.retries) throw error
      const waitMs = backoffMs(bounds, attempt, random)
      if (clock.monotonicMs() + waitMs >= deadline) throw error
      options.onRetry?.(error, attempt, waitMs)
      await delay(clock, waitMs, options.signal)
    }
  }
}
