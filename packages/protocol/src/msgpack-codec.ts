// A CommonJS module whose exports Node cannot name: only the default import works in both builds.
import CRC32 from 'crc-32'
import { Packr } from 'msgpackr'
import { apiByKey } from './api-keys.js'
import type { Api, RequestOf, ResponseOf } from './api.js'
import type { RequestHeader, WireCodec } from './codec.js'
import { checkVersion } from './compile.js'
import { ProtocolError } from './errors.js'
import { createFrameDecoder } from './frame-decoder.js'
import type { CodecOptions } from './kafka-codec.js'
import { MAX_REQUEST_ELEMENTS, MAX_RESPONSE_ELEMENTS } from './kafka-codec.js'
import type { WireVersion } from './layout.js'
import { scanMsgpack } from './msgpack-scan.js'
import { fromPlain, toPlain } from './plain-message.js'

const CRC_BYTES = 4
/** Every field is a map entry here, and an element of a list has some five fields. */
const ENTRIES_PER_ELEMENT = 5

// Maps instead of the record extension of msgpackr, so that every MessagePack library can read
// them.
const packr = new Packr({ useRecords: false, mapsAsObjects: true })

/**
 * The same messages as self-describing MessagePack, for places where Kafka's binary layout is a
 * burden: a browser or worker behind a WebSocket, a debugging proxy, a device.
 *
 * ```text
 * int32 size | header | body | CRC-32 of header and body
 * ```
 *
 * The header is the list [apiKey, apiVersion, correlationId, clientId] of a request and
 * [correlationId] of a response; the body is a map by field name. A frame without its size is what
 * the decoding functions take; the trailer is checked wherever a frame is first looked at.
 */
export function createMsgpackCodec(options: CodecOptions = {}): WireCodec {
  const { maxRequestElements = MAX_REQUEST_ELEMENTS, maxResponseElements = MAX_RESPONSE_ELEMENTS } =
    options
  return {
    name: 'msgpack',

    encodeRequest(api, { apiVersion, correlationId, clientId }, body) {
      const at = wireVersion(api, apiVersion)
      const header = checkedHeader({ apiKey: api.key, apiVersion, correlationId, clientId })
      return frame(header, toPlain(api.request, at, body))
    },

    decodeRequestHeader(bytes) {
      const end = checkTrailer(bytes)
      const bodyPosition = scanMsgpack(bytes.subarray(0, end), 0, 8)
      return { ...requestHeader(unpack(bytes.subarray(0, bodyPosition))), bodyPosition }
    },

    decodeRequest<A extends Api>(
      api: A,
      apiVersion: number,
      bytes: Uint8Array,
      bodyPosition: number,
    ) {
      const at = wireVersion(api, apiVersion)
      const body = bytes.subarray(bodyPosition, bytes.length - CRC_BYTES)
      return fromPlain(api.request, at, unpackBody(body, maxRequestElements)) as RequestOf<A>
    },

    encodeResponse(api, apiVersion, correlationId, body) {
      const at = wireVersion(api, apiVersion)
      return frame([int(correlationId, 32)], toPlain(api.response, at, body))
    },

    peekCorrelationId: (bytes) => responseHeader(bytes, checkTrailer(bytes)).correlationId,

    decodeResponse<A extends Api>(api: A, apiVersion: number, bytes: Uint8Array) {
      const at = wireVersion(api, apiVersion)
      const end = checkTrailer(bytes)
      const body = bytes.subarray(responseHeader(bytes, end).bodyPosition, end)
      return fromPlain(api.response, at, unpackBody(body, maxResponseElements)) as ResponseOf<A>
    },

    createFrameDecoder,
  }
}

/** {@link createMsgpackCodec} with the default limits. */
export const msgpackCodec: WireCodec = createMsgpackCodec()

function wireVersion(api: Api, version: number): WireVersion {
  checkVersion(api, version)
  // Tagged fields are optional map entries here, in the versions in which Kafka tags them.
  return { version, flexible: version >= api.flexibleSince }
}

function frame(header: readonly unknown[], body: object): Uint8Array[] {
  const head = packr.pack(header)
  const tail = packr.pack(body)
  const start = Buffer.allocUnsafe(4 + head.length)
  start.writeInt32BE(head.length + tail.length + CRC_BYTES)
  start.set(head, 4)
  const trailer = Buffer.allocUnsafe(CRC_BYTES)
  trailer.writeInt32BE(CRC32.buf(tail, CRC32.buf(head)))
  return [start, tail, trailer]
}

/** Checks the CRC of a frame and returns where its body ends. */
function checkTrailer(bytes: Uint8Array): number {
  const end = bytes.length - CRC_BYTES
  if (end < 0) throw malformed('the frame is too short for its checksum')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getInt32(end) === CRC32.buf(bytes.subarray(0, end))) return end
  throw new ProtocolError('KFK_PROTOCOL_CORRUPT', 'the checksum of a frame does not match', {
    details: { bytes: bytes.length },
  })
}

function unpackBody(body: Uint8Array, maxElements: number): unknown {
  const end = scanMsgpack(body, 0, maxElements * ENTRIES_PER_ELEMENT)
  return unpack(body.subarray(0, end))
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'a message is not MessagePack', { cause })
  }
}

function checkedHeader(header: RequestHeader): readonly unknown[] {
  const { apiKey, apiVersion, correlationId, clientId } = header
  if (clientId !== null && typeof clientId !== 'string') throw invalid('clientId')
  return [int(apiKey, 16), int(apiVersion, 16), int(correlationId, 32), clientId]
}

function requestHeader(header: unknown): RequestHeader {
  if (!Array.isArray(header) || header.length < 4)
    throw malformed('the request header is incomplete')
  const [apiKey, apiVersion, correlationId, clientId] = header as unknown[]
  if (!isInt(apiKey, 16) || !isInt(apiVersion, 16) || !isInt(correlationId, 32)) {
    throw malformed('the request header has numbers out of range')
  }
  if (clientId !== null && typeof clientId !== 'string')
    throw malformed('the client id is no string')
  if (!apiByKey.has(apiKey)) {
    throw new ProtocolError('KFK_PROTOCOL_UNKNOWN_API', `API key ${apiKey} has no schema`, {
      details: { apiKey, apiVersion, correlationId },
    })
  }
  return { apiKey, apiVersion, correlationId, clientId }
}

function responseHeader(
  bytes: Uint8Array,
  end: number,
): { correlationId: number; bodyPosition: number } {
  const bodyPosition = scanMsgpack(bytes.subarray(0, end), 0, 8)
  const header = unpack(bytes.subarray(0, bodyPosition))
  const correlationId: unknown = Array.isArray(header) ? header[0] : undefined
  if (!isInt(correlationId, 32)) throw malformed('the response header is incomplete')
  return { correlationId, bodyPosition }
}

function isInt(value: unknown, bits: 16 | 32): value is number {
  const limit = 2 ** (bits - 1)
  return Number.isInteger(value) && (value as number) >= -limit && (value as number) < limit
}

function int(value: number, bits: 16 | 32): number {
  if (!isInt(value, bits)) throw invalid(`a header field of ${bits} bits`)
  return value
}

function malformed(message: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
}

function invalid(what: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `${what} cannot carry this value`)
}
