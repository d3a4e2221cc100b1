import type { Client } from './client.js'
import { ClientError } from './errors.js'
import type { RetryingOptions } from './retry.js'

const coordinatorNotAvailable = 15
const notCoordinator = 16

/**
 * Retries a call to a group's coordinator, which is looked up again when it has moved or cannot be
 * reached. Only for calls that may be repeated.
 */
export function atCoordinator<T>(
  client: Client,
  group: string,
  operation: (attempt: number) => Promise<T>,
  options: RetryingOptions = {},
): Promise<T> {
  return client.retrying(async (attempt) => {
    try {
      return await operation(attempt)
    } catch (error) {
      if (error instanceof ClientError && mayHaveMoved(error)) client.invalidateCoordinator(group)
      throw error
    }
  }, options)
}

function mayHaveMoved(error: ClientError): boolean {
  return (
    error.kafkaCode === notCoordinator ||
    error.kafkaCode === coordinatorNotAvailable ||
    error.code === 'KFK_CLIENT_DISCONNECTED' ||
    error.code === 'KFK_CLIENT_UNREACHABLE' ||
    error.code === 'KFK_CLIENT_TIMEOUT'
  )
}
