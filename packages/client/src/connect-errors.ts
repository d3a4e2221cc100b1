import type { BrokerAddress } from './address.js'
import { formatAddress } from './address.js'
import { ClientError } from './errors.js'

/** Says in words why a broker could not be reached, and what to do about it. */
export function connectError(address: BrokerAddress, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause
  const where = formatAddress(address)
  const code = systemCode(cause)
  return new ClientError('KFK_CLIENT_UNREACHABLE', reason(address, code, cause), {
    retriable: true,
    details: { address: where, ...(code === undefined ? {} : { systemCode: code }) },
    cause,
  })
}

function reason(address: BrokerAddress, code: string | undefined, cause: unknown): string {
  const where = formatAddress(address)
  switch (code) {
    case 'ECONNREFUSED':
      return `Nothing listens on ${where} (connection refused). Start a broker there, for example with "npx kfk broker", or correct \`brokers\`.`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name "${address.host}" of broker ${where} cannot be resolved (${code}). Check \`brokers\` and, if the name came from the cluster, the broker's advertised listener.`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `The broker ${where} cannot be reached (${code}). Check the network, firewalls, and the broker's advertised listener.`
    case 'ECONNRESET':
    case 'EPIPE':
      return `${where} closed the connection while it was being set up (${code}). Does that port expect TLS?`
    default: {
      const text = cause instanceof Error ? cause.message : String(cause)
      return `The connection to ${where} failed: ${text}`
    }
  }
}

function systemCode(cause: unknown): string | undefined {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined
  return typeof cause.code === 'string' ? cause.code : undefined
}

/** The error when none of several addresses answered: every reason, one after the other. */
export function noBrokerError(failures: readonly ClientError[]): ClientError {
  if (failures.length === 1) return failures[0]!
  // One wrong kind of server among several addresses must not stop retries of the others.
  const retriable = failures.some((failure) => failure.retriable)
  const reasons = failures.map((failure) => `- ${failure.message}`).join('\n')
  return new ClientError(
    'KFK_CLIENT_UNREACHABLE',
    `None of ${failures.length} brokers can be used:\n${reasons}`,
    { retriable, cause: new AggregateError(failures) },
  )
}

/** The peer speaks something else. `bytes` is the beginning of what it sent. */
export function notKafkaError(address: string, bytes: Uint8Array, cause: unknown): ClientError {
  return new ClientError(
    'KFK_CLIENT_NOT_KAFKA',
    `${address} is not a Kafka broker, or not on this port: ${guess(bytes)}`,
    { details: { address, firstBytes: Buffer.from(bytes.subarray(0, 16)).toString('hex') }, cause },
  )
}

/** TLS record type "alert". */
const tlsAlert = 0x15

function guess(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, 16)).toString('latin1')
  if (start.startsWith('HTTP/')) return 'an HTTP server answered.'
  if (bytes[0] === tlsAlert && bytes[1] === 0x03) {
    return 'it expects TLS; pass `transport: tlsTransport()`.'
  }
  const printable = start.replace(/[^\x20-\x7e]/g, '.')
  return `its answer is not the Kafka protocol (it begins with "${printable}").`
}

/** An open connection has ended; requests under way have an unknown outcome. */
export function disconnectedError(address: string, cause?: unknown): ClientError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '.'
  return new ClientError('KFK_CLIENT_DISCONNECTED', `The connection to ${address} ended${reason}`, {
    retriable: true,
    details: { address },
    cause,
  })
}

export function timedOutError(address: string, api: string, timeoutMs: number): ClientError {
  return new ClientError(
    'KFK_CLIENT_TIMEOUT',
    `${address} did not answer ${api} within ${timeoutMs} ms.`,
    { retriable: true, details: { address, api, timeoutMs } },
  )
}
