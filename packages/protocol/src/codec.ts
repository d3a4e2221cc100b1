import type { Api, RequestInput, RequestOf, ResponseInput, ResponseOf } from './api.js'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

/**
 * Messages to frames and back. A listener is bound to one codec; handlers and clients see the same
 * typed messages whichever it is. Codecs are stateless and may be shared.
 *
 * Encoding returns a whole frame, its length prefix included, as chunks to write in order. A chunk
 * may be a byte field of the message itself: leave it unchanged until it is written.
 *
 * Decoding takes a frame without its length prefix, as a {@link FrameDecoder} returns it. Byte
 * fields of the result are views of the frame.
 *
 * Encoding and decoding throw `ProtocolError` and nothing else.
 */
export interface WireCodec {
  readonly name: string
  encodeRequest<A extends Api>(
    api: A,
    header: Pick<RequestHeader, 'apiVersion' | 'correlationId' | 'clientId'>,
    body: RequestInput<A>,
  ): Uint8Array[]
  /**
   * Reads the header of any version of an API with a schema, also of versions beyond `api.versions`
   * (the answer to an unknown ApiVersions version depends on it).
   * KFK_PROTOCOL_UNKNOWN_API carries `apiKey`, `apiVersion` and `correlationId` in its details.
   */
  decodeRequestHeader(frame: Uint8Array): RequestHeader & { readonly bodyPosition: number }
  decodeRequest<A extends Api>(
    api: A,
    apiVersion: number,
    frame: Uint8Array,
    bodyPosition: number,
  ): RequestOf<A>
  encodeResponse<A extends Api>(
    api: A,
    apiVersion: number,
    correlationId: number,
    body: ResponseInput<A>,
  ): Uint8Array[]
  /**
   * The correlation id tells which request, hence which API and version, the response belongs to.
   */
  peekCorrelationId(responseFrame: Uint8Array): number
  decodeResponse<A extends Api>(api: A, apiVersion: number, frame: Uint8Array): ResponseOf<A>
  createFrameDecoder(options: FrameDecoderOptions): FrameDecoder
}

export interface FrameDecoderOptions {
  /** Largest frame accepted, without the length prefix (Kafka: `socket.request.max.bytes`). */
  readonly maxFrameBytes: number
  /** Where large frames that come in pieces are put together. Default: new memory each time. */
  readonly memory?: FrameMemory
}

/** Memory for frames, which can be used again. */
export interface FrameMemory {
  /**
   * At least so many bytes, of any content. `frameBytes`, if given, is what the frame will have in
   * the end: whoever trusts that number may give as many at once.
   */
  take(byteCount: number, frameBytes?: number): Uint8Array
  /** Nobody uses this any more, which `take` has given, or a view of it. */
  give(bytes: Uint8Array): void
  /** Frames get no more memory than what has come of them needs, but by `FrameDecoder.reserve`. */
  readonly scarce?: boolean
}

/** Cuts a byte stream into frames. One per connection and direction. */
export interface FrameDecoder {
  /**
   * Takes the next chunk of the stream and returns the frames that it completes, each without its
   * length prefix and possibly a view of `chunk`: the caller hands the chunk over, but for one that
   * completes no frame, of which nothing is kept. Throws `ProtocolError` on an impossible size; the
   * stream is unusable from then on.
   */
  push(chunk: Uint8Array): Uint8Array[]
  /** Bytes held for a frame that is not complete yet. */
  readonly bufferedBytes: number
  /** Memory that an incomplete frame has, in bytes. A decoder that does not tell has no more. */
  readonly reservedBytes?: number
  /**
   * Bytes that `reserve` would add: 0 while an incomplete frame has memory for what comes next, and
   * between frames.
   */
  readonly wantedBytes?: number
  /** Makes room for more of an incomplete frame, for all of it up to a size. */
  reserve?(): void
  /**
   * Memory for the next bytes of a large incomplete frame, to receive into it without a copy; then
   * call `filled`. Undefined: use `push`. A decoder need not offer this.
   */
  space?(): Uint8Array | undefined
  /**
   * Takes `byteCount` bytes that were put into `space()`; returns the frame when that completes it.
   */
  filled?(byteCount: number): Uint8Array | undefined
  /** Nothing more comes: the memory of an incomplete frame is given back. */
  end?(): void
}
