import { Buffer } from 'node:buffer'
import { ClientError } from './errors.js'

/** What goes on the wire. A string is written as UTF-8, straight into the batch. */
export type SerializedData = Uint8Array | string

/**
 * How a key or value becomes bytes and comes back. `null` never gets here: a null value is a
 * tombstone and a missing key is a keyless record, whatever the serde. May throw anything; callers
 * see KFK_CLIENT_INVALID_DATA. A serde that returns a promise costs a turn of the event loop a
 * record; order is kept.
 */
export interface Serde<In, Out = In> {
  readonly name: string
  serialize(data: In): SerializedData | Promise<SerializedData>
  /** `bytes` is a view on a received buffer: copy what must outlive the record. */
  deserialize(bytes: Uint8Array): Out | Promise<Out>
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 text. Invalid UTF-8 is an error when reading, not replaced silently. */
export function string(): Serde<string> {
  return {
    name: 'string',
    serialize(data) {
      if (typeof data !== 'string') throw new TypeError(`expected a string, got ${typeof data}`)
      return data
    },
    deserialize: (bytes) => utf8.decode(bytes),
  }
}

/** JSON as UTF-8. `T` is a promise of the writer; use a Standard Schema to have it checked. */
export function json<T = unknown>(): Serde<T> {
  return {
    name: 'json',
    serialize: (data) => jsonText(data),
    deserialize: (bytes) => jsonValue(bytes) as T,
  }
}

/** Bytes as they are, not copied. */
export function bytes(): Serde<Uint8Array> {
  return {
    name: 'bytes',
    serialize(data) {
      if (!(data instanceof Uint8Array)) {
        throw new TypeError(`expected a Uint8Array, got ${typeof data}`)
      }
      return data
    },
    deserialize: (data) => data,
  }
}

/** JSON text of a value. Throws when there is none (undefined, a function, a bigint, a cycle). */
export function jsonText(data: unknown): string {
  const text = JSON.stringify(data) as string | undefined
  if (text === undefined) throw new TypeError(`${typeof data} has no JSON form`)
  return text
}

/** The value of JSON bytes. */
export function jsonValue(data: Uint8Array): unknown {
  return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'))
}

/** Wraps whatever a serde threw. */
export function invalidData(
  cause: unknown,
  details: { readonly topic: string; readonly part: 'key' | 'value' },
): ClientError {
  if (cause instanceof ClientError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ClientError(
    'KFK_CLIENT_INVALID_DATA',
    `The ${details.part} of a record of topic "${details.topic}" is invalid: ${reason}`,
    { details, cause },
  )
}
