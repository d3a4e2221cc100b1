import { Unplaceable } from '../event-time.js'
import type { OutputFormat, SourceRecord } from './output-format.js'

export interface JsonLinesOptions {
  /** Wrap the value with topic, partition, offset, timestamp, key and headers. Default false: the value alone. */
  readonly envelope?: boolean
}

const newline = 0x0a
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** One line of JSON a record. Values must be JSON; they are copied as they are unless they contain line breaks. */
export function jsonLines(options: JsonLinesOptions = {}): OutputFormat {
  const envelope = options.envelope ?? false
  return {
    name: 'json-lines',
    extension: '.jsonl',
    encode(source) {
      const { value: bytes } = source.record
      if (bytes === null && !envelope) throw new Unplaceable('a tombstone has no value')
      const value = bytes === null ? null : parse(bytes)
      if (envelope) return { bytes: Buffer.from(`${JSON.stringify(wrap(source, value))}\n`), value }
      if (bytes!.includes(newline))
        return { bytes: Buffer.from(`${JSON.stringify(value)}\n`), value }
      const line = Buffer.allocUnsafe(bytes!.length + 1)
      line.set(bytes!)
      line[bytes!.length] = newline
      return { bytes: line, value }
    },
  }
}

function parse(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new Unplaceable('the value is not UTF-8')
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Unplaceable('the value is not JSON')
  }
}

function wrap({ topic, partition, record }: SourceRecord, value: unknown) {
  const { offset, timestamp, key, headers } = record
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: key === null ? null : textOrBase64(key),
    value,
    headers: headers.map((header) => [
      header.key,
      header.value === null ? null : textOrBase64(header.value),
    ]),
  }
}

/** Keys are text as a rule; bytes that are not are told apart by the object around them. */
function textOrBase64(bytes: Uint8Array): string | { base64: string } {
  try {
    return utf8.decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}
