import { apis } from '@kfk/protocol'
import type { ResponseOf, WireCodec } from '@kfk/protocol'
import type { Connection } from './connection.js'
import { ClientError, kafkaError } from './errors.js'
import type { ApiRanges } from './version-negotiation.js'

/** UNSUPPORTED_VERSION: the answer to an ApiVersions request that is too new. */
const unsupportedVersion = 35
/** How the client introduces itself in ApiVersions (KIP-511); brokers show it in their metrics. */
const software = { clientSoftwareName: 'kfk', clientSoftwareVersion: '0.1.0' }

type ApiVersionsResponse = ResponseOf<typeof apis.apiVersions>

export interface HandshakeOptions {
  readonly codec: WireCodec
  readonly timeoutMs: number
}

/**
 * Learns which versions the broker speaks. A broker that does not know the newest ApiVersions
 * answers with a version-0 body, error 35 and its own range (KIP-511), which is then asked again
 * within that range.
 */
export async function exchangeApiVersions(
  connection: Connection,
  options: HandshakeOptions,
): Promise<ApiRanges> {
  const newest = apis.apiVersions.versions[1]
  let response = await ask(connection, newest, options)
  if (response.errorCode === unsupportedVersion) {
    const own = response.apiKeys.find(({ apiKey }) => apiKey === apis.apiVersions.key)
    response = await ask(connection, Math.min(newest - 1, own?.maxVersion ?? 0), options)
  }
  if (response.errorCode !== 0) throw kafkaError(response.errorCode)
  return new Map(
    response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [
      apiKey,
      [minVersion, maxVersion],
    ]),
  )
}

async function ask(
  connection: Connection,
  version: number,
  { codec, timeoutMs }: HandshakeOptions,
): Promise<ApiVersionsResponse> {
  const decode = (frame: Uint8Array): ApiVersionsResponse => {
    try {
      const response = codec.decodeResponse(apis.apiVersions, version, frame)
      if (response.errorCode !== unsupportedVersion) return response
    } catch (error) {
      if (version === 0) throw error
    }
    return codec.decodeResponse(apis.apiVersions, 0, frame)
  }
  try {
    return await connection.send(apis.apiVersions, version, software, { timeoutMs, decode })
  } catch (error) {
    throw explain(error, connection.address)
  }
}

/** The first request is where wrong ports show: say so instead of "connection ended". */
function explain(error: unknown, address: string): unknown {
  if (!(error instanceof ClientError)) return error
  if (error.code === 'KFK_CLIENT_DISCONNECTED') {
    return new ClientError(
      'KFK_CLIENT_UNREACHABLE',
      `${address} accepted the connection and closed it at the first request. Does that port expect TLS or SASL, or is it another service?`,
      { retriable: true, details: { address }, cause: error },
    )
  }
  if (error.code === 'KFK_CLIENT_TIMEOUT') {
    return new ClientError(
      'KFK_CLIENT_UNREACHABLE',
      `${address} accepted the connection but did not answer ApiVersions in time. Is it a Kafka broker, and is it overloaded or stopped?`,
      { retriable: true, details: { address }, cause: error },
    )
  }
  return error
}
