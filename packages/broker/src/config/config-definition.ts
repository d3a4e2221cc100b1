/** Kafka's kinds of config values, as DescribeConfigs names them. */
export type ConfigType =
  'boolean' | 'string' | 'int' | 'short' | 'long' | 'double' | 'list' | 'class' | 'password'

/** Returns what would be allowed instead when the value is bad; undefined when it is good. */
export type ConfigCheck = (value: string) => string | undefined

/** One config: everything that there is to know about it but its present value. */
export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  /** In Kafka's text form; null: unset. */
  readonly default: string | null
  readonly importance: 'high' | 'medium' | 'low'
  /** One or two sentences for DescribeConfigs, with the unit. */
  readonly doc: string
  /** Beyond what the type demands. */
  readonly check?: ConfigCheck
  /** Whether a change counts while the broker runs; only of broker configs. Default false. */
  readonly dynamic?: boolean
}

type Row = readonly [
  name: string,
  type: ConfigType,
  defaultValue: string | null,
  importance: ConfigDefinition['importance'],
  doc: string,
  check?: ConfigCheck,
]

/** A registry out of rows, so that the tables stay readable. Keeps the order of the rows. */
export function defineConfigs(rows: readonly Row[]): ReadonlyMap<string, ConfigDefinition> {
  const registry = new Map<string, ConfigDefinition>()
  for (const [name, type, defaultValue, importance, doc, check] of rows) {
    registry.set(name, {
      name,
      type,
      default: defaultValue,
      importance,
      doc,
      ...(check && { check }),
    })
  }
  return registry
}

/** Java's Long.MAX_VALUE: "never" and "no limit" in Kafka's configs. */
export const LONG_MAX = '9223372036854775807'

const INTEGER = /^[+-]?\d{1,19}$/
const INT_MAX = 2_147_483_647n
const SHORT_MAX = 32_767n
const LONG_LIMIT = 2n ** 63n

/** Allows numbers from `min` to `max`, inclusive. */
export function between(min: number, max: number): ConfigCheck {
  return (value) => {
    const number = Number(value)
    return number >= min && number <= max ? undefined : `a number from ${min} to ${max}`
  }
}

/** Allows numbers from `min`. */
export function atLeast(min: number): ConfigCheck {
  return (value) => (Number(value) >= min ? undefined : `a number of at least ${min}`)
}

/** Allows the given words. */
export function oneOf(...words: readonly string[]): ConfigCheck {
  return (value) => (words.includes(value) ? undefined : `one of ${words.join(', ')}`)
}

/** Allows comma-separated lists of at least one of the given words. */
export function listOf(...words: readonly string[]): ConfigCheck {
  return (value) => {
    const items = splitList(value)
    return items.length > 0 && items.every((item) => words.includes(item))
      ? undefined
      : `a comma-separated list of ${words.join(', ')}`
  }
}

/**
 * Allows a single value: Kafka has others, which this broker cannot honour, and it is better to say
 * so than to ignore them.
 */
export function only(word: string, reason: string): ConfigCheck {
  return limited((value) =>
    value === word ? undefined : `${word === '' ? 'nothing' : word} (${reason})`,
  )
}

/** Allows no value at all, for the same reason. */
export function unset(reason: string): ConfigCheck {
  return limited(() => `to leave it unset (${reason})`)
}

const limits = new WeakSet<ConfigCheck>()

function limited(check: ConfigCheck): ConfigCheck {
  limits.add(check)
  return check
}

/** Whether this broker refuses values of the config that would be good ones in Kafka. */
export function isLimited({ check }: ConfigDefinition): boolean {
  return check !== undefined && limits.has(check)
}

/** The items of a list config. */
export function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** What is wrong with a value, as "what is allowed", or undefined. */
export function allowedInstead(definition: ConfigDefinition, value: string): string | undefined {
  return allowedByType(definition.type, value) ?? definition.check?.(value)
}

function allowedByType(type: ConfigType, value: string): string | undefined {
  switch (type) {
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : 'true or false'
    case 'int':
      return integerWithin(value, INT_MAX) ? undefined : 'a 32-bit integer'
    case 'short':
      return integerWithin(value, SHORT_MAX) ? undefined : 'a 16-bit integer'
    case 'long':
      return integerWithin(value, LONG_LIMIT - 1n) ? undefined : 'a 64-bit integer'
    case 'double':
      return value.trim() !== '' && Number.isFinite(Number(value)) ? undefined : 'a number'
    default:
      return undefined
  }
}

function integerWithin(value: string, max: bigint): boolean {
  if (!INTEGER.test(value)) return false
  const number = BigInt(value.startsWith('+') ? value.slice(1) : value)
  return number <= max && number >= -max - 1n
}

/** Integers beyond 2^53 - 1, such as Long.MAX_VALUE, saturate there. */
export function toNumber(value: string): number {
  return Math.max(Math.min(Number(value), Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER)
}

/** The message for a bad value: the config, the value, what is allowed. */
export function badValue(name: string, value: string, allowed: string): string {
  return `Invalid value '${printable(value)}' for ${name}: allowed is ${allowed}`
}

/** The message for a name that is in no registry, with the nearest one that is. */
export function unknownName(
  kind: 'broker' | 'topic' | 'group',
  name: string,
  known: Iterable<string>,
): string {
  const nearest = nearestName(name, known)
  const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`
  return `Unknown ${kind} config name: ${printable(name)}${hint}`
}

/**
 * Values come from clients: control characters must not reach logs, nor a huge value an error
 * message.
 */
function printable(text: string): string {
  const short = text.length > 100 ? `${text.slice(0, 100)}...` : text
  return short.replace(/[^\x20-\x7e]/g, '?')
}

function nearestName(name: string, known: Iterable<string>): string | undefined {
  // Longer names than any config's would only cost time.
  if (name.length > 80) return undefined
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 4)) + 1
  for (const candidate of known) {
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
