import type { ConsumerRecord } from '@kfk/consumer'
import { toJson } from '../output.js'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Text, or `{ base64 }` for bytes that are none. */
export function textOrBase64(bytes: Uint8Array | null): string | { base64: string } | null {
  if (bytes === null) return null
  try {
    return utf8.decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}

/** A record as one line of JSON, which `kfk produce --json` takes. */
export function jsonLine(record: ConsumerRecord): string {
  const { topic, partition, offset, timestamp, key, value, headers } = record
  const pairs = headers.map((header) => [header.key, textOrBase64(header.value)] as const)
  const unique = new Set(pairs.map(([name]) => name)).size === pairs.length
  return toJson({
    ...{ topic, partition, offset, timestamp: timestamp.toISOString() },
    key: textOrBase64(key),
    value: textOrBase64(value),
    // An object cannot hold a name twice.
    headers: unique ? Object.fromEntries(pairs) : pairs,
  })
}

/** The bytes of a record as they are printed, with the line break. */
export type RecordPrinter = (record: ConsumerRecord) => Buffer

type Part = Buffer | ((record: ConsumerRecord) => Uint8Array | string)

const nothing = Buffer.alloc(0)

const fields: Readonly<Record<string, (record: ConsumerRecord) => Uint8Array | string>> = {
  t: ({ topic }) => topic,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  k: ({ key }) => key ?? nothing,
  v: ({ value }) => value ?? nothing,
  h: ({ headers }) =>
    headers
      .map(({ key, value }) => `${key}=${value === null ? '' : Buffer.from(value).toString()}`)
      .join(','),
  T: ({ timestamp }) => String(timestamp.getTime()),
  '%': () => '%',
}

/** Letters of a format, for messages. */
export const formatLetters = Object.keys(fields)

/**
 * Compiles a format such as `%o %k=%v`. Keys and values come out byte for byte.
 * @returns undefined when a `%` is followed by an unknown letter
 */
export function compileFormat(format: string): RecordPrinter | undefined {
  const parts: Part[] = []
  for (const piece of format.match(/%.?|[^%]+/gs) ?? []) {
    if (!piece.startsWith('%')) {
      parts.push(Buffer.from(piece))
      continue
    }
    const field = fields[piece.slice(1)]
    if (field === undefined) return undefined
    parts.push(field)
  }
  return (record) =>
    Buffer.concat(
      parts.map((part) => {
        const data = typeof part === 'function' ? part(record) : part
        return typeof data === 'string' ? Buffer.from(data) : data
      }),
    )
}
