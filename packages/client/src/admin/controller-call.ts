import type { Client } from '../client.js'
import { ClientError, kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'

const unknownTopic = 3
const notController = 41

/** One result of a call that names several subjects. */
export interface SubjectResult {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage?: string | null
}

/**
 * Retries a change at the controller. The controller is looked up again when it has moved; a lost
 * answer is *not* retried here, because whether the change was made is unknown then.
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
 * Throws the first failure; with several subjects `details.failed` lists each of them, and the
 * others succeeded.
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
  // Repeating the call would repeat the part that succeeded, and fail on that. And a topic that is
  // missing here is missing at the controller, where topics are made: waiting for it would not
  // help.
  const isPartial = failed.length < results.length
  if (error.retriable && (isPartial || first.errorCode === unknownTopic)) throw asFinal(error)
  throw error
}

/**
 * How often a topic that is not known is looked for again: one just created may not be everywhere
 * yet.
 */
const unknownTopicRetries = 3

/** Retries a lookup; topics that stay unknown are given up early. */
export function lookUp<T>(
  client: Client,
  operation: () => Promise<T>,
  options: CallOptions = {},
): Promise<T> {
  return client.retrying(
    async (attempt) => {
      try {
        return await operation()
      } catch (error) {
        const isUnknown = error instanceof ClientError && error.kafkaCode === unknownTopic
        throw isUnknown && attempt >= unknownTopicRetries ? asFinal(error) : error
      }
    },
    { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs },
  )
}

function asFinal(error: ClientError): ClientError {
  const { code, message, kafkaCode, kafkaName, details } = error
  return new ClientError(code, message, {
    retriable: false,
    ...(kafkaCode === undefined ? {} : { kafkaCode }),
    ...(kafkaName === undefined ? {} : { kafkaName }),
    ...(details === undefined ? {} : { details }),
  })
}
