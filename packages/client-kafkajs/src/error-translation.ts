import { ClientError } from '@kfk/client'
import { errorByCode } from '@kfk/protocol'
import {
  KafkaJSConnectionClosedError,
  KafkaJSConnectionError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSServerDoesNotSupportApiKey,
} from './errors.js'

/** Names of older brokers, which kafkajs keeps. */
const olderNames: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN',
  6: 'NOT_LEADER_FOR_PARTITION',
  14: 'GROUP_LOAD_IN_PROGRESS',
  15: 'GROUP_COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR_FOR_GROUP',
}

/** What a protocol error is made from. */
export function protocolErrorSource(code: number, text?: string | null) {
  const { name, message, retriable } = errorByCode(code)
  return { code, type: olderNames[code] ?? name, message: text ?? message, retriable }
}

/** kafkajs's error for a code of the protocol. */
export function protocolError(code: number, text?: string | null): KafkaJSProtocolError {
  return new KafkaJSProtocolError(protocolErrorSource(code, text))
}

/** Throws kafkajs's error unless the code says that all is well. */
export function throwIfFailed(code: number, text?: string | null): void {
  if (code !== 0) throw protocolError(code, text)
}

/** kafkajs's error for one of our clients'; every other value as it is. */
export function translated(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error
  const { message, kafkaCode, details } = error
  const cause = error
  const address = details?.['address'] ?? details?.['broker']
  const broker = typeof address === 'string' ? address : ''
  switch (error.code) {
    case 'KFK_CLIENT_SERVER': {
      const source = { ...protocolErrorSource(kafkaCode ?? -1), message }
      return new KafkaJSProtocolError(source, { cause })
    }
    case 'KFK_CLIENT_UNREACHABLE':
      return new KafkaJSConnectionError(message, { broker, cause, ...systemCode(error) })
    case 'KFK_CLIENT_DISCONNECTED':
      return new KafkaJSConnectionClosedError(message, { broker, cause })
    case 'KFK_CLIENT_TIMEOUT':
      return new KafkaJSRequestTimeoutError(message, { broker, cause })
    case 'KFK_CLIENT_UNSUPPORTED_VERSION':
      return new KafkaJSServerDoesNotSupportApiKey(message, { cause, ...apiOf(details) })
    default:
      return error.retriable
        ? new KafkaJSError(message, { cause })
        : new KafkaJSNonRetriableError(message, { cause })
  }
}

/** As kafkajs rejects with it. */
export async function translating<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw translated(error)
  }
}

/** The code of the system's error (ECONNREFUSED and the like), if one is the reason. */
function systemCode({ details, cause }: ClientError): { code?: string } {
  const code = details?.['systemCode']
  if (typeof code === 'string') return { code }
  const { errors = [] } = (cause ?? {}) as { readonly errors?: readonly unknown[] }
  const [first] = errors
  return first instanceof ClientError ? systemCode(first) : {}
}

function apiOf(details: Record<string, unknown> | undefined) {
  const { apiKey, api } = details ?? {}
  return {
    ...(typeof apiKey === 'number' ? { apiKey } : {}),
    ...(typeof api === 'string' ? { apiName: api } : {}),
  }
}
