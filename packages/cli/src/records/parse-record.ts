import type { ProducerHeaders, ProducerRecord } from '@kfk/producer'
import { CliError } from '../errors.js'

/** How a line becomes a record. */
export interface RecordForm {
  readonly keySeparator: Buffer | undefined
  readonly json: boolean
  /** For records that name none of their own. */
  readonly partition: number | undefined
  readonly headers: readonly (readonly [string, string])[]
}

/**
 * The record of a line; undefined for an empty line of JSON lines.
 * @throws CliError naming the line, when it has not the form
 */
export function parseRecord(
  line: Buffer,
  form: RecordForm,
  lineNumber: number,
): ProducerRecord | undefined {
  if (form.json) {
    if (line.length === 0) return undefined
    return fromJson(line, form, lineNumber)
  }
  const { keySeparator } = form
  const at = keySeparator === undefined ? -1 : line.indexOf(keySeparator)
  if (keySeparator !== undefined && at < 0) {
    const text = JSON.stringify(keySeparator.toString())
    throw badLine(lineNumber, `there is no key: the separator ${text} is not in it`)
  }
  return {
    ...common(form),
    ...(keySeparator !== undefined && { key: line.subarray(0, at) }),
    value: keySeparator === undefined ? line : line.subarray(at + keySeparator.length),
  }
}

function common({ partition, headers }: RecordForm) {
  return {
    ...(partition !== undefined && { partition }),
    ...(headers.length > 0 && { headers: headers.map(([key, value]) => ({ key, value })) }),
  }
}

const fields = new Set(['key', 'value', 'headers', 'partition', 'timestamp', 'topic', 'offset'])

/** What `kfk consume --json` prints can be read back: topic and offset are passed over. */
function fromJson(line: Buffer, form: RecordForm, lineNumber: number): ProducerRecord {
  let parsed: unknown
  try {
    parsed = JSON.parse(line.toString('utf8'))
  } catch (error) {
    throw badLine(lineNumber, `it is no JSON (${(error as Error).message})`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw badLine(lineNumber, 'an object with key, value and headers is wanted')
  }
  const given = parsed as Readonly<Record<string, unknown>>
  const unknown = Object.keys(given).find((name) => !fields.has(name))
  if (unknown !== undefined) {
    throw badLine(lineNumber, `"${unknown}" is none of key, value, headers, partition, timestamp`)
  }
  if (!('value' in given)) throw badLine(lineNumber, 'there is no "value" (null is a tombstone)')
  const { headers, partition, timestamp } = given
  return {
    ...common(form),
    key: dataOf(given['key'] ?? null),
    value: dataOf(given['value']),
    ...(headers !== undefined && { headers: headersOf(headers, form, lineNumber) }),
    ...(form.partition === undefined &&
      partition !== undefined && { partition: partitionOf(partition, lineNumber) }),
    ...(timestamp !== undefined && { timestamp: timestampOf(timestamp, lineNumber) }),
  }
}

/** Text as it is, `{"base64": "..."}` as bytes, anything else as its JSON. */
function dataOf(value: unknown): string | Uint8Array | null {
  if (value === null || typeof value === 'string') return value
  if (typeof value === 'object' && Object.keys(value).length === 1 && 'base64' in value) {
    if (typeof value.base64 === 'string') return Buffer.from(value.base64, 'base64')
  }
  return JSON.stringify(value)
}

/** An object, or pairs where names repeat; those of the command line come first. */
function headersOf(value: unknown, form: RecordForm, lineNumber: number): ProducerHeaders {
  const pairs: unknown[] | undefined = Array.isArray(value)
    ? value
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
      : undefined
  if (pairs === undefined) throw badLine(lineNumber, '"headers" is no object')
  const own = pairs.map((each) => {
    if (!Array.isArray(each) || each.length !== 2 || typeof each[0] !== 'string') {
      throw badLine(lineNumber, '"headers" has something that is not [name, value]')
    }
    return { key: each[0], value: dataOf(each[1] as unknown) }
  })
  return [...form.headers.map(([key, text]) => ({ key, value: text })), ...own]
}

function partitionOf(value: unknown, lineNumber: number): number {
  if (Number.isInteger(value) && (value as number) >= 0) return value as number
  throw badLine(lineNumber, '"partition" is no partition number')
}

function timestampOf(value: unknown, lineNumber: number): number {
  const time = typeof value === 'string' ? Date.parse(value) : value
  if (Number.isSafeInteger(time) && (time as number) >= 0) return time as number
  throw badLine(lineNumber, '"timestamp" is neither milliseconds since 1970 nor an ISO 8601 time')
}

function badLine(lineNumber: number, reason: string): CliError {
  return new CliError('KFK_CLI_FAILED', `line ${lineNumber}: ${reason}`)
}
