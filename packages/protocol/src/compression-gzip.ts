import { promisify } from 'node:util'
import { gunzipSync, gzip, gzipSync } from 'node:zlib'
import type { ZlibOptions } from 'node:zlib'
import type { CompressionCodec } from './compression.js'
import { ProtocolError } from './errors.js'

const gzipApart = promisify<Uint8Array, ZlibOptions, Uint8Array>(gzip)

/** This takes a tenth of a millisecond; handing over takes a third of that. */
const APART_MIN_BYTES = 8 * 1024

/** gzip (RFC 1952) by node:zlib. Several members one after another are read as one. */
export const gzipCodec: CompressionCodec = {
  compress(bytes, level) {
    return gzipSync(bytes, level === undefined ? {} : { level })
  },

  apart: {
    minBytes: APART_MIN_BYTES,
    // One chunk, as a rule: each goes to the other thread and back.
    compress: (bytes, level) =>
      gzipApart(bytes, { chunkSize: bytes.length, ...(level === undefined ? {} : { level }) }),
  },

  decompress(bytes, { maxOutputBytes }) {
    try {
      // zlib takes no limit of 0, and the output grows in chunks up to the limit, never beyond.
      const output = gunzipSync(bytes, {
        maxOutputLength: Math.max(1, maxOutputBytes),
        chunkSize: chunkBytes(bytes.length, maxOutputBytes),
      })
      if (output.length <= maxOutputBytes) return output
    } catch (cause) {
      if (!isOutputLimitError(cause)) {
        throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'not valid gzip', { cause })
      }
    }
    const message = `gzip output is above ${maxOutputBytes} bytes`
    throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', message)
  },
}

/**
 * zlib's output buffer: a guess at the whole output, because each further chunk is another copy.
 */
function chunkBytes(inputBytes: number, maxOutputBytes: number): number {
  return Math.max(1024, Math.min(inputBytes * 6, maxOutputBytes, 256 * 1024))
}

/** True for the error of node:zlib when the output would be above `maxOutputLength`. */
export function isOutputLimitError(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_BUFFER_TOO_LARGE'
  )
}
