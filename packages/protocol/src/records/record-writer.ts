import type { RecordHeader } from './decoded-record.js'
import { varintSize, varlongSize, writeVarint } from './varint.js'

/** The parts of a record to be written. */
export interface RecordFields {
  readonly key: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers: readonly RecordHeader[] | undefined
}

/** Where a record stands relative to its batch. */
export interface RecordDeltas {
  readonly timestampDelta: number
  readonly offsetDelta: number
}

/** The record's length, its attributes, two varints, a varlong, and three more varints, at most. */
export const RECORD_OVERHEAD_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5

/** Attributes, two deltas, two lengths and a header count of one byte each. */
export const MIN_BODY_BYTES = 6

/** Two lengths per header. */
const HEADER_OVERHEAD_MAX = 10

/**
 * Up to here a loop over the characters beats the call into native code (14 against 66 ns for a key
 * of six); below 64 the length takes one byte.
 */
const SHORT_STRING = 24

/** Up to here a loop over the bytes beats the call of `set`. */
const SHORT_BYTES = 12

export function lengthAtLeast(field: Uint8Array | string | null): number {
  return field === null ? 0 : field.length
}

/** A UTF-16 unit takes at most 3 bytes of UTF-8. */
function lengthAtMost(field: Uint8Array | string | null): number {
  if (field === null) return 0
  return typeof field === 'string' ? field.length * 3 : field.length
}

function headersAtMost(headers: readonly RecordHeader[]): number {
  let bytes = 0
  for (const header of headers) {
    bytes += HEADER_OVERHEAD_MAX + lengthAtMost(header.key) + lengthAtMost(header.value)
  }
  return bytes
}

function fieldBytes(field: Uint8Array | string | null): number {
  if (field === null) return 1
  const length = typeof field === 'string' ? Buffer.byteLength(field) : field.length
  return varintSize(length) + length
}

/** The exact size of a record. */
export function recordBytes(fields: RecordFields, deltas: RecordDeltas): number {
  const { key, value, headers } = fields
  let body = 1 + varlongSize(deltas.timestampDelta) + varintSize(deltas.offsetDelta)
  body += fieldBytes(key) + fieldBytes(value) + varintSize(headers?.length ?? 0)
  if (headers !== undefined) {
    for (const header of headers) body += fieldBytes(header.key) + fieldBytes(header.value)
  }
  return varintSize(body) + body
}

/** Writes a length and its bytes; -1 for null. Returns the position after it. */
export function writeField(buffer: Buffer, at: number, field: Uint8Array | string | null): number {
  return typeof field === 'string' ? writeString(buffer, at, field) : writeBytes(buffer, at, field)
}

/** {@link writeField} for what is no text. */
export function writeBytes(buffer: Buffer, at: number, field: Uint8Array | null): number {
  if (field === null) {
    buffer[at] = 1
    return at + 1
  }
  const { length } = field
  at = writeVarint(buffer, at, length)
  if (length > SHORT_BYTES) buffer.set(field, at)
  else for (let index = 0; index < length; index++) buffer[at + index] = field[index]!
  return at + length
}

/** One pass over the string: its length is guessed to be ASCII's, and corrected when it was not. */
function writeString(buffer: Buffer, at: number, text: string): number {
  if (text.length <= SHORT_STRING) {
    const end = writeShortAscii(buffer, at, text)
    if (end >= 0) return end
  }
  const guess = at + varintSize(text.length)
  const length = buffer.write(text, guess, 'utf8')
  const content = at + varintSize(length)
  if (content !== guess) buffer.copyWithin(content, guess, guess + length)
  writeVarint(buffer, at, length)
  return content + length
}

/** Writes length and characters; -1 when there is one that is not ASCII. */
function writeShortAscii(buffer: Buffer, at: number, text: string): number {
  const { length } = text
  buffer[at++] = length << 1
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) return -1
    buffer[at + index] = code
  }
  return at + length
}

/** Quick and pessimistic: strings may take three bytes a character, varints their longest form. */
export function recordBytesAtMost({ key, value, headers }: RecordFields): number {
  const bytes = RECORD_OVERHEAD_MAX + lengthAtMost(key) + lengthAtMost(value)
  return headers === undefined ? bytes : bytes + headersAtMost(headers)
}

/** Writes the headers with their count; returns the position after them. */
export function writeHeaders(
  buffer: Buffer,
  at: number,
  headers: readonly RecordHeader[] | undefined,
): number {
  if (headers === undefined) {
    buffer[at] = 0
    return at + 1
  }
  at = writeVarint(buffer, at, headers.length)
  for (const header of headers) {
    at = writeField(buffer, at, header.key)
    at = writeField(buffer, at, header.value)
  }
  return at
}
