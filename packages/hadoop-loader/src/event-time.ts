import type { DecodedRecord } from '@kfk/protocol'

/** A record that cannot be placed, with the reason in words that can be counted. */
export class Unplaceable extends Error {}

/** Years that a `dt=` directory can have. */
const earliestMs = 0
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * The event time of a record: a field of its JSON value (`a.b` looks into objects), ISO 8601 text
 * or milliseconds since 1970; without a field, the record's timestamp.
 *
 * @throws Unplaceable
 */
export function eventTimeOf(
  record: Pick<DecodedRecord, 'timestamp'>,
  value: unknown,
  timeField: readonly string[] | undefined,
): number {
  if (timeField === undefined) return checked(record.timestamp, 'the timestamp of the record')
  const name = timeField.join('.')
  let found = value
  for (const part of timeField) {
    const isObject = typeof found === 'object' && found !== null && Object.hasOwn(found, part)
    found = isObject ? (found as Record<string, unknown>)[part] : undefined
  }
  if (found === undefined || found === null) throw new Unplaceable(`no field "${name}"`)
  const time = typeof found === 'number' ? found : typeof found === 'string' ? parseIso(found) : NaN
  return checked(time, `field "${name}"`)
}

/** Dates alone and times with an offset; no other form that Date.parse would guess at. */
function parseIso(text: string): number {
  return /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text)
    ? Date.parse(hasZone(text) ? text : `${text.replace(' ', 'T')}Z`)
    : NaN
}

function hasZone(text: string): boolean {
  return text.length <= 10 || /(Z|[+-]\d\d:?\d\d)$/.test(text.slice(10))
}

function checked(time: number, what: string): number {
  if (Number.isFinite(time) && time >= earliestMs && time <= latestMs) return Math.floor(time)
  throw new Unplaceable(`${what} is not a time`)
}
