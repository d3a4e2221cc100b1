import type { Client } from '../client.js'
import { ClientError, kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'

const notController = 41

/** One result of a call that names several subjects. */
export interface SubjectResult {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage?: string | null
}

/**
 * Retries a change at the controller. The controller is looked up again when it has moved; a lost answer is *not*
 * retried here, because whether the change was made is unknown then.
 */
export function atController<T>(
  client: Client,
  operation: () => Promise<T>,
  options: CallOptions = {},
): Promise<T> {
  return client.retrying(
    async () => {
      try {
        return await operation()
      } catch (error) {
        if (!(error instanceof ClientError)) throw error
        if (error.kafkaCode === notController) await client.metadata.cluster({ refresh: true })
        throw outcomeUnknown(error) ? final(error) : error
      }
    },
    { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs },
  )
}

function outcomeUnknown(error: ClientError): boolean {
  return error.code === 'KFK_CLIENT_DISCONNECTED' || error.code === 'KFK_CLIENT_TIMEOUT'
}

function final(error: ClientError): ClientError {
  const text = `${error.message} Whether the change was made is unknown.`
  return new ClientError(error.code, text, { cause: error })
}

/**
 * Throws the first failure; with several subjects `details.failed` lists each of them, and the others succeeded.
 */
export function throwFailures(results: readonly SubjectResult[]): void {
  const failed = results.filter(({ errorCode }) => errorCode !== 0)
  const first = failed[0]
  if (first === undefined) return
  const errors = failed.map(({ name, errorCode }) => {
    const { kafkaName } = kafkaError(errorCode)
    return { name, kafkaCode: errorCode, kafkaName }
  })
  const reason = first.errorMessage ?? kafkaError(first.errorCode).message
  const error = kafkaError(first.errorCode, `"${first.name}": ${reason}`, { failed: errors })
  // Repeating the call would repeat the part that succeeded, and fail on that.
  if (results.length > 1 && failed.length < results.length && error.retriable) {
    throw new ClientError(error.code, error.message, { ...error, retriable: false })
  }
  throw error
}
