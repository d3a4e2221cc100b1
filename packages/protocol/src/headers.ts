import type { Api } from './api.js'
import { apiByKey } from './api-keys.js'
import type { RequestHeader } from './codec.js'
import { ProtocolError } from './errors.js'
import type { WireReader } from './wire-reader.js'
import type { WireWriter } from './wire-writer.js'

/**
 * Request headers.
 *
 * | version | fields |
 * |---|---|
 * | 0 | apiKey int16, apiVersion int16, correlationId int32 (ControlledShutdown 0 only) |
 * | 1 | + clientId nullable string |
 * | 2 | + tagged fields; clientId keeps its int16 length, so that any broker can read it |
 *
 * Response headers: version 0 is correlationId int32, version 1 adds tagged fields. ApiVersions
 * responses have version 0 always: the client cannot know yet what the broker speaks.
 */
export type RequestHeaderVersion = 0 | 1 | 2

const CONTROLLED_SHUTDOWN = 7
const API_VERSIONS = 18

export function requestHeaderVersion(
  api: Pick<Api, 'key' | 'flexibleSince'>,
  apiVersion: number,
): RequestHeaderVersion {
  if (apiVersion >= api.flexibleSince) return 2
  return api.key === CONTROLLED_SHUTDOWN && apiVersion === 0 ? 0 : 1
}

export function responseHeaderVersion(
  api: Pick<Api, 'key' | 'flexibleSince'>,
  apiVersion: number,
): 0 | 1 {
  return apiVersion >= api.flexibleSince && api.key !== API_VERSIONS ? 1 : 0
}

export function writeRequestHeader(
  writer: WireWriter,
  api: Pick<Api, 'key' | 'flexibleSince'>,
  header: Omit<RequestHeader, 'apiKey'>,
): void {
  const version = requestHeaderVersion(api, header.apiVersion)
  const position = writer.reserve(8)
  writer.int16At(position, api.key, 'header.apiKey')
  writer.int16At(position + 2, header.apiVersion, 'header.apiVersion')
  writer.int32At(position + 4, header.correlationId, 'header.correlationId')
  if (version >= 1) writer.nullableString(header.clientId, 'header.clientId')
  if (version >= 2) writer.varint(0)
}

/** Reads a request header of whatever version its API key and version call for. */
export function readRequestHeader(
  reader: WireReader,
): RequestHeader & { readonly bodyPosition: number } {
  const position = reader.take(8)
  const apiKey = reader.int16At(position)
  const apiVersion = reader.int16At(position + 2)
  const correlationId = reader.int32At(position + 4)
  const api = apiByKey.get(apiKey)
  if (api === undefined) {
    throw new ProtocolError('KFK_PROTOCOL_UNKNOWN_API', `API key ${apiKey} has no schema`, {
      details: { apiKey, apiVersion, correlationId },
    })
  }
  const version = requestHeaderVersion(api, apiVersion)
  const clientId = version >= 1 ? reader.nullableString() : null
  if (version >= 2) reader.skipTags()
  return { apiKey, apiVersion, correlationId, clientId, bodyPosition: reader.position }
}

export function writeResponseHeader(
  writer: WireWriter,
  correlationId: number,
  version: 0 | 1,
): void {
  writer.int32At(writer.reserve(4), correlationId, 'header.correlationId')
  if (version >= 1) writer.varint(0)
}

/** Reads a response header and returns its correlation id. */
export function readResponseHeader(reader: WireReader, version: 0 | 1): number {
  const correlationId = reader.int32At(reader.take(4))
  if (version >= 1) reader.skipTags()
  return correlationId
}
