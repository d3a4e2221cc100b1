import { errorCodes } from '@kfk/protocol'
import { BrokerError } from '../errors.js'
import type { Clock } from '../runtime/clock.js'

/**
 * Runs `operation` for at most `timeoutMs`. Its signal is aborted when the time is over or `signal`
 * fires; the promise does not wait for the operation to notice.
 *
 * @throws {BrokerError} KFK_BROKER_UNAVAILABLE with `details.kafkaCode` REQUEST_TIMED_OUT when
 *   the time is over
 */
export function within<T>(
  clock: Clock,
  bound: { readonly timeoutMs: number; readonly signal?: AbortSignal; readonly what: string },
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs, signal, what } = bound
  return new Promise((resolve, reject) => {
    const abort = new AbortController()
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
    const giveUp = (reason: Error): void => {
      settle()
      abort.abort(reason)
      reject(reason)
    }
    const onAbort = (): void => giveUp(abortReason(signal!))
    const timer = clock.setTimer(timeoutMs, () =>
      giveUp(
        new BrokerError('KFK_BROKER_UNAVAILABLE', `${what}: no success in ${timeoutMs} ms`, {
          details: { kafkaCode: errorCodes.REQUEST_TIMED_OUT },
        }),
      ),
    )
    if (signal?.aborted === true) {
      onAbort()
      return
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    operation(abort.signal).then(
      (value) => {
        settle()
        resolve(value)
      },
      (error: unknown) => {
        settle()
        reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  })
}

/** What a signal was aborted with, as an error. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}

/** Lets others wait until something is so. */
export class Condition {
  readonly #waiters = new Set<() => void>()

  /** Something may have become true: everybody who waits looks again. */
  notify(): void {
    for (const look of [...this.#waiters]) look()
  }

  /**
   * Resolves as soon as `isSo` holds, at once if it does already. Rejects with the signal's reason.
   */
  until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    if (isSo()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal))
        return
      }
      const end = (): void => {
        this.#waiters.delete(look)
        signal.removeEventListener('abort', onAbort)
      }
      const look = (): void => {
        if (!isSo()) return
        end()
        resolve()
      }
      const onAbort = (): void => {
        end()
        reject(abortReason(signal))
      }
      this.#waiters.add(look)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
