import type { Api, RequestOf, ResponseOf } from './api.js'
import type { WireCodec } from './codec.js'
import { messageCodec } from './compile.js'
import { createFrameDecoder } from './frame-decoder.js'
import {
  readRequestHeader,
  readResponseHeader,
  responseHeaderVersion,
  writeRequestHeader,
  writeResponseHeader,
} from './headers.js'
import { WireReader } from './wire-reader.js'
import { WireWriter } from './wire-writer.js'

export interface CodecOptions {
  /** List elements and tagged fields of one request, all together. */
  readonly maxRequestElements?: number
  /** The same of a response, which comes from a broker that the client chose to trust. */
  readonly maxResponseElements?: number
}

/** What a small hostile request may make a broker allocate: some 10 MB. */
export const MAX_REQUEST_ELEMENTS = 100_000
/** Metadata of a cluster with 100,000 partitions has a million. */
export const MAX_RESPONSE_ELEMENTS = 10_000_000

/** Kafka's own binary protocol. Bytes after the end of a message are ignored, as Kafka does. */
export function createKafkaCodec(options: CodecOptions = {}): WireCodec {
  const { maxRequestElements = MAX_REQUEST_ELEMENTS, maxResponseElements = MAX_RESPONSE_ELEMENTS } =
    options
  const writer = new WireWriter()
  return {
    name: 'kafka',

    encodeRequest(api, header, body) {
      const codec = messageCodec(api, 'request', header.apiVersion)
      writer.begin()
      writeRequestHeader(writer, api, header)
      codec.encode(writer, body)
      return writer.finish()
    },

    decodeRequestHeader(frame) {
      return readRequestHeader(new WireReader(frame, 0, maxRequestElements))
    },

    decodeRequest<A extends Api>(
      api: A,
      apiVersion: number,
      frame: Uint8Array,
      bodyPosition: number,
    ) {
      const codec = messageCodec(api, 'request', apiVersion)
      return codec.decode(new WireReader(frame, bodyPosition, maxRequestElements)) as RequestOf<A>
    },

    encodeResponse(api, apiVersion, correlationId, body) {
      const codec = messageCodec(api, 'response', apiVersion)
      writer.begin()
      writeResponseHeader(writer, correlationId, responseHeaderVersion(api, apiVersion))
      codec.encode(writer, body)
      return writer.finish()
    },

    peekCorrelationId(frame) {
      const reader = new WireReader(frame, 0, 0)
      return reader.int32At(reader.take(4))
    },

    decodeResponse<A extends Api>(api: A, apiVersion: number, frame: Uint8Array) {
      const codec = messageCodec(api, 'response', apiVersion)
      const reader = new WireReader(frame, 0, maxResponseElements)
      readResponseHeader(reader, responseHeaderVersion(api, apiVersion))
      return codec.decode(reader) as ResponseOf<A>
    },

    createFrameDecoder,
  }
}

/** {@link createKafkaCodec} with the default limits. */
export const kafkaCodec: WireCodec = createKafkaCodec()
