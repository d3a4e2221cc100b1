import { isUtf8 } from 'node:buffer'
import { Unplaceable } from '../event-time.js'
import type { OutputFormat, SourceRecord } from './output-format.js'

export interface JsonLinesOptions {
  /**
   * Wrap the value with topic, partition, offset, timestamp, key and headers. Default false: the
   * value alone.
   */
  readonly envelope?: boolean
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
const blank = 0x20

/**
 * One line of JSON a record. Values must be JSON. They are copied byte for byte, so that numbers
 * keep their digits and objects the order of their fields; only line breaks, which JSON has between
 * its parts alone, become blanks.
 */
export function jsonLines(options: JsonLinesOptions = {}): OutputFormat {
  const envelope = options.envelope ?? false
  return {
    name: 'json-lines',
    extension: '.jsonl',
    encode(source) {
      const { value: bytes } = source.record
      if (bytes === null) {
        if (!envelope) throw new Unplaceable('a tombstone has no value')
        return { bytes: line(opening(source), Buffer.from('null'), '}\n'), value: null }
      }
      const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      const value = parse(raw)
      return { bytes: envelope ? line(opening(source), raw, '}\n') : line('', raw, '\n'), value }
    },
  }
}

function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new Unplaceable('the value is not UTF-8')
  try {
    return JSON.parse(bytes.toString()) as unknown
  } catch {
    throw new Unplaceable('the value is not JSON')
  }
}

/** The value between two texts, on one line. */
function line(before: string, value: Buffer, after: string): Buffer {
  const start = Buffer.byteLength(before)
  const end = start + value.length
  const bytes = Buffer.allocUnsafe(end + after.length)
  if (start > 0) bytes.write(before)
  value.copy(bytes, start)
  blankOut(bytes.subarray(start, end), lineFeed)
  // Hadoop takes a carriage return for the end of a line too.
  blankOut(bytes.subarray(start, end), carriageReturn)
  bytes.write(after, end)
  return bytes
}

function blankOut(bytes: Buffer, unwanted: number): void {
  for (let at = bytes.indexOf(unwanted); at >= 0; at = bytes.indexOf(unwanted, at + 1)) {
    bytes[at] = blank
  }
}

function opening({ topic, partition, record }: SourceRecord): string {
  const { offset, timestamp, key, headers } = record
  const fields = {
    topic,
    partition,
    offset,
    timestamp,
    key: key === null ? null : textOrBase64(key),
    headers: headers.map((header) => [
      header.key,
      header.value === null ? null : textOrBase64(header.value),
    ]),
  }
  return `${JSON.stringify(fields).slice(0, -1)},"value":`
}

/** Keys are text as a rule; bytes that are not are told apart by the object around them. */
function textOrBase64(bytes: Uint8Array): string | { base64: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return isUtf8(buffer) ? buffer.toString() : { base64: buffer.toString('base64') }
}
